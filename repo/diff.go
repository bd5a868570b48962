package repo

import (
	"iter"
	"strings"
)

// Diff returns the operations that turn the records of before into those of after, in the order of
// their paths. It skips subtrees that are the same in both, so it reads little if large
// repositories differ little. Slices work if they contain everything that differs. A nil Repository
// is empty.
//
// An error is final. The errors are those of Records.
func Diff(before, after *Repository) iter.Seq2[*Operation, error] {
	return func(yield func(*Operation, error) bool) {
		old, err := cursorOf(before)
		if err != nil {
			yield(nil, err)
			return
		}
		now, err := cursorOf(after)
		if err != nil {
			yield(nil, err)
			return
		}
		for !(old.done() && now.done()) {
			op, value, err := step(old, now)
			if err == nil && op != nil && !value.none() {
				op.Record, err = after.record(op.Path(), value)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if op != nil && !yield(op, nil) {
				return
			}
		}
	}
}

// step moves one step forward in one tree or in both. It returns the operation that it found, if
// any, and the current CID of the record.
func step(old, now *cursor) (op *Operation, value cid, err error) {
	a, b := old.next(), now.next()
	switch {
	case a.subtree() && b.subtree() && a.kid.id == b.kid.id:
		old.skip()
		now.skip()
		return nil, cid{}, nil
	case a.subtree() && (!b.subtree() || a.layer >= b.layer):
		return nil, cid{}, old.enter()
	case b.subtree():
		return nil, cid{}, now.enter()
	}
	order := strings.Compare(a.path, b.path)
	switch { // an end comes after all paths
	case b.path == "":
		order = -1
	case a.path == "":
		order = 1
	}
	op = new(Operation)
	if order <= 0 {
		op.Action, op.Prev = Delete, a.value.text()
		op.Collection, op.Key = split(a.path)
		old.skip()
	}
	if order >= 0 {
		op.Action, op.CID = Create, b.value.text()
		op.Collection, op.Key = split(b.path)
		now.skip()
		value = b.value
	}
	if order == 0 {
		op.Action = Update
		if a.value == b.value {
			return nil, cid{}, nil
		}
	}
	return op, value, nil
}

// A cursor moves through a tree. It enters only the subtrees that it is told to enter.
type cursor struct {
	tree  *tree
	items []item // the next one is last
}

// An item is a record or a subtree; an item with neither is the end.
type item struct {
	path  string
	value cid

	kid    subtree
	layer  int
	within span
}

func (i item) subtree() bool { return !i.kid.none() }

// cursorOf returns a cursor before all records of a repository; a nil repository is empty.
func cursorOf(r *Repository) (*cursor, error) {
	c := new(cursor)
	if r == nil {
		return c, nil
	}
	var err error
	if c.tree, err = r.tree(); err != nil {
		return nil, err
	}
	if !c.tree.root.none() {
		c.items = []item{{kid: c.tree.root, layer: c.tree.top}}
	}
	return c, nil
}

func (c *cursor) done() bool { return len(c.items) == 0 }

func (c *cursor) next() item {
	if c.done() {
		return item{}
	}
	return c.items[len(c.items)-1]
}

func (c *cursor) skip() { c.items = c.items[:len(c.items)-1] }

// enter replaces a subtree by its content.
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
