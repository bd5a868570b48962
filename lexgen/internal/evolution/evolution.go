// Package evolution compares two versions of lexicons: what the rules for their
// evolution forbid, and what programs that use the generated Go have to follow.
//
// The rules are those of https://atproto.com/specs/lexicon#lexicon-evolution: data of
// either version has to be valid in the other. They are read off the schemas. What breaks in Go is
// read off the plans of both versions.
package evolution

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gimucco/atproto-go/lexgen/internal/schema"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// Documents are the lexicons of one version.
type Documents = []*schema.Document

// A Verdict says what a change means.
type Verdict int

const (
	// Allowed: nobody has to follow.
	Allowed Verdict = iota
	// BreaksGo: data stays valid, but the generated code has another shape.
	BreaksGo
	// Forbidden by the rules.
	Forbidden
)

// String is the word that a line begins with.
func (v Verdict) String() string {
	return [...]string{"allowed", "breaks Go", "forbidden"}[v]
}

// A Change is one difference.
type Change struct {
	Verdict Verdict
	NSID    syntax.NSID
	Path    string // of the schema in its document, "" for the document itself
	What    string
}

// String is one line.
func (c Change) String() string {
	where := string(c.NSID)
	if c.Path != "" {
		where += ": " + c.Path
	}
	return fmt.Sprintf("%-9s  %s: %s", c.Verdict, where, c.What)
}

// Compare lists the changes from one version to the next, by NSID and then in the
// order of the new lexicon.
func Compare(before, after Documents) []Change {
	c := &comparer{}
	ids := make(map[syntax.NSID][2]*schema.Document)
	for i, docs := range []Documents{before, after} {
		for _, d := range docs {
			pair := ids[d.ID]
			pair[i] = d
			ids[d.ID] = pair
		}
	}
	var sorted []syntax.NSID
	for id := range ids {
		sorted = append(sorted, id)
	}
	slices.Sort(sorted)
	for _, id := range sorted {
		c.document(id, ids[id][0], ids[id][1])
	}
	return c.changes
}

type comparer struct{ changes []Change }

func (c *comparer) add(v Verdict, at schema.Pos, format string, args ...any) {
	c.changes = append(c.changes, Change{v, at.NSID, at.Path, fmt.Sprintf(format, args...)})
}

func (c *comparer) document(id syntax.NSID, before, after *schema.Document) {
	switch {
	case before == nil:
		c.changes = append(c.changes, Change{Allowed, id, "", "the lexicon is new"})
		return
	case after == nil:
		c.changes = append(c.changes, Change{Forbidden, id, "", "the lexicon was removed"})
		return
	}
	for _, def := range after.Defs {
		old := before.Def(def.Name)
		if old == nil {
			c.add(Allowed, def.Type.At(), "the definition is new")
			continue
		}
		c.schema(old.Type, def.Type)
	}
	for _, def := range before.Defs {
		if after.Def(def.Name) == nil {
			c.add(Forbidden, def.Type.At(), "the definition was removed")
		}
	}
}

// kindOf is the "type" of a schema.
func kindOf(t schema.Type) string {
	switch t := t.(type) {
	case nil:
		return "nothing"
	case *schema.Method:
		if t.Procedure {
			return "procedure"
		}
		return "query"
	case *schema.CIDLink:
		return "cid-link"
	case *schema.PermissionSet:
		return "permission-set"
	}
	name := fmt.Sprintf("%T", t)
	return strings.ToLower(name[strings.LastIndex(name, ".")+1:])
}

