package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gimucco/atproto-go/internal/commandline"
	"github.com/gimucco/atproto-go/repo"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A recordLine is a record of a repository, or of an event, as it is printed.
type recordLine struct {
	Collection syntax.NSID      `json:"collection,omitempty"`
	Key        syntax.RecordKey `json:"rkey,omitempty"`
	CID        syntax.CID       `json:"cid,omitempty"`
	Value      json.RawMessage  `json:"value,omitempty"`
	Error      string           `json:"error,omitempty"` // why there is no value
}

func (p *program) repoUnpackCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "unpack FILE|HANDLE|DID [FOLDER]",
		Short: "Write the records of a repository to files",
		Long: `unpack writes each record in a CAR file, or in the repository of an account, to a file of JSON:
FOLDER/collection/key.json, and what the commit says to FOLDER/_commit.json. Without FOLDER it is
called like the account's DID. The folder has to be new, or empty.

A record whose collection or key is none that an atproto server takes, such as "..", or whose value
is none of the data model, is left out and named on standard error; the exit status is then 1. A
colon in a key becomes %3A, since not every system has it in names of files.`,
		Example: "  atproto repo unpack alice.example.com.car\n  atproto repo unpack alice.example.com backup",
		Args:    commandline.Args(1, 2, "say which repository: give a CAR file, a handle or a DID"),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := p.open(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		defer s.close()
		folder := fileName(string(s.Commit().DID))
		if len(args) == 2 {
			folder = args[1]
		} else if _, err := syntax.ParseDID(string(s.Commit().DID)); err != nil {
			return errors.New("the repository does not say whose it is: give a FOLDER")
		}
		return p.unpack(cmd.Context(), s, folder)
	}
	return cmd
}

// fileName is a name that every system takes for a file.
func fileName(name string) string { return strings.ReplaceAll(name, ":", "%3A") }

// unpack writes the records below a folder, and never anywhere else.
func (p *program) unpack(ctx context.Context, s *source, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	there, err := os.Open(folder)
	if err != nil {
		return err
	}
	_, err = there.ReadDir(1)
	there.Close()
	if err == nil {
		return fmt.Errorf("%s is not empty: give a new folder", folder)
	}
	if err != io.EOF {
		return err
	}
	root, err := os.OpenRoot(folder) // links lead nowhere out of it
	if err != nil {
		return err
	}
	defer root.Close()
	commit := s.Commit()
	text, err := json.Marshal(map[string]any{"did": commit.DID, "version": commit.Version, "rev": commit.Rev, "cid": commit.CID, "data": commit.Data})
	if err != nil {
		return err
	}
	if err := writeIndented(root, "_commit.json", text); err != nil {
		return err
	}
	written, left := 0, 0
	for r, err := range s.Records() {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		switch err := unpackRecord(root, r); {
		case errors.Is(err, errLeftOut):
			left++
			fmt.Fprintf(p.stderr, "atproto: %q is left out: %v\n", r.Path(), err)
		case err != nil:
			return err
		default:
			written++
		}
	}
	fmt.Fprintf(p.stdout, "%s (%s)\n", filepath.Clean(folder), count(written, "record"))
	if left > 0 {
		return fmt.Errorf("%s left out", count(left, "record"))
	}
	return nil
}

// errLeftOut marks a record that is not written.
var errLeftOut = errors.New("it is not written")

func unpackRecord(root *os.Root, r *repo.Record) error {
	if _, err := syntax.ParseNSID(string(r.Collection)); err != nil {
		return fmt.Errorf("%w: its collection is none: %w", errLeftOut, err)
	}
	if _, err := syntax.ParseRecordKey(string(r.Key)); err != nil {
		return fmt.Errorf("%w: its key is none: %w", errLeftOut, err)
	}
	value, err := r.Value()
	if err != nil {
		return fmt.Errorf("%w: %w", errLeftOut, err)
	}
	text, err := value.JSON()
	if err != nil {
		return fmt.Errorf("%w: %w", errLeftOut, err)
	}
	dir := string(r.Collection)
	if err := root.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	err = writeIndented(root, path.Join(dir, fileName(string(r.Key))+".json"), text)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: this system takes its name for that of another record", errLeftOut)
	}
	return err
}

// writeIndented makes a new file of JSON.
func writeIndented(root *os.Root, name string, text []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		return err
	}
	b.WriteByte('\n')
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(b.Bytes())
	return errors.Join(err, f.Close())
}
