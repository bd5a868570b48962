package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/chatbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/internal/commandline"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func (p *program) recordCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "record",
		Short: "Read and write records of repositories",
		Long: `record reads records of any repository, without a login, and writes those of your account.

A record is named by its at:// URI, by the address of its page on bsky.app, or, if it is your
own, by its collection and its key: app.bsky.feed.post/3jt…`,
		Example: "  atproto record get at://alice.example.com/app.bsky.actor.profile/self\n  atproto record list app.bsky.feed.post",
	}
	cmd.AddCommand(p.recordGetCommand(), p.recordListCommand(), p.recordCreateCommand(), p.recordPutCommand(), p.recordDeleteCommand())
	return cmd
}

func (p *program) recordGetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get RECORD",
		Short: "Print a record",
		Long: `get prints a record as JSON, from the server of its account. With --json it is one line with
its URI and its CID beside its value; the CID is what put --swap takes.`,
		Example: `  atproto record get at://alice.example.com/app.bsky.actor.profile/self
  atproto record get app.bsky.actor.profile/self --json`,
		Args:              commandline.Args(1, 1, "say which record: give its at:// URI, or app.bsky.feed.post/3jt… for one of yours"),
		ValidArgsFunction: firstArg(completeMethods("record")),
	}
	cid := cmd.Flags().String("cid", "", "the version of this `CID`, and no other")
	account := p.accountFlag(cmd)
	asJSON := jsonFlag(cmd)
	timeout := timeoutFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name, err := parseFullRecord(args[0])
		var version *syntax.CID
		if err == nil && *cid != "" {
			var parsed syntax.CID
			if parsed, err = recordCID(*cid); err != nil {
				err = fmt.Errorf("--cid: %w", err)
			}
			version = &parsed
		}
		if err != nil {
			return commandline.Usage(err, cmd)
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), *timeout)
		defer cancel()
		if name.repo == "" {
			name.repo = *account
		}
		found, server, err := p.locate(ctx, name.repo)
		if err != nil {
			return err
		}
		out, err := comatproto.NewClient(server).Repo.GetRecord(ctx, &comatproto.RepoGetRecordParams{
			Repo: syntax.AtIdentifier(found.DID), Collection: name.collection, RKey: name.key, CID: version,
		})
		if errors.Is(err, comatproto.ErrRecordNotFound) {
			return fmt.Errorf("there is no such record in the repository of %s: atproto record list shows what there is\n  %w", found.Handle, err)
		}
		if err != nil {
			return err
		}
		if *asJSON {
			return writeLex(p.stdout, out, true)
		}
		value, err := out.Value.JSON()
		if err != nil {
			return err
		}
		return writeRaw(p.stdout, value, false)
	}
	return cmd
}

func (p *program) recordListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list [COLLECTION|at://REPO[/COLLECTION]]",
		Short: "List records, or the collections of a repository",
		Long: `list lists the records of a collection, the newest first, or, without one, the collections that
a repository has. It is your own repository unless --repo or a URI names another.

With --json it is a line of JSON for each record.`,
		Example: `  atproto record list app.bsky.feed.post --limit 10
  atproto record list --repo alice.example.com
  atproto record list at://alice.example.com/app.bsky.graph.follow --json`,
		Args:              commandline.Args(0, 1, ""),
		ValidArgsFunction: firstArg(completeMethods("record")),
	}
	repo := cmd.Flags().String("repo", "", "the repository of this `account`: a handle or DID")
	limit := cmd.Flags().Int("limit", 50, "list this `number` of records; 0: all")
	reverse := cmd.Flags().Bool("reverse", false, "the oldest first")
	asJSON := jsonFlag(cmd)
	timeout := timeoutFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var name recordName
		var err error
		if len(args) > 0 {
			if name, err = parseRecord(args[0]); err != nil {
				err = fmt.Errorf("%q names no collection: write it as app.bsky.feed.post, or as at://alice.example.com/app.bsky.feed.post for that of another account", args[0])
			}
		}
		switch {
		case err != nil:
		case name.key != "":
			err = errors.New("this names one record: atproto record get prints it")
		case name.repo != "" && *repo != "":
			err = errors.New("--repo: the URI names a repository already")
		case *limit < 0:
			err = fmt.Errorf("--limit: %d is less than 0, which is for no limit", *limit)
		}
		if err != nil {
			return commandline.Usage(err, cmd)
		}
		if name.repo == "" {
			name.repo = *repo
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), *timeout)
		defer cancel()
		found, server, err := p.locate(ctx, name.repo)
		if err != nil {
			return err
		}
		api := comatproto.NewClient(server)
		if name.collection == "" {
			return p.listCollections(ctx, api, found.DID, *asJSON)
		}
		params := &comatproto.RepoListRecordsParams{Repo: syntax.AtIdentifier(found.DID), Collection: name.collection, Reverse: reverse}
		page := int64(100)
		if *limit > 0 && *limit < 100 {
			page = int64(*limit)
		}
		params.Limit = &page
		n := 0
		for r, err := range api.Repo.ListRecordsAll(ctx, params) {
			if err != nil {
				return err
			}
			if err := p.printRecord(r, *asJSON); err != nil {
				return err
			}
			if n++; n == *limit {
				break
			}
		}
		return nil
	}
	return cmd
}

