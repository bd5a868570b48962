package main

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/internal/commandline"
	"github.com/gimucco/atproto-go/repo/firehose"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/jetstream"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// Where streams come from unless --host says otherwise: servers that Bluesky runs.
const (
	defaultRelay     = "https://bsky.network"
	defaultLabeler   = "https://mod.bsky.app"
	defaultJetstream = "https://jetstream2.us-east.bsky.network"
)

func (p *program) streamCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stream",
		Short: "Print what happens on the network, as it happens",
		Long: `stream prints events as lines of JSON: those of repositories, of a relay or of the server of
accounts (commits), or, filtered by the server, of a Jetstream (jetstream); or the labels of a
labeler (labels).

It goes on until Ctrl-C or --limit, and then says on standard error at which cursor; with
--cursor it goes on from there. Connections that break are made anew, which standard error tells
as well. Nothing is verified: what comes is what the server says.`,
		Example: "  atproto stream jetstream --collection app.bsky.feed.post\n  atproto stream commits --host https://pds.example.com --cursor 0",
	}
	cmd.AddCommand(
		p.streamOf("commits", "Print what changes in repositories", `commits prints a line for each operation on a record (kind "commit"), with the record itself, and
for each other event: "identity", "account", "sync" and "info".`, defaultRelay, true, p.commits),
		p.streamOf("labels", "Print the labels of a labeler", `labels prints a line for each label that the labeler puts on something, or takes away (neg).`, defaultLabeler, false, p.labels),
		p.streamOf("jetstream", "Print events of a Jetstream", `jetstream prints events of a Jetstream, which are filtered there. The cursor is a time in
microseconds since 1970.`, defaultJetstream, true, p.jetstream),
	)
	return cmd
}

// A subscription is what a person wants to see of a stream.
type subscription struct {
	host        *xrpc.Client
	cursor      *int64
	collections []string // NSIDs, or what they begin with and ".*"
	dids        []syntax.DID
	options     []xrpc.Option
}

// wants reports whether an operation is among what a person wants to see.
func (s *subscription) wants(did syntax.DID, collection syntax.NSID) bool {
	return s.wantsDID(did) && (len(s.collections) == 0 || matches(s.collections, string(collection)))
}

func (s *subscription) wantsDID(did syntax.DID) bool {
	return len(s.dids) == 0 || slices.Contains(s.dids, did)
}

func matches(patterns []string, collection string) bool {
	for _, pattern := range patterns {
		if prefix, ok := strings.CutSuffix(pattern, "*"); ok && strings.HasPrefix(collection, prefix) || pattern == collection {
			return true
		}
	}
	return false
}

// A feed is a stream as it is printed.
type feed struct {
	messages iter.Seq2[[]*eventLine, error] // the lines of each message, which may be none
	stream   interface {
		Cursor() *int64
		Close() error
	}
}

// feedOf prints a stream by the lines of its messages.
func feedOf[M any](stream *xrpc.Stream[M], lines func(*M) []*eventLine) *feed {
	return &feed{func(yield func([]*eventLine, error) bool) {
		for m, err := range stream.Messages() {
			var all []*eventLine
			if err == nil {
				all = lines(m)
			}
			if !yield(all, err) {
				return
			}
		}
	}, stream}
}

