package repo

import (
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// Verify makes sure that the account has signed the commit of the event, that each operation is
// true, and that they are all that changed since PrevData: the operations are taken back, and the
// tree has to be the one of before (https://atproto.com/specs/sync). PrevData itself is only what
// the event says: State.Next compares it with what is known.
//
// The first commit of a repository has no PrevData: the tree before it was empty.
//
// Errors: ErrAccount, ErrSignature, ErrEvent, ErrMissingBlock, ErrTree; ErrIncomplete. An event of a
// server older than Sync 1.1 is ErrNotInductive, where all that can be checked of it is in order:
// its records are the account's, and deletions are only said.
func (c *Change) Verify(key Key) error {
	if err := c.Commit().Verify(c.event.DID, key); err != nil {
		return err
	}
	t, err := c.tree()
	if err != nil {
		return err
	}
	first := c.event.PrevData == "" && c.event.Since == "" // or of an old server, which is found out below
	inductive := c.event.PrevData != "" || first
	for i := range c.ops {
		op := &c.ops[i]
		if _, err := c.operation(t, op); err != nil {
			return err
		}
		// An event that looks old must not pass off as the account's what is not in its tree. Whether
		// something is not in it any more is found out by taking it back.
		if _, err := t.get(op.Path); err != nil && op.Action != Delete {
			return located(err, op.Path)
		}
		switch {
		case op.Action == Create && op.Prev != "":
			return failure(ErrEvent, "a record that is created was nothing before, and it says %.100q", op.Prev).about(op.Path)
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
		return failure(ErrNotInductive, "it does not say what was before, and is not the first of its repository")
	case err != nil:
		return err
	case !first && root != c.event.PrevData:
		return failure(ErrIncomplete, "without them the tree was %s, and the event says that it was %.100q", root, c.event.PrevData)
	}
	return nil
}

// emptyTree is the root of a tree without records.
const emptyTree = syntax.CID("bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm")

// takeBack undoes the operations in the tree, and returns the root of the one of before.
func (c *Change) takeBack(t *tree) (syntax.CID, error) {
	before := *t
	// What was deleted comes back first, as it does elsewhere: with the blocks that servers have to
	// send any order is good, and with less this one has the best chance.
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
					return "", failure(ErrEvent, "%.100q, which was before, is no CID", op.Prev).about(op.Path)
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

// A State is where the repository of an account stands: what a consumer of events keeps of each.
// The zero value is that of an account which has no repository yet.
type State struct {
	Rev  syntax.TID
	Data syntax.CID // the root of the tree
}

// State returns the state after the commit.
func (c *Commit) State() State { return State{Rev: c.Rev, Data: c.Data} }

// Next returns the state after a change, which has to be verified, and to follow s.
//
// Errors: ErrStale, the event is to be ignored; ErrGap, the repository is to be fetched.
func (s State) Next(c *Change) (State, error) {
	e := c.event
	switch {
	case s.Rev != "" && e.Rev <= s.Rev:
		return s, failure(ErrStale, "its rev is %.20q, and %.20q is known", e.Rev, s.Rev)
	case e.Since != s.Rev:
		return s, failure(ErrGap, "it is after the rev %.20q, and %.20q is known", e.Since, s.Rev)
	case s.Data != "" && e.PrevData != "" && e.PrevData != s.Data:
		return s, failure(ErrGap, "it is after the tree %.100q, and %.100q is known", e.PrevData, s.Data)
	}
	return c.Commit().State(), nil
}
