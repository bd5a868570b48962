package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/internal/commandline"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func (p *program) downloadCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "download [HANDLE|DID] CID",
		Short: "Download a blob",
		Long: `download gets a blob of an account, by its CID, from the account's server, and checks that the
bytes are those of the CID. Without an account it is one of yours. It is written to a file that is
called like the CID, or to --output; a file is there in full or not at all.`,
		Example: "  atproto download bafkrei…\n  atproto download alice.example.com bafkrei… --output cat.jpg",
		Args:    commandline.Args(1, 2, "say which blob: give its CID"),
	}
	out := outputFlags(cmd, "write to this `file`, - for the standard output")
	account := p.accountFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		who, typed := *account, args[0]
		if len(args) == 2 {
			who, typed = args[0], args[1]
		}
		cid, err := syntax.ParseCID(typed)
		if err != nil || !strings.HasPrefix(typed, "bafkrei") || len(typed) != 59 { // others have no hash to check by
			return commandline.Usage(fmt.Errorf("%q is not the CID of a blob: it begins with bafkrei and stands in a record as $link", typed), cmd)
		}
		o := *out
		if o.name == "" {
			o.name = string(cid)
		}
		if err := p.check(&o); err != nil {
			return err
		}
		ctx := cmd.Context()
		found, server, err := p.locate(ctx, who)
		if err != nil {
			return err
		}
		report, end := p.progress("Downloading " + string(cid))
		defer end()
		blob, err := comatproto.NewClient(server).Sync.GetBlob(ctx, &comatproto.SyncGetBlobParams{DID: found.DID, CID: cid},
			xrpc.WithCID(cid), xrpc.WithDownloadProgress(report))
		if err != nil {
			return err
		}
		defer blob.Close()
		n, err := p.write(&o, blob, nil)
		switch {
		case errors.Is(err, xrpc.ErrCIDMismatch) && o.name == "-":
			return fmt.Errorf("the server sent other bytes than those of %s: do not use them\n  %w", cid, err)
		case errors.Is(err, xrpc.ErrCIDMismatch):
			return fmt.Errorf("the server sent other bytes than those of %s: nothing was kept\n  %w", cid, err)
		case err != nil:
			return err
		}
		end()
		if o.name != "-" {
			fmt.Fprintf(p.stdout, "%s (%d bytes, %s)\n", o.name, n, blob.ContentType)
		}
		return nil
	}
	return cmd
}
