package house

import (
	"context"
	"errors"
	"fmt"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/repo"
	"github.com/gimucco/atproto-go/repo/firehose"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// What follows are the snippets of docs/repositories.md, in its order. TestSnippetsOfGuidesCompile compares.

func readRepository(ctx context.Context, resolver identity.Resolver) error {
	account, err := identity.Lookup(ctx, resolver, "alice.example.com")
	if err != nil {
		return err
	}
	key, err := account.Document.SigningKey()
	if err != nil {
		return err
	}
	host, err := xrpc.NewClient(account.PDS, xrpc.ClientConfig{})
	if err != nil {
		return err
	}
	download, err := comatproto.NewClient(host).Sync.GetRepo(ctx, &comatproto.SyncGetRepoParams{DID: account.DID})
	if err != nil {
		return err
	}
	defer download.Close()
	r, err := repo.Read(ctx, download)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.Verify(account.DID, key); err != nil {
		return err
	}
	for record, err := range r.Collection(appbsky.FeedPostNSID) { // r.Records() gives all
		if err != nil {
			return err
		}
		var post appbsky.FeedPost
		if err := record.As(&post); err != nil {
			continue // accounts may write anything into their repositories
		}
		fmt.Println(record.Key, post.Text)
	}
	return nil
}

func takeOperations(ctx context.Context, api *comatproto.Client) error {
	for message, err := range api.Sync.SubscribeRepos(ctx, nil).Messages() {
		if err != nil {
			return err
		}
		commit, ok := message.Value.(*comatproto.SyncSubscribeReposCommit)
		if !ok {
			continue
		}
		for op, err := range firehose.Operations(commit) {
			if err != nil {
				fmt.Println(commit.Repo, err) // of this operation, or of all of the event
				continue
			}
			if op.Collection != appbsky.FeedPostNSID || op.Action != repo.Create {
				continue
			}
			var post appbsky.FeedPost
			if err := op.Record.As(&post); err != nil {
				continue
			}
			fmt.Println(commit.Repo, op.Key, post.Text)
		}
	}
	return nil
}

func follow(commit *comatproto.SyncSubscribeReposCommit, key *identity.PublicKey, state repo.State, fetchAgain func(syntax.DID) error) (repo.State, error) {
	change, err := firehose.ReadChange(commit)
	if err != nil {
		return state, err
	}
	switch err := change.Verify(key); {
	case errors.Is(err, repo.ErrNotInductive): // of a server older than Sync 1.1: signed, and perhaps not all
	case err != nil:
		return state, err
	}
	next, err := state.Next(change)
	switch {
	case errors.Is(err, repo.ErrStale):
		return state, nil // seen before
	case errors.Is(err, repo.ErrGap):
		return state, fetchAgain(commit.Repo) // events are missing: Read the repository, and go on from its Commit().State()
	}
	return next, err
}

var _ = []any{readRepository, takeOperations, follow}
