package repo

import (
	"iter"
	"strings"
)

// Diff returns what has to happen to the records of before to have those of after, in the order of
// their paths. Subtrees that are the same in both are not looked at, so that little is read of
// large repositories that differ in little. Both may be of different accounts; both may be slices
// that have the rest. A nil before is empty.
//
// An error is final, and one of Records.
func Diff(before, after *Repository) iter.Seq2[*Operation, error] {
	return func(yield func(*Operation, error) bool) {
		var old, now cursor
		var err error
		if before != nil {
			err = old.start(before)
		}
		if err == nil {
			err = now.start(after)
		}
		for err == nil && !(old.done() && now.done()) {
			var op *Operation
			if op, err = step(&old, &now); op == nil {
				continue
			}
			if op.CID != "" && err == nil {
				op.Record, err = after.record(op.Path(), now.value)
			}
			if err == nil && !yield(op, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// step goes one step on in one tree or in both, and returns what it found out.
func step(old, now *cursor) (*Operation, error) {
	a, b := old.next(), now.next()
	switch {
	case a.subtree() && b.subtree() && a.kid.id == b.kid.id:
		old.skip()
		now.skip()
		return nil, nil
	case a.subtree() && (!b.subtree() || a.layer >= b.layer):
		return nil, old.enter()
	case b.subtree():
		return nil, now.enter()
	}
	order := strings.Compare(a.path, b.path)
	switch { // an end comes after all paths
	case b.path == "":
		order = -1
	case a.path == "":
		order = 1
	}
	op := new(Operation)
	if order <= 0 {
		op.Collection, op.Key = split(a.path)
		op.Action, op.Prev = Delete, a.value.text()
		old.skip()
	}
	if order >= 0 {
		op.Collection, op.Key = split(b.path)
		op.Action, op.CID = Create, b.value.text()
		now.value = b.value
		now.skip()
	}
	if order == 0 {
		if op.Action = Update; a.value == b.value {
			return nil, nil
		}
	}
	return op, nil
}

// A cursor goes through a tree, and does not enter the subtrees that it is not told to.
type cursor struct {
	tree  *tree
	items []item // the next one last
	value cid    // of the record that was passed last
}

// An item is a record or a subtree; neither is the end.
type item struct {
	path  string
	value cid

	kid    subtree
	layer  int
	within span
}

func (i item) subtree() bool { return !i.kid.none() }

func (c *cursor) start(r *Repository) error {
	t, err := r.tree()
	if err != nil {
		return err
	}
	c.tree = t
	if !t.root.none() {
		c.items = []item{{kid: t.root, layer: t.top}}
	}
	return nil
}

func (c *cursor) done() bool { return len(c.items) == 0 }

func (c *cursor) next() item {
	if c.done() {
		return item{}
	}
	return c.items[len(c.items)-1]
}

func (c *cursor) skip() { c.items = c.items[:len(c.items)-1] }

// enter puts what is in a subtree in its place.
func (c *cursor) enter() error {
	at := c.next()
	n, err := c.tree.open(at.kid, at.layer, at.within)
	if err != nil {
		return err
	}
	c.skip()
	for i := len(n.paths); i >= 0; i-- {
		if i < len(n.paths) {
			c.items = append(c.items, item{path: n.paths[i], value: n.values[i]})
		}
		if !n.kids[i].none() {
			c.items = append(c.items, item{kid: n.kids[i], layer: at.layer - 1, within: at.within.of(n, i)})
		}
	}
	return nil
}
