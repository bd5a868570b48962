package repo

import (
	"bytes"
	"context"
	"errors"
	"iter"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// The limits of events (https://atproto.com/specs/sync).
const (
	maxEventBlocks = 2_000_000 // bytes of blocks in a #commit
	maxSyncBlocks  = 10_000    // bytes of blocks in a #sync, which contains only a commit
	maxOps         = 200
)

// A CommitEvent is the content of a #commit message of com.atproto.sync.subscribeRepos. Package
// firehose converts the message.
type CommitEvent struct {
	DID      syntax.DID // the account
	Rev      syntax.TID // the rev of the commit
	Since    syntax.TID // the rev before; "" if there was none or it is unknown
	Commit   syntax.CID // the CID of the commit
	PrevData syntax.CID // the root of the tree before; "" in events of servers older than Sync 1.1
	Blocks   []byte     // a CAR with the changes
	Ops      []EventOp  // the operations
	TooBig   bool       // the event does not contain the changes; servers of Sync 1.1 send no such events
}

// An EventOp is what an event says about one record.
type EventOp struct {
	Action Action     // create, update or delete
	Path   string     // collection and key of the record, with a slash between them
	CID    syntax.CID // "" for Delete
	Prev   syntax.CID // "" for Create, and in events of servers older than Sync 1.1
}

// Operations returns the operations of an event. It is for consumers that trust their source: it
// checks nothing with the account's key, and compares an operation with the tree in the event only
// as far as that is present. Several operations on one record become the one that they make
// together.
//
// An error comes in place of one operation, and the loop may continue: ErrEvent, ErrTree, and
// ErrMissingBlock if the record is missing. An error of ReadChange comes alone.
func Operations(e *CommitEvent) iter.Seq2[*Operation, error] {
	return func(yield func(*Operation, error) bool) {
		c, err := ReadChange(e)
		if err != nil {
			yield(nil, err)
			return
		}
		c.Operations()(yield)
	}
}

// A Change is a CommitEvent whose blocks were read. It is safe for concurrent use.
type Change struct {
	event      *CommitEvent
	ops        []EventOp   // the operations of the event, one for each record
	repository *Repository // a slice
}

// ReadChange reads the blocks of an event and checks that they fit it. Do not change the event
// while you use the Change.
//
// Errors: ErrTooBig, ErrEvent, and those of Read. ErrLimit for more than 200 operations or
// 2,000,000 bytes of blocks.
func ReadChange(e *CommitEvent) (*Change, error) {
	switch {
	case e == nil:
		return nil, failure(ErrEvent, "it is nil")
	case e.TooBig:
		return nil, failure(ErrTooBig, "of %.200q, rev %.20q: fetch the repository", e.DID, e.Rev)
	case len(e.Ops) > maxOps:
		return nil, failure(ErrLimit, "an event with %d operations; at most %d are allowed", len(e.Ops), maxOps)
	case e.Since != "" && e.Since >= e.Rev:
		return nil, failure(ErrEvent, "its rev %.20q does not come after the rev before, %.20q", e.Rev, e.Since)
	}
	r, err := openEvent(e.DID, string(e.Rev), e.Blocks, maxEventBlocks)
	if err != nil {
		return nil, err
	}
	if r.commit.CID != e.Commit {
		return nil, failure(ErrEvent, "its blocks are of the commit %s, but it names %.100q", r.commit.CID, e.Commit)
	}
	return &Change{event: e, ops: merge(e.Ops), repository: r}, nil
}

// merge combines several operations on one record to one, in the place of the first. The reference
// sends several if a batch writes a record twice. Prev is the record before the batch in each of
// them, and the event does not contain the versions that were overwritten within the batch.
func merge(ops []EventOp) []EventOp {
	type one struct {
		EventOp
		several bool
		was, is bool // whether the record exists before and after
	}
	all := make([]one, 0, len(ops))
	first := make(map[string]int, len(ops))
	for _, op := range ops {
		i, again := first[op.Path]
		if !again || !op.Action.known() {
			if op.Action.known() {
				first[op.Path] = len(all)
			}
			all = append(all, one{EventOp: op, was: op.Action != Create})
			continue
		}
		all[i].several, all[i].is, all[i].CID = true, op.Action != Delete, op.CID
	}
	merged := make([]EventOp, 0, len(all))
	for _, o := range all {
		switch {
		case !o.several:
		case o.was && o.is:
			o.Action = Update
		case o.was:
			o.Action = Delete
		case o.is:
			o.Action = Create
		default:
			continue // created and deleted again
		}
		merged = append(merged, o.EventOp)
	}
	return merged
}

// openEvent reads the blocks of an event and checks that they belong to its commit.
func openEvent(did syntax.DID, rev string, car []byte, maximum int) (*Repository, error) {
	if len(car) > maximum {
		return nil, failure(ErrLimit, "an event with %d bytes of blocks; at most %d are allowed", len(car), maximum)
	}
	r, err := Open(context.Background(), bytes.NewReader(car), int64(len(car)))
	if err != nil {
		return nil, err
	}
	if r.commit.DID != did || string(r.commit.Rev) != rev {
		return nil, failure(ErrEvent, "it is of %.200q, rev %.20q, but its commit is of %.200q, rev %.20q", did, rev, r.commit.DID, r.commit.Rev)
	}
	return r, nil
}

// Commit returns the commit. Do not change it.
func (c *Change) Commit() *Commit { return c.repository.commit }

// Operations returns the operations, like the function Operations.
func (c *Change) Operations() iter.Seq2[*Operation, error] {
	return func(yield func(*Operation, error) bool) {
		t, err := c.tree()
		if err != nil {
			yield(nil, err)
			return
		}
		for i := range c.ops {
			if !yield(c.operation(t, &c.ops[i])) {
				return
			}
		}
	}
}

func (c *Change) tree() (*tree, error) {
	t, err := c.repository.tree()
	if err == nil {
		t.known = make(map[cid]*node)
	}
	return t, err
}

// operation compares an operation with the tree, as far as that is present.
func (c *Change) operation(t *tree, said *EventOp) (*Operation, error) {
	if wrong := wrongPath(said.Path); wrong != "" {
		return nil, failure(ErrEvent, "a path %s", wrong).about(said.Path)
	}
	op := &Operation{Action: said.Action, CID: said.CID, Prev: said.Prev}
	op.Collection, op.Key = split(said.Path)
	var want cid // expected in the tree
	switch said.Action {
	case Create, Update:
		id, err := parseText(said.CID)
		if err != nil || id.codec != codecDAGCBOR {
			return nil, failure(ErrEvent, "%.100q is not the CID of a record", said.CID).about(said.Path)
		}
		want = id
	case Delete:
		if said.CID != "" {
			return nil, failure(ErrEvent, "a deleted record has no CID, but the event says %.100q", said.CID).about(said.Path)
		}
	default: // an unknown action
		return nil, failure(ErrEvent, "%.40q is not a known action", said.Action).about(said.Path)
	}
	switch is, err := t.get(said.Path); {
	case errors.Is(err, ErrMissingBlock):
		// Servers leave out nodes that they have sent before. Verify needs them.
	case err != nil:
		return nil, located(err, said.Path)
	case is != want:
		return nil, failure(ErrEvent, "it says that there is %s now, but the tree has %s", orNothing(want), orNothing(is)).about(said.Path)
	}
	if want.none() {
		return op, nil
	}
	var err error
	op.Record, err = c.repository.record(said.Path, want)
	if err != nil {
		return nil, err
	}
	return op, nil
}

func orNothing(id cid) string {
	if id.none() {
		return "nothing"
	}
	return string(id.text())
}

// A SyncEvent is the content of a #sync message of com.atproto.sync.subscribeRepos: the current
// state of a repository, whatever it was before. Package firehose converts the message.
type SyncEvent struct {
	DID    syntax.DID // the account
	Rev    syntax.TID // the rev of the commit
	Blocks []byte     // a CAR with the commit
}

// ReadSync reads the commit of an event. Check its signature with Commit.Verify. If its State
// differs from the known one, and its rev is newer, fetch the repository.
//
// Errors: ErrEvent, and those of Read. ErrLimit for more than 10,000 bytes of blocks.
func ReadSync(e *SyncEvent) (*Commit, error) {
	if e == nil {
		return nil, failure(ErrEvent, "it is nil")
	}
	r, err := openEvent(e.DID, string(e.Rev), e.Blocks, maxSyncBlocks)
	if err != nil {
		return nil, err
	}
	return r.commit, nil
}