func (p *program) listCollections(ctx context.Context, api *comatproto.Client, did syntax.DID, asJSON bool) error {
	out, err := api.Repo.DescribeRepo(ctx, &comatproto.RepoDescribeRepoParams{Repo: syntax.AtIdentifier(did)})
	if err != nil {
		return err
	}
	if asJSON {
		return writeLine(p.stdout, out.Collections)
	}
	for _, collection := range out.Collections {
		fmt.Fprintln(p.stdout, collection)
	}
	return nil
}

// printRecord prints a line for a record: for people with the beginning of its value.
func (p *program) printRecord(r *comatproto.RepoListRecordsRecord, asJSON bool) error {
	if asJSON {
		return writeLex(p.stdout, r, true)
	}
	value, err := r.Value.JSON()
	if err != nil {
		return err
	}
	const most = 80
	var line strings.Builder
	if err := writeRaw(&line, value, true); err != nil {
		return err
	}
	text := []rune(strings.TrimSuffix(line.String(), "\n"))
	if len(text) > most {
		text = append(text[:most], '…')
	}
	_, err = fmt.Fprintf(p.stdout, "%s  %s\n", r.URI, string(text))
	return err
}

// writeFlags are those of commands that write a record.
type writeFlags struct {
	input, account *string
	validate       *bool
}

func (p *program) writeFlags(cmd *cobra.Command) writeFlags {
	return writeFlags{
		input:    cmd.Flags().StringP("input", "i", "", "the record as JSON: a `file`, or - for the standard input"),
		validate: cmd.Flags().Bool("validate", true, "refuse what breaks the record's lexicon; =false sends it as it is"),
		account:  p.accountFlag(cmd),
	}
}

// record reads the input and holds it to its lexicon, where that is known here.
func (f writeFlags) record(p *program, collection syntax.NSID) (lex.Unknown, error) {
	text, err := readJSON(*f.input, p.stdin)
	if err != nil {
		return lex.Unknown{}, err
	}
	record, err := lex.Raw(text)
	if errors.Is(err, lex.ErrType) {
		return lex.Unknown{}, errors.New("the input is no record: a record is an object, such as {\"text\":\"Hello\"}")
	}
	if err != nil {
		return lex.Unknown{}, fmt.Errorf("the input is no record: %w", err)
	}
	switch record.Type() {
	case string(collection):
	case "":
		if record, err = lex.Raw(withType(text, collection)); err != nil {
			return lex.Unknown{}, fmt.Errorf("the input is no record: %w", err)
		}
	default:
		return lex.Unknown{}, fmt.Errorf("the $type of the input is %q, and the collection is %s: they have to be the same", record.Type(), collection)
	}
	if !*f.validate {
		return record, nil
	}
	typed, err := record.Decode(appbsky.Records, chatbsky.Records, comatproto.Records)
	if err == nil {
		if checked, ok := typed.(lex.Validatable); ok {
			err = lex.Validate(checked, lex.Strict)
		}
	}
	if err != nil {
		return lex.Unknown{}, fmt.Errorf("the input breaks the lexicon of %s; --validate=false sends it all the same\n  %w", collection, err)
	}
	return record, nil
}