// streamOf is the command of one kind of stream.
func (p *program) streamOf(name, short, long, host string, filters bool, read func(ctx context.Context, s *subscription) (*feed, error)) *cobra.Command {
	cmd := &cobra.Command{Use: name, Short: short, Long: long + "\n\nIt is the stream of " + host + " unless --host says otherwise.",
		Example: "  atproto stream " + name + "\n  atproto stream " + name + " --limit 10 | jq", Args: commandline.Args(0, 0, "")}
	server := cmd.Flags().String("host", host, "the `server` of the stream")
	cursor := cmd.Flags().Int64("cursor", -1, "go on behind this `number`; without it, from now on")
	limit := cmd.Flags().Int("limit", 0, "end after this `number` of lines, and the rest of the last event; 0: never")
	var collections, dids []string
	if filters {
		cmd.Flags().StringArrayVar(&collections, "collection", nil, "only commits of this `collection`, or of several: app.bsky.graph.* (repeatable)")
		cmd.RegisterFlagCompletionFunc("collection", completeMethods("record"))
		cmd.Flags().StringArrayVar(&dids, "did", nil, "only events of this `account` (repeatable)")
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s := &subscription{collections: collections}
		origin, err := hostURL(*server)
		if err != nil {
			return commandline.Usage(fmt.Errorf("--host: %w", err), cmd)
		}
		if *limit < 0 {
			return commandline.Usage(fmt.Errorf("--limit: %d is less than 0, which is for no limit", *limit), cmd)
		}
		if cmd.Flags().Changed("cursor") {
			if *cursor < 0 {
				return commandline.Usage(fmt.Errorf("--cursor: %d is less than 0, where a stream begins", *cursor), cmd)
			}
			s.cursor = cursor
		}
		for _, pattern := range collections {
			nsid := pattern
			if prefix, ok := strings.CutSuffix(pattern, ".*"); ok {
				nsid = prefix + ".any"
			}
			if _, err := syntax.ParseNSID(nsid); err != nil {
				return commandline.Usage(fmt.Errorf("--collection: %q is none: write app.bsky.feed.post, or app.bsky.graph.* for several", pattern), cmd)
			}
		}
		for _, typed := range dids {
			did, err := syntax.ParseDID(typed)
			if err != nil {
				return commandline.Usage(fmt.Errorf("--did: %q is no DID: atproto resolve finds that of a handle", typed), cmd)
			}
			s.dids = append(s.dids, did)
		}
		if s.host, err = p.public(origin); err != nil {
			return err
		}
		s.options = []xrpc.Option{xrpc.WithStreamEvents(func(e xrpc.StreamEvent) {
			if e.Kind != xrpc.StreamOpened {
				fmt.Fprintln(p.stderr, "atproto:", e)
			}
		})}
		return p.follow(cmd.Context(), s, *limit, read)
	}
	return cmd
}

// follow prints a stream until there is enough, or ctx ends.
func (p *program) follow(ctx context.Context, s *subscription, limit int, read func(context.Context, *subscription) (*feed, error)) error {
	f, err := read(ctx, s)
	if err != nil {
		return err
	}
	n, enough := 0, false
	for lines, err := range f.messages {
		if enough || ctx.Err() != nil && err != nil {
			break
		}
		if err != nil {
			return err
		}
		for _, line := range lines {
			if err := writeLine(p.stdout, line); err != nil {
				return err
			}
			n++
		}
		if limit > 0 && n >= limit {
			// Only the next step of the loop moves the cursor behind this message: to leave the
			// loop here would print this message again the next time. Nothing else is awaited.
			enough = true
			f.stream.Close()
		}
	}
	if at := f.stream.Cursor(); at != nil {
		fmt.Fprintf(p.stderr, "atproto: to go on from here: --cursor %d\n", *at)
	}
	return nil
}

// An eventLine is an event as it is printed.
type eventLine struct {
	Seq    int64           `json:"seq,omitempty"`
	TimeUS int64           `json:"time_us,omitempty"` // the cursor of a Jetstream
	Time   syntax.Datetime `json:"time,omitempty"`
	DID    syntax.DID      `json:"did,omitempty"`
	Kind   string          `json:"kind"`
	Action string          `json:"action,omitempty"`
	Rev    string          `json:"rev,omitempty"`
	*recordLine
	Label   *comatproto.LabelDefsLabel `json:"label,omitempty"`
	Handle  syntax.Handle              `json:"handle,omitempty"`
	Active  *bool                      `json:"active,omitempty"`
	Status  string                     `json:"status,omitempty"`
	Name    string                     `json:"name,omitempty"`
	Message string                     `json:"message,omitempty"`
}

// setValue sets the JSON of a record, or why there is none.
func (line *recordLine) setValue(value lex.Unknown, err error) {
	if err == nil && !value.IsZero() {
		line.Value, err = value.JSON()
	}
	if err != nil {
		line.Error = err.Error()
	}
}

func deref[T any](v *T) T {
	if v == nil {
		var zero T
		return zero
	}
	return *v
}

func (p *program) commits(ctx context.Context, s *subscription) (*feed, error) {
	stream := comatproto.NewClient(s.host).Sync.SubscribeRepos(ctx, &comatproto.SyncSubscribeReposParams{Cursor: s.cursor}, s.options...)
	return feedOf(stream, s.eventLines), nil
}

