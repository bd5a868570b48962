package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/e2e/realpds"
	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/internal/scenario"
	"github.com/gimucco/atproto-go/records"
	"github.com/gimucco/atproto-go/repo"
	"github.com/gimucco/atproto-go/repo/firehose"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// TestRepositories reads what the real server gives of repositories: whole ones, proofs of records, and every event of
// many changes.
func TestRepositories(t *testing.T) {
	server := realpds.Start(t)
	env := server.Environment()
	alice := env.Account("alice")
	session := scenario.Login(t, server, scenario.NewClient(t, server), alice)
	host, err := xrpc.NewClient(session.Host(), xrpc.ClientConfig{UnguardedTransport: env.Transport(), AllowLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	api := comatproto.NewClient(host)
	account, err := identity.Lookup(t.Context(), env.Resolver(), syntax.AtIdentifier(alice.DID))
	if err != nil {
		t.Fatal(err)
	}
	key, err := account.Document.SigningKey()
	if err != nil {
		t.Fatal(err)
	}
	read := func(download *xrpc.Download, err error) *repo.Repository {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer download.Close()
		r, err := repo.Read(t.Context(), download, repo.WithMemory(8<<10), repo.WithTempDir(t.TempDir()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		if err := r.Verify(alice.DID, key); err != nil {
			t.Fatal(err)
		}
		return r
	}
	whole := func() *repo.Repository {
		t.Helper()
		return read(api.Sync.GetRepo(t.Context(), &comatproto.SyncGetRepoParams{DID: alice.DID}))
	}

	before := whole()
	var posts []syntax.ATURI
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	for round := range 40 {
		batch := records.NewBatch(session)
		for i := range 1 + random.IntN(15) {
			post := &appbsky.FeedPost{Text: fmt.Sprintf("post %d of round %d", i, round), CreatedAt: syntax.Now()}
			switch at := random.IntN(10); {
			case at < 5 || len(posts) == 0:
				posts = append(posts, batch.Create(post))
			case at < 7:
				past := time.Now().Add(-time.Duration(random.Int64N(int64(365 * 24 * time.Hour)))) // somewhere in between
				batch.CreateAt(syntax.RecordKey(syntax.TIDOf(past, uint16(i))), post)
			default: // one of before, or of this batch
				i := random.IntN(len(posts))
				uri := posts[i]
				posts = slices.Delete(posts, i, i+1)
				if random.IntN(2) == 0 {
					batch.Delete(uri)
				} else {
					batch.Update(uri.RecordKey(), post)
				}
			}
		}
		_, err := batch.Apply(t.Context())
		if err != nil {
			t.Fatal(err)
		}
	}
	after := whole()

	t.Run("a repository has the records that the server lists", func(t *testing.T) {
		listed, found := make(map[string]syntax.CID), make(map[string]syntax.CID)
		for r, err := range records.List[appbsky.FeedPost](t.Context(), session, syntax.AtIdentifier(alice.DID)) {
			if err != nil {
				t.Fatal(err)
			}
			listed[string(r.URI.RecordKey())] = r.CID
		}
		for r, err := range after.Collection(appbsky.FeedPostNSID) {
			if err != nil {
				t.Fatal(err)
			}
			found[string(r.Key)] = r.CID
			if err := r.As(new(appbsky.FeedPost)); err != nil {
				t.Error(err)
			}
		}
		if diff := cmp.Diff(listed, found); diff != "" || len(found) < 50 {
			t.Errorf("of %d records (-listed +found):\n%s", len(found), diff)
		}
	})
	t.Run("the server proves records, and that there is none", func(t *testing.T) {
		proof := func(key syntax.RecordKey) *repo.Repository {
			t.Helper()
			return read(api.Sync.GetRecord(t.Context(), &comatproto.SyncGetRecordParams{DID: alice.DID, Collection: appbsky.FeedPostNSID, RKey: key}))
		}
		n := 0
		for want, err := range after.Collection(appbsky.FeedPostNSID) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n%10 != 0 {
				continue
			}
			got, err := proof(want.Key).Get(appbsky.FeedPostNSID, want.Key)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-of the repository +of the proof):\n%s", want.Path(), diff)
			}
			none := want.Key + "x"
			if _, err := proof(none).Get(appbsky.FeedPostNSID, none); !errors.Is(err, repo.ErrNotFound) {
				t.Errorf("%s: %v", none, err)
			}
		}
	})
	t.Run("every event is verified, and all of them lead from one state to the next", func(t *testing.T) {
		state := before.Commit().State()
		changes := make(map[string]syntax.CID)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for message, err := range api.Sync.SubscribeRepos(ctx, &comatproto.SyncSubscribeReposParams{Cursor: new(int64(0))}).Messages() {
			if err != nil {
				t.Fatal(err)
			}
			m, ok := message.Value.(*comatproto.SyncSubscribeReposCommit)
			if !ok || m.Repo != alice.DID {
				continue
			}
			change, err := firehose.ReadChange(m)
			if err != nil {
				t.Fatal(err)
			}
			next, err := state.Next(change)
			if errors.Is(err, repo.ErrStale) {
				continue // of before
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := change.Verify(key); err != nil {
				t.Fatal(err)
			}
			state = next
			var operations []string
			for op, err := range change.Operations() {
				if err != nil {
					t.Fatal(err)
				}
				changes[op.Path()] = op.CID
				operations = append(operations, op.Path())
			}
			// Without what it says of one record no event is verified. (It may say several things of one.)
			all := m.Ops
			for _, left := range all {
				m.Ops = slices.DeleteFunc(slices.Clone(all), func(op comatproto.SyncSubscribeReposRepoOp) bool { return op.Path == left.Path })
				change, err := firehose.ReadChange(m)
				if err != nil {
					t.Fatal(err)
				}
				err = change.Verify(key)
				if changed := slices.Contains(operations, left.Path); changed != (err != nil) ||
					changed && !errors.Is(err, repo.ErrIncomplete) && !errors.Is(err, repo.ErrMissingBlock) {
					t.Errorf("without %s: %v", left.Path, err)
				}
			}
			if state == after.Commit().State() {
				break
			}
		}
		differ := make(map[string]syntax.CID)
		for op, err := range repo.Diff(before, after) {
			if err != nil {
				t.Fatal(err)
			}
			differ[op.Path()] = op.CID
		}
		// What was created and deleted again is in the events alone.
		maps.DeleteFunc(changes, func(path string, cid syntax.CID) bool {
			_, ok := differ[path]
			return !ok && cid == ""
		})
		if diff := cmp.Diff(differ, changes); diff != "" {
			t.Errorf("(-repositories +events):\n%s", diff)
		}
	})
}
