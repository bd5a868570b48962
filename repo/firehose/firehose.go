// Package firehose passes the events of com.atproto.sync.subscribeRepos to package repo.
//
//	for op, err := range firehose.Operations(commit) { // a *comatproto.SyncSubscribeReposCommit
//		if err != nil {
//			…
//		}
//		if op.Collection == appbsky.FeedPostNSID && op.Action == repo.Create {
//			var post appbsky.FeedPost
//			if err := op.Record.As(&post); err == nil {
//				…
//			}
//		}
//	}
//
// This trusts the server that sends the events. A consumer that does not trust it verifies each
// change with the account's key, and checks that no event is missing:
//
//	change, err := firehose.ReadChange(commit)
//	…
//	if err := change.Verify(key); err != nil {
//		…
//	}
//	state, err = state.Next(change)
package firehose

import (
	"iter"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/repo"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// CommitEvent converts a #commit message; nil becomes nil. The result shares the bytes of the blocks.
func CommitEvent(m *comatproto.SyncSubscribeReposCommit) *repo.CommitEvent {
	if m == nil {
		return nil
	}
	e := &repo.CommitEvent{
		DID: m.Repo, Rev: m.Rev, Commit: syntax.CID(m.Commit), PrevData: cidOf(m.PrevData),
		Blocks: m.Blocks, Ops: make([]repo.EventOp, len(m.Ops)),
		//lint:ignore SA1019 servers older than Sync 1.1 say it
		TooBig: m.TooBig,
	}
	if m.Since != nil {
		e.Since = *m.Since
	}
	for i, op := range m.Ops {
		e.Ops[i] = repo.EventOp{Action: repo.Action(op.Action), Path: op.Path, CID: cidOf(op.CID), Prev: cidOf(op.Prev)}
	}
	return e
}

// CommitMessage converts an event of a repo.Builder to a #commit message, for a server that sends
// it. Seq and Time are the server's own and left empty. The result shares the bytes of the blocks.
func CommitMessage(e *repo.CommitEvent) *comatproto.SyncSubscribeReposCommit {
	m := &comatproto.SyncSubscribeReposCommit{
		Repo: e.DID, Rev: e.Rev, Commit: lex.CIDLink(e.Commit), PrevData: linkTo(e.PrevData), Blocks: e.Blocks,
		Ops: make([]comatproto.SyncSubscribeReposRepoOp, len(e.Ops)),
		//lint:ignore SA1019 consumers ask for it, though no server of Sync 1.1 sets it
		TooBig: e.TooBig,
	}
	if e.Since != "" {
		m.Since = new(e.Since)
	}
	for i, op := range e.Ops {
		m.Ops[i] = comatproto.SyncSubscribeReposRepoOp{Action: string(op.Action), Path: op.Path, CID: linkTo(op.CID), Prev: linkTo(op.Prev)}
	}
	return m
}

func linkTo(c syntax.CID) *lex.CIDLink {
	if c == "" {
		return nil
	}
	return new(lex.CIDLink(c))
}

func cidOf(link *lex.CIDLink) syntax.CID {
	if link == nil {
		return ""
	}
	return syntax.CID(*link)
}

// Operations returns the operations of a #commit message: see repo.Operations.
func Operations(m *comatproto.SyncSubscribeReposCommit) iter.Seq2[*repo.Operation, error] {
	return repo.Operations(CommitEvent(m))
}

// ReadChange reads the blocks of a #commit message: see repo.ReadChange.
func ReadChange(m *comatproto.SyncSubscribeReposCommit) (*repo.Change, error) {
	return repo.ReadChange(CommitEvent(m))
}

// ReadSync reads the commit of a #sync message: see repo.ReadSync.
func ReadSync(m *comatproto.SyncSubscribeReposSync) (*repo.Commit, error) {
	if m == nil {
		return repo.ReadSync(nil)
	}
	return repo.ReadSync(&repo.SyncEvent{DID: m.DID, Rev: syntax.TID(m.Rev), Blocks: m.Blocks})
}