// eventLines are the lines of a message.
func (s *subscription) eventLines(m *comatproto.SyncSubscribeReposMessage) []*eventLine {
	var line *eventLine
	switch v := m.Value.(type) {
	case *comatproto.SyncSubscribeReposCommit:
		return s.commitLines(v)
	case *comatproto.SyncSubscribeReposIdentity:
		line = &eventLine{Seq: v.Seq, Time: v.Time, DID: v.DID, Kind: "identity", Handle: deref(v.Handle)}
	case *comatproto.SyncSubscribeReposAccount:
		line = &eventLine{Seq: v.Seq, Time: v.Time, DID: v.DID, Kind: "account", Active: &v.Active, Status: string(deref(v.Status))}
	case *comatproto.SyncSubscribeReposSync:
		line = &eventLine{Seq: v.Seq, Time: v.Time, DID: v.DID, Kind: "sync", Rev: v.Rev}
	case *comatproto.SyncSubscribeReposInfo:
		return []*eventLine{{Kind: "info", Name: v.Name, Message: deref(v.Message)}}
	default:
		return nil
	}
	if !s.wantsDID(line.DID) {
		return nil
	}
	return []*eventLine{line}
}

func (s *subscription) commitLines(v *comatproto.SyncSubscribeReposCommit) []*eventLine {
	if !s.wantsDID(v.Repo) {
		return nil
	}
	var lines []*eventLine
	for op, err := range firehose.Operations(v) {
		line := &eventLine{Seq: v.Seq, Time: v.Time, DID: v.Repo, Kind: "commit", Rev: string(v.Rev), recordLine: new(recordLine)}
		switch {
		case err != nil:
			line.Error = err.Error()
		case !s.wants(v.Repo, op.Collection):
			continue
		default:
			line.Action, line.Collection, line.Key, line.CID = string(op.Action), op.Collection, op.Key, op.CID
			if op.Record != nil {
				line.setValue(op.Record.Value())
			}
		}
		lines = append(lines, line)
	}
	return lines
}

func (p *program) labels(ctx context.Context, s *subscription) (*feed, error) {
	stream := comatproto.NewClient(s.host).Label.SubscribeLabels(ctx, &comatproto.LabelSubscribeLabelsParams{Cursor: s.cursor}, s.options...)
	return feedOf(stream, labelLines), nil
}

// labelLines are the lines of a message of a labeler.
func labelLines(m *comatproto.LabelSubscribeLabelsMessage) []*eventLine {
	switch v := m.Value.(type) {
	case *comatproto.LabelSubscribeLabelsLabels:
		lines := make([]*eventLine, len(v.Labels))
		for i := range v.Labels {
			lines[i] = &eventLine{Seq: v.Seq, Kind: "label", Label: &v.Labels[i]}
		}
		return lines
	case *comatproto.LabelSubscribeLabelsInfo:
		return []*eventLine{{Kind: "info", Name: v.Name, Message: deref(v.Message)}}
	}
	return nil
}

func (p *program) jetstream(ctx context.Context, s *subscription) (*feed, error) {
	stream, err := jetstream.Subscribe(ctx, s.host, &jetstream.Params{Collections: s.collections, DIDs: s.dids, Cursor: s.cursor}, s.options...)
	if err != nil {
		return nil, err
	}
	return feedOf(stream, jetstreamLines), nil
}

// jetstreamLines is the line of an event of a Jetstream, none for a kind that is not known here.
func jetstreamLines(e *jetstream.Event) []*eventLine {
	line := &eventLine{TimeUS: e.Cursor, DID: e.DID}
	switch {
	case e.Commit != nil:
		c := e.Commit
		line.Kind, line.Action, line.Rev = "commit", string(c.Operation), string(c.Rev)
		line.recordLine = &recordLine{Collection: c.Collection, Key: c.RecordKey, CID: c.CID}
		line.setValue(c.Record, nil)
	case e.Identity != nil:
		line.Kind, line.Seq, line.Time, line.Handle = "identity", e.Identity.Seq, e.Identity.Time, deref(e.Identity.Handle)
	case e.Account != nil:
		line.Kind, line.Seq, line.Time = "account", e.Account.Seq, e.Account.Time
		line.Active, line.Status = &e.Account.Active, string(deref(e.Account.Status))
	default:
		return nil
	}
	return []*eventLine{line}
}
