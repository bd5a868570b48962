package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/internal/commandline"
	"github.com/gimucco/atproto-go/repo"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func (p *program) repoCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "repo",
		Short: "Export repositories, and look into them",
		Long: `repo exports the repository of an account, all of its records, as a CAR file, and looks into such
files.`,
		Example: "  atproto repo export alice.example.com\n  atproto repo ls alice.example.com.car",
	}
	cmd.AddCommand(p.repoExportCommand(), p.repoListCommand(), p.repoUnpackCommand())
	return cmd
}

func (p *program) repoExportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export HANDLE|DID [FILE]",
		Short: "Write the repository of an account to a CAR file",
		Long: `export gets the repository of an account from its server, checks every block of it and that the
account has signed it, and writes it to a CAR file: FILE or --output, - for the standard output, or
else a file that is called like the account. A file is there in full or not at all. Files that were
uploaded (blobs) are not in it.`,
		Example: "  atproto repo export alice.example.com\n  atproto repo export did:plc:ewvi7nxzyoun6zhxrhs64oiz backup.car --force",
		Args:    commandline.Args(1, 2, "say whose repository: give a handle or a DID"),
	}
	o := outputFlags(cmd, "write to this `file`, - for the standard output")
	since := cmd.Flags().String("since", "", "only what changed since this `revision`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		params := new(comatproto.SyncGetRepoParams)
		if *since != "" {
			rev, err := syntax.ParseTID(*since)
			if err != nil {
				return commandline.Usage(fmt.Errorf("--since: %q is no revision, such as 3jzfcijpj2z2a", *since), cmd)
			}
			params.Since = &rev
		}
		if len(args) == 2 && o.name != "" {
			return commandline.Usage(fmt.Errorf("--output: the file is %q already: leave one of them out", args[1]), cmd)
		}
		ctx := cmd.Context()
		found, server, err := p.locate(ctx, args[0])
		if err != nil {
			return err
		}
		switch {
		case len(args) == 2:
			o.name = args[1]
		case o.name != "":
		case found.Handle != syntax.HandleInvalid:
			o.name = string(found.Handle) + ".car"
		default:
			o.name = strings.ReplaceAll(string(found.DID), ":", "_") + ".car"
		}
		if err := p.check(o); err != nil {
			return err
		}
		params.DID = found.DID
		report, end := p.progress("Downloading " + found.DID.Identifier())
		defer end()
		car, err := comatproto.NewClient(server).Sync.GetRepo(ctx, params, xrpc.WithDownloadProgress(report))
		if err != nil {
			return err
		}
		defer car.Close()
		revision := ""
		n, err := p.write(o, car, func(f *os.File, size int64) error {
			r, err := repo.Open(ctx, f, size)
			if err != nil {
				return fmt.Errorf("the server sent a damaged repository; nothing was kept\n  %w", err)
			}
			defer r.Close()
			if rev := r.Commit().Rev; rev != "" { // old repositories have none
				revision = ", revision " + string(rev)
			}
			return verify(r, found.Document)
		})
		if err != nil {
			return err
		}
		end()
		if o.name != "-" {
			fmt.Fprintf(p.stdout, "%s (%d bytes%s)\n", o.name, n, revision)
		}
		return nil
	}
	return cmd
}

// verify makes sure that the account has signed the repository.
func verify(r *repo.Repository, document *identity.Document) error {
	key, err := document.SigningKey()
	if err != nil {
		return fmt.Errorf("the account's document has no key that signs repositories\n  %w", err)
	}
	if err := r.Verify(document.ID, key); err != nil {
		return fmt.Errorf("the repository is not one that %s has signed\n  %w", document.ID, err)
	}
	return nil
}

// A source is a repository to look into: in a file, or on the network.
type source struct {
	*repo.Repository
	close func()
}

// open opens a CAR file, or the repository of an account.
func (p *program) open(ctx context.Context, typed string) (*source, error) {
	f, err := os.Open(typed)
	if errors.Is(err, fs.ErrNotExist) && !strings.HasSuffix(typed, ".car") {
		return p.openAccount(ctx, typed)
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file: give a CAR file, a handle or a DID", typed)
	}
	var r *repo.Repository
	if err == nil {
		r, err = repo.Open(ctx, f, info.Size())
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s cannot be read: export it anew\n  %w", typed, err)
	}
	return &source{r, func() { r.Close(); f.Close() }}, nil
}

func (p *program) openAccount(ctx context.Context, typed string) (*source, error) {
	found, server, err := p.locate(ctx, typed)
	if err != nil {
		return nil, fmt.Errorf("%q is neither a CAR file nor an account: %w", typed, err)
	}
	report, end := p.progress("Downloading " + found.DID.Identifier())
	defer end()
	car, err := comatproto.NewClient(server).Sync.GetRepo(ctx, &comatproto.SyncGetRepoParams{DID: found.DID}, xrpc.WithDownloadProgress(report))
	if err != nil {
		return nil, err
	}
	defer car.Close()
	r, err := repo.Read(ctx, car)
	if err != nil {
		return nil, fmt.Errorf("the server sent a damaged repository\n  %w", err)
	}
	if err := verify(r, found.Document); err != nil {
		r.Close()
		return nil, err
	}
	return &source{r, func() { r.Close() }}, nil
}

func (p *program) repoListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ls FILE|HANDLE|DID",
		Short: "List the records of a repository",
		Long: `ls lists the records in a CAR file, or in the repository of an account: their paths and CIDs.
With --json it is a line of JSON for each record, with its value.

Every block is checked by its hash. Of an account's repository it is also checked that the account
has signed it; who wrote a file is not checked: export did that.`,
		Example: "  atproto repo ls alice.example.com.car\n  atproto repo ls alice.example.com --collection app.bsky.feed.like --json",
		Args:    commandline.Args(1, 1, "say which repository: give a CAR file, a handle or a DID"),
	}
	collection := cmd.Flags().String("collection", "", "only the records of this `collection`")
	cmd.RegisterFlagCompletionFunc("collection", completeMethods("record"))
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var only syntax.NSID
		if *collection != "" {
			var err error
			if only, err = syntax.ParseNSID(*collection); err != nil {
				return commandline.Usage(fmt.Errorf("--collection: %q is none: write it as app.bsky.feed.post", *collection), cmd)
			}
		}
		s, err := p.open(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		defer s.close()
		list := s.Records()
		if only != "" {
			list = s.Collection(only)
		}
		for r, err := range list {
			if err == nil {
				err = cmd.Context().Err()
			}
			if err != nil {
				return err
			}
			if !*asJSON {
				fmt.Fprintf(p.stdout, "%s  %s\n", r.Path(), r.CID)
				continue
			}
			if err := p.printPath(r); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

// printPath prints a record of a repository as a line of JSON.
func (p *program) printPath(r *repo.Record) error {
	line := recordLine{Collection: r.Collection, Key: r.Key, CID: r.CID}
	line.setValue(r.Value()) // anybody may write anything into a repository
	return writeLine(p.stdout, line)
}