// schema compares two schemas of one place.
func (c *comparer) schema(before, after schema.Type) {
	at := after.At()
	if b, a := kindOf(before), kindOf(after); b != a {
		c.add(Forbidden, at, "the type was %s and is %s", b, a)
		return
	}
	switch after := after.(type) {
	case *schema.Boolean:
		before := before.(*schema.Boolean)
		frozen(c, at, "const", before.Const, after.Const)
		defaults(c, at, before.Default, after.Default)
	case *schema.Integer:
		before := before.(*schema.Integer)
		frozen(c, at, "const", before.Const, after.Const)
		frozen(c, at, "minimum", before.Minimum, after.Minimum)
		frozen(c, at, "maximum", before.Maximum, after.Maximum)
		if !sameSet(before.Enum, after.Enum) {
			c.add(Forbidden, at, "enum changed")
		}
		defaults(c, at, before.Default, after.Default)
	case *schema.String:
		c.str(before.(*schema.String), after)
	case *schema.Bytes:
		before := before.(*schema.Bytes)
		frozen(c, at, "minLength", before.MinLength, after.MinLength)
		frozen(c, at, "maxLength", before.MaxLength, after.MaxLength)
	case *schema.Blob:
		before := before.(*schema.Blob)
		if !sameSet(before.Accept, after.Accept) {
			c.add(Forbidden, at, "accept changed")
		}
		frozen(c, at, "maxSize", before.MaxSize, after.MaxSize)
	case *schema.Array:
		before := before.(*schema.Array)
		frozen(c, at, "minLength", before.MinLength, after.MinLength)
		frozen(c, at, "maxLength", before.MaxLength, after.MaxLength)
		c.schema(before.Items, after.Items)
	case *schema.Object:
		c.properties(at, before.(*schema.Object).Properties, after.Properties)
	case *schema.Ref:
		if b, a := target(before.(*schema.Ref).Ref, before.At()), target(after.Ref, at); b != a {
			c.add(Forbidden, at, "the type was %s and is %s", b, a)
		}
	case *schema.Union:
		c.union(before.(*schema.Union), after)
	case *schema.Record:
		before := before.(*schema.Record)
		if before.Key != after.Key {
			c.add(Forbidden, at, "key was %s and is %s", before.Key, after.Key)
		}
		c.schema(before.Object, after.Object)
	case *schema.PermissionSet:
		c.permissions(before.(*schema.PermissionSet), after)
	case *schema.Method:
		before := before.(*schema.Method)
		c.params(at, before.Parameters, after.Parameters)
		c.body(at, "input", before.Input, after.Input)
		c.body(at, "output", before.Output, after.Output)
		c.errors(at, before.Errors, after.Errors)
	case *schema.Subscription:
		before := before.(*schema.Subscription)
		c.params(at, before.Parameters, after.Parameters)
		switch {
		case before.Message == nil && after.Message != nil:
			c.add(Allowed, at, "messages are new")
		case before.Message != nil && after.Message == nil:
			c.add(Forbidden, at, "the messages were removed")
		case before.Message != nil:
			c.schema(before.Message, after.Message)
		}
		if before.Subprotocol != after.Subprotocol {
			c.add(Forbidden, at, "the subprotocol changed from %q to %q: who agrees on none gets other frames", before.Subprotocol, after.Subprotocol)
		}
		c.errors(at, before.Errors, after.Errors)
	}
}

// target spells a reference out.
func target(ref string, at schema.Pos) string {
	if strings.HasPrefix(ref, "#") {
		ref = string(at.NSID) + ref
	}
	return strings.TrimSuffix(ref, "#main")
}

// frozen compares what may not change in either direction: less would make old data
// invalid, more would make new data invalid for those who have the old lexicon.
func frozen[T comparable](c *comparer, at schema.Pos, what string, before, after *T) {
	switch {
	case before == nil && after == nil:
	case before == nil:
		c.add(Forbidden, at, "%s is new: %v", what, *after)
	case after == nil:
		c.add(Forbidden, at, "%s was removed: %v", what, *before)
	case *before != *after:
		c.add(Forbidden, at, "%s was %v and is %v", what, *before, *after)
	}
}

func defaults[T comparable](c *comparer, at schema.Pos, before, after *T) {
	if (before == nil) != (after == nil) || before != nil && *before != *after {
		c.add(Allowed, at, "default changed: what is left out means something else")
	}
}

func sameSet[T comparable](a, b []T) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(v T) bool { return !slices.Contains(b, v) })
}

func (c *comparer) str(before, after *schema.String) {
	at := after.Pos
	if before.Format != after.Format {
		c.add(Forbidden, at, "format was %q and is %q", before.Format, after.Format)
	}
	frozen(c, at, "const", before.Const, after.Const)
	frozen(c, at, "minLength", before.MinLength, after.MinLength)
	frozen(c, at, "maxLength", before.MaxLength, after.MaxLength)
	frozen(c, at, "minGraphemes", before.MinGraphemes, after.MinGraphemes)
	frozen(c, at, "maxGraphemes", before.MaxGraphemes, after.MaxGraphemes)
	if !sameSet(before.Enum, after.Enum) {
		c.add(Forbidden, at, "enum changed")
	}
	for _, v := range after.KnownValues {
		if !slices.Contains(before.KnownValues, v) {
			c.add(Allowed, at, "known value %q is new", v)
		}
	}
	for _, v := range before.KnownValues {
		if !slices.Contains(after.KnownValues, v) {
			c.add(Allowed, at, "known value %q was removed", v)
		}
	}
	defaults(c, at, before.Default, after.Default)
}

