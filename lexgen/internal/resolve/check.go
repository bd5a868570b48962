package resolve

import (
	"errors"
	"slices"
	"unicode/utf8"

	"github.com/gimucco/atproto-go/lexgen/internal/schema"
)

// checker walks one definition, collecting what it refers to and what is wrong.
type checker struct {
	set  *Set
	refs []ID
	errs []error
}

func (s *Set) check(t schema.Type) ([]ID, error) {
	c := &checker{set: s}
	c.walk(t)
	return c.refs, errors.Join(c.errs...)
}

func (c *checker) fail(at schema.Pos, format string, args ...any) {
	c.errs = append(c.errs, at.Errorf(format, args...))
}

func (c *checker) walk(t schema.Type) {
	for t := range schema.All(t) {
		c.one(t)
	}
}

// one checks a schema without what it is made of.
func (c *checker) one(t schema.Type) {
	switch t := t.(type) {
	case *schema.Subscription:
		if _, ok := t.Message.(*schema.Union); !ok && t.Message != nil {
			c.fail(t.Message.At(), "the message of a subscription must be a union")
		}
	case *schema.Array:
		c.order(t.Pos, "minLength", t.MinLength, "maxLength", t.MaxLength)
		if ref, ok := t.Items.(*schema.Ref); ok {
			c.endless(t.Pos, ref)
		}
	case *schema.Ref:
		c.ref(t)
	case *schema.Union:
		c.union(t)
	case *schema.Boolean:
		if t.Const != nil && t.Default != nil {
			c.fail(t.Pos, "has both const and default")
		}
	case *schema.Integer:
		c.integer(t)
	case *schema.String:
		c.str(t)
	case *schema.Bytes:
		c.order(t.Pos, "minLength", t.MinLength, "maxLength", t.MaxLength)
	}
}

func (c *checker) ref(t *schema.Ref) {
	id, def, err := c.set.Ref(t.Pos, t.Ref)
	if err != nil {
		c.errs = append(c.errs, err)
		return
	}
	switch def.Type.(type) {
	case *schema.Token:
		c.fail(t.Pos, "ref %q: a token is not data; list it in knownValues of a string", t.Ref)
	case *schema.Method, *schema.Subscription, *schema.PermissionSet:
		c.fail(t.Pos, "ref %q: points at a method or permission set, not at data", t.Ref)
	default:
		c.refs = append(c.refs, id)
	}
}

func (c *checker) union(t *schema.Union) {
	var seen []ID
	for _, ref := range t.Refs {
		id, def, err := c.set.Ref(t.Pos, ref)
		if err != nil {
			c.errs = append(c.errs, err)
			continue
		}
		switch def.Type.(type) {
		case *schema.Object, *schema.Record:
		default:
			c.fail(t.Pos, "ref %q: a member of a union must be an object or a record", ref)
		}
		if slices.Contains(seen, id) {
			c.fail(t.Pos, "ref %q: the union has this member already", ref)
		}
		seen = append(seen, id)
	}
	c.refs = append(c.refs, seen...)
}

// endless finds arrays that consist of nothing but themselves.
func (c *checker) endless(at schema.Pos, ref *schema.Ref) {
	seen := make(map[ID]bool)
	for {
		id, def, err := c.set.Ref(ref.Pos, ref.Ref)
		if err != nil {
			return // reported where it stands
		}
		if seen[id] {
			c.fail(at, "an array of itself")
			return
		}
		seen[id] = true
		a, ok := def.Type.(*schema.Array)
		if !ok {
			return
		}
		items := a.Items
		for {
			inner, ok := items.(*schema.Array)
			if !ok {
				break
			}
			items = inner.Items
		}
		if ref, ok = items.(*schema.Ref); !ok {
			return
		}
	}
}

func (c *checker) order(at schema.Pos, low string, lo *int64, high string, hi *int64) {
	if lo != nil && hi != nil && *lo > *hi {
		c.fail(at, "%s is greater than %s", low, high)
	}
}

func (c *checker) integer(t *schema.Integer) {
	c.order(t.Pos, "minimum", t.Minimum, "maximum", t.Maximum)
	if t.Const != nil && t.Default != nil {
		c.fail(t.Pos, "has both const and default")
	}
	ok := func(what string, v int64) {
		if t.Minimum != nil && v < *t.Minimum || t.Maximum != nil && v > *t.Maximum {
			c.fail(t.Pos, "%s %d is out of range", what, v)
		}
		if what != "enum" && len(t.Enum) > 0 && !slices.Contains(t.Enum, v) {
			c.fail(t.Pos, "%s %d is not in enum", what, v)
		}
	}
	for _, v := range t.Enum {
		ok("enum", v)
	}
	if t.Default != nil {
		ok("default", *t.Default)
	}
	if t.Const != nil {
		ok("const", *t.Const)
	}
}

func (c *checker) str(t *schema.String) {
	c.order(t.Pos, "minLength", t.MinLength, "maxLength", t.MaxLength)
	c.order(t.Pos, "minGraphemes", t.MinGraphemes, "maxGraphemes", t.MaxGraphemes)
	if t.Const != nil && t.Default != nil {
		c.fail(t.Pos, "has both const and default")
	}
	if len(t.Enum) > 0 && len(t.KnownValues) > 0 {
		c.fail(t.Pos, "has both enum and knownValues")
	}
	ok := func(what, v string) {
		if n := int64(len(v)); t.MinLength != nil && n < *t.MinLength || t.MaxLength != nil && n > *t.MaxLength {
			c.fail(t.Pos, "%s %q: its length is out of range", what, v)
		}
		// Graphemes are at most code points; only that bound can be known without
		// tables of Unicode.
		if n := int64(utf8.RuneCountInString(v)); t.MinGraphemes != nil && n < *t.MinGraphemes {
			c.fail(t.Pos, "%s %q: its length is out of range", what, v)
		}
		if what != "enum" && len(t.Enum) > 0 && !slices.Contains(t.Enum, v) {
			c.fail(t.Pos, "%s %q is not in enum", what, v)
		}
	}
	for _, v := range t.Enum {
		ok("enum", v)
	}
	if t.Default != nil {
		ok("default", *t.Default)
	}
	if t.Const != nil {
		ok("const", *t.Const)
	}
}
