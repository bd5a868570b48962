package firehose_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/repo"
	"github.com/gimucco/atproto-go/repo/firehose"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// event reads an event that was on the firehose in February 2025.
func event(t testing.TB, seq int) *comatproto.SyncSubscribeReposCommit {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("../../internal/interop/testdata/firehose/firehose_commit_%d.json", seq))
	if err != nil {
		t.Fatal(err)
	}
	m := new(comatproto.SyncSubscribeReposCommit)
	if err := lex.UnmarshalJSON(b, m, lex.NullLists()); err != nil {
		t.Fatal(err)
	}
	return m
}

// A signedAll is a key that has signed everything: the keys of these accounts are not kept.
type signedAll struct{}

func (signedAll) Verify(message, signature []byte) error { return nil }

func TestRealEvents(t *testing.T) {
	for _, c := range []struct {
		seq        int
		did        syntax.DID
		collection syntax.NSID
		ops        int
		before     lex.CIDLink // the tree; "" where a server older than Sync 1.1 has left out the blocks that say it
	}{
		{4621317030, "did:plc:6hy5p6rm3zlcdephqssc2p76", "app.bsky.feed.repost", 1, ""},
		{4621317332, "did:plc:2bpboeb6wt2wtvqpgvggjml6", "app.bsky.feed.repost", 1, ""},
		{4621332152, "did:plc:vixizgjuwef5ovmixqxalfup", "app.bsky.graph.follow", 42, ""},
		{4623075231, "did:plc:sxtoas2sxjv6gh2bibdg3g4b", "app.bsky.actor.profile", 1, "bafyreicfeeojgjj7gtgl6go25tk5jmcuoytjp5hhulbdd7gwzk7gtqw3ka"},
	} {
		t.Run(fmt.Sprint(c.seq), func(t *testing.T) {
			m := event(t, c.seq)
			n := 0
			for op, err := range firehose.Operations(m) {
				if err != nil {
					t.Fatal(err)
				}
				n++
				v, err := op.Record.Value()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := v.Decode(appbsky.Records); op.Action != repo.Create || op.Collection != c.collection || v.Type() != string(c.collection) || err != nil {
					t.Errorf("%s of %s is a %s (%v)", op.Action, op.Path(), v.Type(), err)
				}
			}
			if n != c.ops {
				t.Errorf("%d operations, want %d", n, c.ops)
			}
			verify := func() error {
				t.Helper()
				change, err := firehose.ReadChange(m)
				if err != nil {
					t.Fatal(err)
				}
				if got := change.Commit().DID; got != c.did {
					t.Errorf("the account is %s, want %s", got, c.did)
				}
				return change.Verify(signedAll{})
			}
			if err := verify(); !errors.Is(err, repo.ErrNotInductive) {
				t.Errorf("%v, want %v", err, repo.ErrNotInductive)
			}
			m.PrevData = &c.before
			var want error
			if c.before == "" {
				m.PrevData, want = &m.Commit, repo.ErrMissingBlock
			}
			if err := verify(); !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		})
	}
}

func TestCommitEvent(t *testing.T) {
	const a, b, c, d = "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm", "bafyreie5cvv4h45feadgeuwhbcutmh6t2ceseocckahdoe6uat64zmz454",
		"bafyreifqynamoq3fty5finpxowgomhl5oy6bdld2vtwwkjxwlo6mui4rk6y", "bafyreicfeeojgjj7gtgl6go25tk5jmcuoytjp5hhulbdd7gwzk7gtqw3ka"
	message := &comatproto.SyncSubscribeReposCommit{
		Repo: "did:plc:sxtoas2sxjv6gh2bibdg3g4b", Rev: "3lhhxizu5wr2d", Since: new(syntax.TID("3lhhxiz32k52v")), Commit: a,
		PrevData: new(lex.CIDLink(b)), Blocks: []byte{1, 2, 3},
		//lint:ignore SA1019 servers older than Sync 1.1 say it
		TooBig: true,
		Ops: []comatproto.SyncSubscribeReposRepoOp{
			{Action: "update", Path: "com.example.note/a", CID: new(lex.CIDLink(c)), Prev: new(lex.CIDLink(d))},
			{Action: "delete", Path: "com.example.note/b", Prev: new(lex.CIDLink(d))},
			{Action: "create", Path: "com.example.note/c", CID: new(lex.CIDLink(c))},
		},
	}
	want := &repo.CommitEvent{
		DID: "did:plc:sxtoas2sxjv6gh2bibdg3g4b", Rev: "3lhhxizu5wr2d", Since: "3lhhxiz32k52v", Commit: a, PrevData: b, Blocks: []byte{1, 2, 3}, TooBig: true,
		Ops: []repo.EventOp{
			{Action: repo.Update, Path: "com.example.note/a", CID: c, Prev: d},
			{Action: repo.Delete, Path: "com.example.note/b", Prev: d},
			{Action: repo.Create, Path: "com.example.note/c", CID: c},
		},
	}
	if diff := cmp.Diff(want, firehose.CommitEvent(message)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(message, firehose.CommitMessage(want)); diff != "" {
		t.Errorf("back (-want +got):\n%s", diff)
	}
	want = &repo.CommitEvent{Ops: []repo.EventOp{}}
	if diff := cmp.Diff(want, firehose.CommitEvent(&comatproto.SyncSubscribeReposCommit{})); diff != "" {
		t.Errorf("of an event of nothing (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&comatproto.SyncSubscribeReposCommit{Ops: []comatproto.SyncSubscribeReposRepoOp{}}, firehose.CommitMessage(want)); diff != "" {
		t.Errorf("of an event of nothing, back (-want +got):\n%s", diff)
	}
}

func TestReadSync(t *testing.T) {
	m := event(t, 4623075231)
	s := &comatproto.SyncSubscribeReposSync{DID: m.Repo, Rev: string(m.Rev), Blocks: m.Blocks}
	commit, err := firehose.ReadSync(s)
	if err != nil {
		t.Fatal(err)
	}
	if commit.CID != syntax.CID(m.Commit) || commit.Rev != m.Rev {
		t.Errorf("the commit is %s, rev %s", commit.CID, commit.Rev)
	}
	s.Rev = "3lhhxiz32k52v"
	if _, err := firehose.ReadSync(s); !errors.Is(err, repo.ErrEvent) {
		t.Errorf("%v, want %v", err, repo.ErrEvent)
	}
}

func TestNilIsAnError(t *testing.T) {
	for name, call := range map[string]func() error{
		"a change": func() error { _, err := firehose.ReadChange(nil); return err },
		"a sync":   func() error { _, err := firehose.ReadSync(nil); return err },
		"operations": func() error {
			for _, err := range firehose.Operations(nil) {
				return err
			}
			return nil
		},
		"the change after a state": func() error { _, err := repo.State{}.Next(nil); return err },
	} {
		t.Run(name, func(t *testing.T) {
			if err := call(); !errors.Is(err, repo.ErrEvent) {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := repo.Read(t.Context(), nil); !errors.Is(err, repo.ErrCAR) {
		t.Errorf("a repository without a reader: %v", err)
	}
	if _, err := repo.Open(t.Context(), nil, 5); !errors.Is(err, repo.ErrCAR) {
		t.Errorf("a repository without a file: %v", err)
	}
}
