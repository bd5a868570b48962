package scenario

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/records"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// recordsOf writes, reads and changes records with package records.
func recordsOf(t *testing.T, b Backend) {
	ctx := t.Context()
	session := Login(t, b, NewClient(t, b), b.Environment().Account("bob"))
	me := syntax.AtIdentifier(session.DID())
	const key = "3jzfcijpj2z2a"
	post := func(text string) *appbsky.FeedPost { return &appbsky.FeedPost{Text: text, CreatedAt: syntax.Now()} }

	t.Run("a record that is created is read, listed and deleted", func(t *testing.T) {
		ref, err := records.Create(ctx, session, post("first"))
		if err != nil {
			t.Fatal(err)
		}
		got, at, err := records.Get[appbsky.FeedPost](ctx, session, ref.URI)
		if err != nil || got.Text != "first" || at.CID != ref.CID {
			t.Fatalf("%+v, %+v, %v", got, at, err)
		}
		listed := 0
		for r, err := range records.List[appbsky.FeedPost](ctx, session, me) {
			if err != nil {
				t.Fatal(err)
			}
			if r.URI == ref.URI && r.Err == nil && r.Value.Text == "first" {
				listed++
			}
		}
		if listed != 1 {
			t.Errorf("listed %d times", listed)
		}
		if err := records.Delete(ctx, session, ref.URI, records.WithSwap("bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a")); !errors.Is(err, records.ErrChanged) {
			t.Errorf("another version was deleted: %v", err)
		}
		for range 2 {
			if err := records.Delete(ctx, session, ref.URI); err != nil {
				t.Errorf("deleted: %v", err)
			}
		}
		if _, _, err := records.Get[appbsky.FeedPost](ctx, session, ref.URI); !errors.Is(err, records.ErrNotFound) {
			t.Errorf("read after that: %v", err)
		}
	})
	t.Run("P34 many who update one record lose nothing", func(t *testing.T) {
		var all sync.WaitGroup
		const writers, each = 3, 4
		for range writers {
			all.Go(func() {
				for range each {
					if err := addOne(ctx, session); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		profile, _, err := records.Get[appbsky.ActorProfile](ctx, session, syntax.RecordURI(me, appbsky.ActorProfileNSID, "self"))
		if err != nil || profile.Description == nil || strings.Count(*profile.Description, "x") != writers*each {
			t.Errorf("%+v, %v", profile, err)
		}
	})
	t.Run("P34 a version that was replaced is not overwritten", func(t *testing.T) {
		first, err := records.Put(ctx, session, key, post("one"))
		if err != nil {
			t.Fatal(err)
		}
		second, err := records.Put(ctx, session, key, post("two"), records.WithSwap(first.CID))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := records.Put(ctx, session, key, post("three"), records.WithSwap(first.CID)); !errors.Is(err, records.ErrChanged) {
			t.Errorf("got %v", err)
		}
		if got, at, err := records.Get[appbsky.FeedPost](ctx, session, second.URI); err != nil || got.Text != "two" || at.CID != second.CID {
			t.Errorf("%+v, %+v, %v", got, at, err)
		}
	})
	t.Run("a batch takes effect as one", func(t *testing.T) {
		batch := records.NewBatch(session)
		uris := []syntax.ATURI{batch.Create(post("a")), batch.Create(post("b"))}
		batch.Update(key, post("changed"))
		refs, err := batch.Apply(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if refs[0].URI != uris[0] || refs[1].URI != uris[1] || refs[2].URI.RecordKey() != key {
			t.Errorf("%+v, want %v", refs, uris)
		}
		if got, _, err := records.Get[appbsky.FeedPost](ctx, session, uris[1]); err != nil || got.Text != "b" {
			t.Errorf("%+v, %v", got, err)
		}
		batch.Delete(uris[0])
		batch.CreateAt(key, post("there is one")) // this fails
		if _, err := batch.Apply(ctx); err == nil {
			t.Error("a record was created twice")
		}
		if _, _, err := records.Get[appbsky.FeedPost](ctx, session, uris[0]); err != nil {
			t.Errorf("half of the batch took effect: %v", err)
		}
	})
	t.Run("P112 a post without its time is refused before it is sent", func(t *testing.T) {
		_, err := records.Create(ctx, session, &appbsky.FeedPost{Text: "when?"})
		if _, ok := errors.AsType[*lex.ValidationError](err); !ok || !strings.Contains(err.Error(), "createdAt") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("what it wrote is gone", func(t *testing.T) {
		var uris []syntax.ATURI
		for r, err := range records.List[appbsky.FeedPost](ctx, session, me) {
			if err != nil {
				t.Fatal(err)
			}
			uris = append(uris, r.URI)
		}
		batch := records.NewBatch(session)
		for uri := range slices.Values(uris) {
			batch.Delete(uri)
		}
		if _, err := batch.Apply(ctx); err != nil {
			t.Fatal(err)
		}
		out, err := comatproto.NewClient(session).Repo.ListRecords(ctx, &comatproto.RepoListRecordsParams{Repo: me, Collection: appbsky.FeedPostNSID})
		if err != nil || len(out.Records) != 0 {
			t.Errorf("%d are left, %v", len(out.Records), err)
		}
	})
	if err := session.Logout(ctx); err != nil {
		t.Error(err)
	}
}

// addOne adds a letter to the profile's description, while others do the same.
func addOne(ctx context.Context, account records.Account) error {
	for range 20 {
		_, err := records.Update(ctx, account, "self", func(p *appbsky.ActorProfile) error {
			text := "x"
			if p.Description != nil {
				text += *p.Description
			}
			p.Description = &text
			return nil
		})
		if !errors.Is(err, records.ErrChanged) {
			return err
		}
	}
	return fmt.Errorf("twenty updates: %w", records.ErrChanged)
}