// withType adds the $type to an object that has none.
func withType(object []byte, collection syntax.NSID) []byte {
	inside := bytes.TrimSpace(object)[1:]
	comma := ","
	if bytes.HasPrefix(bytes.TrimSpace(inside), []byte("}")) {
		comma = ""
	}
	return append([]byte(`{"$type":"`+string(collection)+`"`+comma), inside...)
}

// server is what the server is told about validation.
func (f writeFlags) server() *bool {
	if *f.validate {
		return nil // it looks at what it knows
	}
	return f.validate
}

func (p *program) recordCreateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create COLLECTION",
		Short: "Write a new record",
		Long: `create writes a new record into your repository and prints its URI. A $type that is missing
is that of the collection. A record that breaks its lexicon is refused, here where the lexicon is
known, and by the server; --validate=false sends it as it is.`,
		Example: `  atproto record create app.bsky.feed.post --input post.json
  echo '{"subject":"did:plc:…","createdAt":"2026-01-02T03:04:05Z"}' | atproto record create app.bsky.graph.follow --input -`,
		Args:              commandline.Args(1, 1, "say into which collection, such as app.bsky.feed.post"),
		ValidArgsFunction: firstArg(completeMethods("record")),
	}
	key := cmd.Flags().String("rkey", "", "the `key` of the record; without it the server makes one up")
	flags := p.writeFlags(cmd)
	asJSON := jsonFlag(cmd)
	timeout := timeoutFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		collection, err := syntax.ParseNSID(args[0])
		in := &comatproto.RepoCreateRecordInput{Collection: collection, Validate: flags.server()}
		switch {
		case err != nil:
			err = fmt.Errorf("%q is no collection: write it as app.bsky.feed.post", args[0])
		case *flags.input == "":
			err = errors.New("there is no record: give it by --input FILE, or --input - for the standard input")
		case *key != "":
			var parsed syntax.RecordKey
			if parsed, err = syntax.ParseRecordKey(*key); err != nil {
				err = fmt.Errorf("--rkey: %q is no key of a record: %w", *key, err)
			}
			in.RKey = &parsed
		}
		if err != nil {
			return commandline.Usage(err, cmd)
		}
		if in.Record, err = flags.record(p, collection); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), *timeout)
		defer cancel()
		return p.as(ctx, *flags.account, func(s session, _ *entry) error {
			in.Repo = syntax.AtIdentifier(s.DID())
			out, err := comatproto.NewClient(s).Repo.CreateRecord(ctx, in)
			if err != nil {
				return err
			}
			return p.printRef(out.URI, out.CID, *asJSON)
		})
	}
	return cmd
}

func (p *program) recordPutCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "put RECORD",
		Short: "Write a record under its key, whatever was there",
		Long: `put writes a record of your repository under its key. With --swap it is written only if what is
there has this CID, so that nothing is lost that others wrote meanwhile; --swap none writes only
where there is no record. For the rest it is as create.`,
		Example: `  atproto record put app.bsky.actor.profile/self --input profile.json
  atproto record put app.bsky.actor.profile/self --input - --swap bafyrei… < profile.json`,
		Args:              commandline.Args(1, 1, "say which record: give its at:// URI, or app.bsky.feed.post/3jt… for one of yours"),
		ValidArgsFunction: firstArg(completeMethods("record")),
	}
	swap := cmd.Flags().String("swap", "", "write only if the record has this `CID`, or none")
	flags := p.writeFlags(cmd)
	asJSON := jsonFlag(cmd)
	timeout := timeoutFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name, err := parseFullRecord(args[0])
		in := &comatproto.RepoPutRecordInput{Collection: name.collection, RKey: name.key, Validate: flags.server()}
		switch {
		case err != nil:
		case *flags.input == "":
			err = errors.New("there is no record: give it by --input FILE, or --input - for the standard input")
		case *swap == "none":
			in.SwapRecord = lex.Null[syntax.CID]()
		case *swap != "":
			var cid syntax.CID
			cid, err = swapCID(*swap)
			in.SwapRecord = lex.Some(cid)
		}
		if err != nil {
			return commandline.Usage(err, cmd)
		}
		if in.Record, err = flags.record(p, name.collection); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), *timeout)
		defer cancel()
		return p.as(ctx, *flags.account, func(s session, _ *entry) error {
			if err := name.own(ctx, p, s); err != nil {
				return err
			}
			in.Repo = syntax.AtIdentifier(s.DID())
			out, err := comatproto.NewClient(s).Repo.PutRecord(ctx, in)
			if err != nil {
				return swapError(err)
			}
			return p.printRef(out.URI, out.CID, *asJSON)
		})
	}
	return cmd
}

