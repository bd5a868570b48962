package resolve

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/gimucco/atproto-go/lexgen/internal/schema"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Closure is some lexicons and all they refer to, as far as it can be used.
type Closure struct {
	IDs      []ID     // sorted
	Warnings []string // what is not as it should be, and used all the same

	// LeftOut says of each definition that cannot be used, or needs one that cannot, why that is so.
	LeftOut []error
}

// Closure checks lexicons and all they refer to. A definition that is wrong is left out, and what needs it: who refers to
// it, but for unions that are open, which lose a member. References to what is not there are errors.
func (s *Set) Closure(roots []syntax.NSID) (*Closure, error) {
	c := &closure{set: s, defs: make(map[ID]*checker), faults: make(map[ID]error)}
	var todo []ID
	for _, nsid := range roots {
		todo = append(todo, s.definitions(nsid)...)
	}
	c.check(todo)
	if len(c.errs) > 0 {
		slices.SortFunc(c.errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
		return nil, errors.Join(c.errs...)
	}
	c.spread()
	out := &Closure{IDs: c.reach(todo)}
	for _, id := range out.IDs {
		for _, w := range c.defs[id].warnings {
			out.Warnings = append(out.Warnings, w.Error())
		}
		out.Warnings = append(out.Warnings, c.openUnions(id)...)
	}
	for _, id := range slices.SortedFunc(maps.Keys(c.faults), compareIDs) {
		out.LeftOut = append(out.LeftOut, fmt.Errorf("%w; %s is left out", c.faults[id], id.shown()))
	}
	return out, nil
}

func compareIDs(a, b ID) int { return cmp.Or(cmp.Compare(a.NSID, b.NSID), cmp.Compare(a.Name, b.Name)) }

// definitions are those of a lexicon, also those that cannot be used.
func (s *Set) definitions(nsid syntax.NSID) []ID {
	if s.broken[nsid] != nil {
		return []ID{{NSID: nsid, Name: "main"}}
	}
	var ids []ID
	if d := s.docs[nsid]; d != nil {
		for _, def := range d.Defs {
			ids = append(ids, ID{nsid, def.Name})
		}
		for _, f := range d.Faults {
			ids = append(ids, ID{nsid, f.Name})
		}
	}
	return ids
}

// closure is one run of Closure.
type closure struct {
	set    *Set
	defs   map[ID]*checker // that have been checked
	faults map[ID]error
	errs   []error
}

// check checks definitions and all they refer to.
func (c *closure) check(todo []ID) {
	todo = slices.Clone(todo)
	for len(todo) > 0 {
		id := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if c.defs[id] != nil || c.faults[id] != nil {
			continue
		}
		if err := c.set.fault(id); err != nil {
			c.faults[id] = err
			continue
		}
		checked := c.set.check(id)
		c.defs[id] = checked
		c.errs = append(c.errs, checked.missing...)
		if len(checked.errs) > 0 {
			c.faults[id] = errors.Join(checked.errs...)
		}
		for _, r := range checked.refs {
			todo = append(todo, r.to)
		}
	}
}

// spread takes what needs a definition that cannot be used for one that cannot.
func (c *closure) spread() {
	for changed := true; changed; {
		changed = false
		for _, id := range slices.SortedFunc(maps.Keys(c.defs), compareIDs) {
			if c.faults[id] != nil {
				continue
			}
			for _, r := range c.defs[id].refs {
				if r.needed && c.faults[r.to] != nil {
					c.faults[id] = r.at.Errorf("ref %q: %s is left out", r.ref, r.to.shown())
					changed = true
					break
				}
			}
		}
	}
}

// reach is what can be used of some definitions and all they refer to.
func (c *closure) reach(todo []ID) []ID {
	seen := make(map[ID]bool)
	todo = slices.Clone(todo)
	for len(todo) > 0 {
		id := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[id] || c.faults[id] != nil {
			continue
		}
		seen[id] = true
		for _, r := range c.defs[id].refs {
			todo = append(todo, r.to)
		}
	}
	return slices.SortedFunc(maps.Keys(seen), compareIDs)
}

// openUnions takes members that are left out away from the unions of a definition.
func (c *closure) openUnions(id ID) (warnings []string) {
	for t := range schema.All(c.set.Def(id).Type) {
		u, ok := t.(*schema.Union)
		if !ok {
			continue
		}
		u.Refs = slices.DeleteFunc(u.Refs, func(ref string) bool {
			to, _, err := c.set.Ref(u.Pos, ref)
			gone := err != nil || c.faults[to] != nil
			if gone {
				warnings = append(warnings, u.Pos.Errorf("ref %q: %s is left out; this member of the union is an unknown one", ref, to.shown()).Error())
			}
			return gone
		})
	}
	return warnings
}