// permissions compares what programs get that ask for a set.
func (c *comparer) permissions(before, after *schema.PermissionSet) {
	for _, p := range after.Permissions {
		if !slices.Contains(before.Permissions, p) {
			c.add(Allowed, after.Pos, "permission %s is new", p)
		}
	}
	for _, p := range before.Permissions {
		if !slices.Contains(after.Permissions, p) {
			c.add(Allowed, after.Pos, "permission %s was removed: who relies on it is refused", p)
		}
	}
	if before.Title != after.Title || before.Detail != after.Detail {
		c.add(Allowed, after.Pos, "what people read of the set changed")
	}
}

func (c *comparer) union(before, after *schema.Union) {
	at := after.Pos
	if before.Closed != after.Closed {
		c.add(Forbidden, at, "closed was %t and is %t", before.Closed, after.Closed)
	}
	members := func(u *schema.Union) []string {
		var out []string
		for _, ref := range u.Refs {
			out = append(out, target(ref, u.Pos))
		}
		return out
	}
	old, now := members(before), members(after)
	closed := before.Closed || after.Closed
	for _, m := range now {
		switch {
		case slices.Contains(old, m):
		case closed:
			c.add(Forbidden, at, "member %s is new, and the union is closed", m)
		default:
			c.add(Allowed, at, "member %s is new", m)
		}
	}
	for _, m := range old {
		switch {
		case slices.Contains(now, m):
		case closed:
			c.add(Forbidden, at, "member %s was removed, and the union is closed", m)
		default:
			c.add(Allowed, at, "member %s was removed: it is read as an unknown one", m)
		}
	}
}

func (c *comparer) params(at schema.Pos, before, after *schema.Params) {
	var old, now []schema.Property
	if before != nil {
		old = before.Properties
	}
	if after != nil {
		now = after.Properties
		at = after.Pos
	}
	c.properties(at, old, now)
}

func find(list []schema.Property, name string) *schema.Property {
	if i := slices.IndexFunc(list, func(p schema.Property) bool { return p.Name == name }); i >= 0 {
		return &list[i]
	}
	return nil
}

func (c *comparer) properties(at schema.Pos, before, after []schema.Property) {
	for _, p := range after {
		pos := p.Type.At()
		old := find(before, p.Name)
		switch {
		case old == nil && p.Required:
			c.add(Forbidden, pos, "the property is new and required: make it optional")
			continue
		case old == nil:
			c.add(Allowed, pos, "the property is new")
			continue
		case !old.Required && p.Required:
			c.add(Forbidden, pos, "was optional and is required")
		case old.Required && !p.Required:
			c.add(Forbidden, pos, "was required and is optional")
		}
		if old.Nullable != p.Nullable {
			c.add(Forbidden, pos, "nullable was %t and is %t", old.Nullable, p.Nullable)
		}
		c.schema(old.Type, p.Type)
	}
	for _, p := range before {
		switch {
		case find(after, p.Name) != nil:
		case p.Required:
			c.add(Forbidden, p.Type.At(), "the property was required and is removed")
		default:
			c.add(Allowed, p.Type.At(), "the property was removed: it is kept in Extra; better keep it, deprecated")
		}
	}
}

func (c *comparer) body(at schema.Pos, what string, before, after *schema.Body) {
	switch {
	case before == nil && after == nil:
	case before == nil:
		c.add(Forbidden, after.Pos, "the %s is new", what)
	case after == nil:
		c.add(Forbidden, at, "the %s was removed", what)
	case before.Encoding != after.Encoding:
		c.add(Forbidden, after.Pos, "encoding was %s and is %s", before.Encoding, after.Encoding)
	case (before.Schema == nil) != (after.Schema == nil):
		c.add(Forbidden, after.Pos, "the %s has a schema in one version and none in the other", what)
	case before.Schema != nil:
		c.schema(before.Schema, after.Schema)
	}
}

func (c *comparer) errors(at schema.Pos, before, after []schema.Error) {
	has := func(list []schema.Error, name string) bool {
		return slices.ContainsFunc(list, func(e schema.Error) bool { return e.Name == name })
	}
	for _, e := range after {
		if !has(before, e.Name) {
			c.add(Allowed, at, "error %s is new", e.Name)
		}
	}
	for _, e := range before {
		if !has(after, e.Name) {
			c.add(Allowed, at, "error %s was removed", e.Name)
		}
	}
}