func (p *program) recordDeleteCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "delete RECORD",
		Short: "Delete a record",
		Long: `delete deletes a record of your repository. One that is not there is no error. With --swap it is
deleted only if it still has this CID.`,
		Example:           "  atproto record delete app.bsky.feed.post/3jt…\n  atproto record delete https://bsky.app/profile/alice.example.com/post/3jt…",
		Args:              commandline.Args(1, 1, "say which record: give its at:// URI, or app.bsky.feed.post/3jt… for one of yours"),
		ValidArgsFunction: firstArg(completeMethods("record")),
	}
	swap := cmd.Flags().String("swap", "", "delete only if the record has this `CID`")
	account := p.accountFlag(cmd)
	timeout := timeoutFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name, err := parseFullRecord(args[0])
		in := &comatproto.RepoDeleteRecordInput{Collection: name.collection, RKey: name.key}
		if err == nil && *swap != "" {
			var cid syntax.CID
			cid, err = swapCID(*swap)
			in.SwapRecord = &cid
		}
		if err != nil {
			return commandline.Usage(err, cmd)
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), *timeout)
		defer cancel()
		return p.as(ctx, *account, func(s session, _ *entry) error {
			if err := name.own(ctx, p, s); err != nil {
				return err
			}
			in.Repo = syntax.AtIdentifier(s.DID())
			_, err := comatproto.NewClient(s).Repo.DeleteRecord(ctx, in)
			return swapError(err)
		})
	}
	return cmd
}

func swapCID(typed string) (syntax.CID, error) {
	cid, err := recordCID(typed)
	if err != nil {
		return "", fmt.Errorf("--swap: %w", err)
	}
	return cid, nil
}

// recordCID reads the CID of a record. Those of version 1 in other bases are words, too.
func recordCID(typed string) (syntax.CID, error) {
	cid, err := syntax.ParseCID(typed)
	if err != nil || !strings.HasPrefix(typed, "bafyrei") {
		return "", fmt.Errorf("%q is not the CID of a record, which begins with bafyrei: atproto record get --json prints it", typed)
	}
	return cid, nil
}

// swapError says what to do where somebody else was faster.
func swapError(err error) error {
	if errors.Is(err, comatproto.ErrInvalidSwap) {
		return fmt.Errorf("the record is another than --swap says: get it anew, and make your change to that\n  %w", err)
	}
	return err
}

// printRef prints which record was written.
func (p *program) printRef(uri syntax.ATURI, cid syntax.CID, asJSON bool) error {
	if asJSON {
		return writeLine(p.stdout, struct {
			URI syntax.ATURI `json:"uri"`
			CID syntax.CID   `json:"cid"`
		}{uri, cid})
	}
	_, err := fmt.Fprintln(p.stdout, uri)
	return err
}

// writeLex writes a value of the data model.
func writeLex(w io.Writer, v lex.Encodable, oneLine bool) error {
	text, err := lex.MarshalJSON(v)
	if err != nil {
		return err
	}
	return writeRaw(w, text, oneLine)
}
