package repo

import (
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// Verify checks that the account has signed the event's commit, that each operation is true, and
// that they are all changes since PrevData. For this it undoes the operations, and the result must
// be the tree before (https://atproto.com/specs/sync). PrevData itself comes only from the event;
// State.Next compares it with the known state.
//
// The first commit of a repository has no PrevData, because the tree before it was empty.
//
// Errors: ErrAccount, ErrSignature, ErrEvent, ErrMissingBlock, ErrTree, ErrIncomplete. An event of
// a server older than Sync 1.1 is ErrNotInductive if everything that can be checked is correct: its
// records belong to the account, but its deletions are not proven.
func (c *Change) Verify(key Key) error {
	if err := c.Commit().Verify(c.event.DID, key); err != nil {
		return err
	}
	t, err := c.tree()
	if err != nil {
		return err
	}
	first := c.event.PrevData == "" && c.event.Since == "" // or of an old server; see below
	inductive := c.event.PrevData != "" || first
	for i := range c.ops {
		op := &c.ops[i]
		if _, err := c.operation(t, op); err != nil {
			return err
		}
		// Even an old event must not contain records that are not in the account's tree. Undoing
		// the operations shows whether a deleted record is gone.
		if _, err := t.get(op.Path); err != nil && op.Action != Delete {
			return located(err, op.Path)
		}
		switch {
		case op.Action == Create && op.Prev != "":
			return failure(ErrEvent, "a created record did not exist before, but the event says %.100q", op.Prev).about(op.Path)
		case op.Action != Create && op.Prev == "":
			inductive = false
		}
	}
	if !inductive {
		return failure(ErrNotInductive, "it does not say what was before")
	}
	root, err := c.takeBack(t)
	switch {
	case first && (err != nil || root != emptyTree):
		return failure(ErrNotInductive, "it does not say what was before, and it is not the first event of its repository")
	case err != nil:
		return err
	case !first && root != c.event.PrevData:
		return failure(ErrIncomplete, "without them the tree was %s, but the event says that it was %.100q", root, c.event.PrevData)
	}
	return nil
}

// emptyTree is the root of a tree without records.
const emptyTree = syntax.CID("bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm")

// takeBack undoes the operations in the tree, and returns the root of the tree before.
func (c *Change) takeBack(t *tree) (syntax.CID, error) {
	before := *t
	// Deleted records are put back first, as others do it. If the event has all blocks that servers
	// must send, any order works. If some are missing, this order works most often.
	for _, deleted := range []bool{true, false} {
		for i := range c.ops {
			op := &c.ops[i]
			if (op.Action == Delete) != deleted {
				continue
			}
			var err error
			if op.Action == Create {
				_, err = before.remove(op.Path)
			} else {
				var prev cid
				if prev, err = parseText(op.Prev); err != nil {
					return "", failure(ErrEvent, "the earlier CID %.100q is not valid", op.Prev).about(op.Path)
				}
				_, err = before.put(op.Path, prev)
			}
			if err != nil {
				return "", located(err, op.Path)
			}
		}
	}
	root, err := before.store(func(cid, []byte) {})
	if err != nil {
		return "", err
	}
	return root.text(), nil
}

// A State is the known state of an account's repository. A consumer of events keeps one for each
// account. The zero value is an account without a repository.
type State struct {
	Rev  syntax.TID // the rev of the commit
	Data syntax.CID // the root of the tree
}

// State returns the state after the commit.
func (c *Commit) State() State { return State{Rev: c.Rev, Data: c.Data} }

// Next returns the state after a change. Verify the change before. It must follow s.
//
// Errors: ErrStale means that the event should be ignored; ErrGap means that the repository should
// be fetched.
func (s State) Next(c *Change) (State, error) {
	if c == nil {
		return s, failure(ErrEvent, "the Change is nil")
	}
	e := c.event
	switch {
	case s.Rev != "" && e.Rev <= s.Rev:
		return s, failure(ErrStale, "its rev is %.20q, but %.20q is known already", e.Rev, s.Rev)
	case e.Since != s.Rev:
		return s, failure(ErrGap, "it follows the rev %.20q, but the known rev is %.20q", e.Since, s.Rev)
	case s.Data != "" && e.PrevData != "" && e.PrevData != s.Data:
		return s, failure(ErrGap, "it follows the tree %.100q, but the known tree is %.100q", e.PrevData, s.Data)
	}
	return c.Commit().State(), nil
}
