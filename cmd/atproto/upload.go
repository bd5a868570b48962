package main

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/internal/commandline"
	"github.com/gimucco/atproto-go/xrpc"
)

func (p *program) uploadCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "upload FILE",
		Short: "Upload a file as a blob",
		Long: `upload sends a file to the server of your account, and prints the blob as it goes into a record.
A server keeps it for a while; a record that refers to it keeps it for good. The file is sent as
it is: pictures with what the camera wrote into them, such as the place.

FILE is - for the standard input. The media type is what the file looks like, unless --type says
otherwise; the standard input needs --type.`,
		Example: "  atproto upload cat.jpg\n  atproto upload - --type image/png < cat.png",
		Args:    commandline.Args(1, 1, "say which file, or - for the standard input"),
	}
	kind := cmd.Flags().String("type", "", "the media `type`, such as image/jpeg")
	account := p.accountFlag(cmd)
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		file := args[0]
		if *kind != "" {
			if _, _, err := mime.ParseMediaType(*kind); err != nil || !strings.Contains(*kind, "/") {
				return commandline.Usage(fmt.Errorf("--type: %q is not a media type: write it as image/jpeg", *kind), cmd)
			}
		} else if file == "-" {
			return commandline.Usage(errors.New("--type: say what the standard input is, such as image/jpeg"), cmd)
		}
		body, err := p.fileBody(file, *kind)
		if err != nil {
			return err
		}
		ctx := cmd.Context()
		return p.as(ctx, *account, func(s session, _ *entry) error {
			report, end := p.progress("Uploading " + file)
			out, err := comatproto.NewClient(s).Repo.UploadBlob(ctx, body, xrpc.WithUploadProgress(report))
			end()
			if err != nil {
				return err
			}
			return writeLex(p.stdout, &out.Blob, *asJSON)
		})
	}
	return cmd
}

// fileBody is the body of a file, or of the standard input, which can be sent once.
func (p *program) fileBody(file, kind string) (*xrpc.Body, error) {
	if file == "-" {
		return xrpc.StreamBody(p.stdin, -1, kind), nil
	}
	body, err := fileBody(file)
	if err != nil {
		return nil, err
	}
	if kind == "" {
		return body, nil
	}
	return xrpc.OpenerBody(func() (io.ReadCloser, error) { return os.Open(file) }, body.Size(), kind), nil
}

// fileBody is the body of a file, which can be sent again. What is no file is refused in words
// for people.
func fileBody(name string) (*xrpc.Body, error) {
	if err := checkFile(name); err != nil {
		return nil, err
	}
	return xrpc.FileBody(name)
}

// checkFile makes sure that a file is there to send.
func checkFile(name string) error {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a folder: give a file", name)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is a device or a pipe: give a file, or send it to the standard input and give -", name)
	}
	return nil
}
