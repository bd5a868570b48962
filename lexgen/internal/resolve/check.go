package resolve

import (
	"errors"
	"slices"
	"unicode/utf8"

	"github.com/gimucco/atproto-go/lexgen/internal/schema"
)

// checker walks one definition, collecting what it refers to and what is wrong.
type checker struct {
	set      *Set
	refs     []reference
	errs     []error
	missing  []error // references to what is not there
	warnings []error
	nested   bool // an array is in itself, or too deep
}

// A reference is one that a definition makes.
type reference struct {
	at     schema.Pos
	ref    string // as written
	to     ID
	needed bool // without it the definition cannot be
}

func (s *Set) check(id ID) *checker {
	c := &checker{set: s, warnings: slices.Clone(s.endless[id])}
	for t := range schema.All(s.Def(id).Type) {
		c.one(t)
	}
	return c
}

func (c *checker) fail(at schema.Pos, format string, args ...any) {
	c.errs = append(c.errs, at.Errorf(format, args...))
}

func (c *checker) warn(at schema.Pos, format string, args ...any) {
	c.warnings = append(c.warnings, at.Errorf(format, args...))
}

// resolve finds a reference's target. Of one that cannot be used there is no definition.
func (c *checker) resolve(at schema.Pos, ref string, needed bool) (ID, *schema.Def) {
	id, def, err := c.set.Ref(at, ref)
	_, missing := errors.AsType[missingError](err)
	_, fault := errors.AsType[*FaultError](err)
	switch {
	case missing:
		c.missing = append(c.missing, err)
	case err != nil && !fault:
		c.errs = append(c.errs, err)
	default:
		c.refs = append(c.refs, reference{at, ref, id, needed})
	}
	return id, def
}

// one checks a schema without what it is made of.
func (c *checker) one(t schema.Type) {
	switch t := t.(type) {
	case *schema.Subscription:
		if _, ok := t.Message.(*schema.Union); !ok && t.Message != nil {
			c.fail(t.Message.At(), "the message of a subscription must be a union")
		}
	case *schema.Array:
		c.order(t.Pos, "minLength", &t.MinLength, "maxLength", &t.MaxLength)
		if err := c.array(t); err != nil && !c.nested {
			c.nested = true // the arrays in it say the same
			c.errs = append(c.errs, err)
		}
	case *schema.Ref:
		c.ref(t)
	case *schema.Union:
		c.union(t)
	case *schema.Boolean:
		constant(c, t.Pos, t.Const, t.Default, nil)
	case *schema.Integer:
		c.integer(t)
	case *schema.String:
		c.str(t)
	case *schema.Bytes:
		c.order(t.Pos, "minLength", &t.MinLength, "maxLength", &t.MaxLength)
	}
}

func (c *checker) ref(t *schema.Ref) {
	id, def := c.resolve(t.Pos, t.Ref, true)
	if def == nil {
		return
	}
	switch def.Type.(type) {
	case *schema.Token: // the reference takes the token's name for its one value
		c.warn(t.Pos, "ref %q: a token is not data; the value is the string %q. It is better listed in knownValues of a string", t.Ref, id)
	case *schema.Method, *schema.Subscription, *schema.PermissionSet:
		c.fail(t.Pos, "ref %q: points at a method or permission set, not at data", t.Ref)
	}
}

func (c *checker) union(t *schema.Union) {
	var seen []ID
	t.Refs = slices.DeleteFunc(t.Refs, func(ref string) bool {
		id, def := c.resolve(t.Pos, ref, t.Closed)
		if slices.Contains(seen, id) {
			c.warn(t.Pos, "ref %q: the union has this member already", ref)
			return true
		}
		seen = append(seen, id)
		if def == nil {
			return false
		}
		switch def.Type.(type) {
		case *schema.Object, *schema.Record:
		default:
			// The reference takes it. No value can be one: what has a $type is an object.
			c.warn(t.Pos, "ref %q: only objects and records can be members of a union; it is passed over", ref)
			return true
		}
		return false
	})
	if t.Closed && len(t.Refs) == 0 {
		c.warn(t.Pos, "a closed union without members has no value; it is read as an open one")
		t.Closed = false
	}
}

// maxArrays is how deep arrays may be in each other. The Go compiler gives up at some depth.
const maxArrays = 32

// array finds arrays that consist of nothing but themselves, and those that are too deep.
func (c *checker) array(t *schema.Array) error {
	seen := make(map[ID]bool)
	var items schema.Type = t
	for depth := 0; ; {
		switch inner := items.(type) {
		case *schema.Array:
			if depth++; depth > maxArrays {
				return t.Pos.Errorf("arrays are nested deeper than %d", maxArrays)
			}
			items = inner.Items
		case *schema.Ref:
			id, def, err := c.set.Ref(inner.Pos, inner.Ref)
			if err != nil {
				return nil // reported where it stands
			}
			if seen[id] {
				return t.Pos.Errorf("an array of itself")
			}
			seen[id] = true
			items = def.Type
		default:
			return nil
		}
	}
}

// order takes limits away that nothing is within: the reference takes them, and nobody can mean them.
func (c *checker) order(at schema.Pos, low string, lo **int64, high string, hi **int64) {
	if *lo != nil && *hi != nil && **lo > **hi {
		c.warn(at, "%s is greater than %s; neither is checked", low, high)
		*lo, *hi = nil, nil
	}
}

// constant warns where a default or an enum leaves out the only value that a constant allows. It returns the enum, or none where the
// constant counts.
func constant[T comparable](c *checker, at schema.Pos, only, preset *T, enum []T) []T {
	if only == nil {
		return enum
	}
	if preset != nil && *preset != *only {
		c.warn(at, "default %#v is not const %#v", *preset, *only)
	}
	if len(enum) > 0 && !slices.Contains(enum, *only) {
		c.warn(at, "const %#v is not in enum; const counts", *only)
		return nil
	}
	return enum
}

func (c *checker) integer(t *schema.Integer) {
	c.order(t.Pos, "minimum", &t.Minimum, "maximum", &t.Maximum)
	t.Enum = constant(c, t.Pos, t.Const, t.Default, t.Enum)
	ok := func(what string, v int64) {
		fail := c.fail
		if what == "default" { // the reference takes it; it is sent as it is written
			fail = c.warn
		}
		if t.Minimum != nil && v < *t.Minimum || t.Maximum != nil && v > *t.Maximum {
			fail(t.Pos, "%s %d is out of range", what, v)
		}
		if what != "enum" && len(t.Enum) > 0 && !slices.Contains(t.Enum, v) {
			fail(t.Pos, "%s %d is not in enum", what, v)
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
	c.order(t.Pos, "minLength", &t.MinLength, "maxLength", &t.MaxLength)
	c.order(t.Pos, "minGraphemes", &t.MinGraphemes, "maxGraphemes", &t.MaxGraphemes)
	t.Enum = constant(c, t.Pos, t.Const, t.Default, t.Enum)
	if len(t.Enum) > 0 && len(t.KnownValues) > 0 {
		c.warn(t.Pos, "has both enum and knownValues; enum counts")
		t.KnownValues = nil
	}
	ok := func(what, v string) {
		fail := c.fail
		if what == "default" {
			fail = c.warn
		}
		if n := int64(len(v)); t.MinLength != nil && n < *t.MinLength || t.MaxLength != nil && n > *t.MaxLength {
			fail(t.Pos, "%s %q: its length is out of range", what, v)
		}
		// Graphemes are at most code points; only that bound can be known without
		// tables of Unicode.
		if n := int64(utf8.RuneCountInString(v)); t.MinGraphemes != nil && n < *t.MinGraphemes {
			fail(t.Pos, "%s %q: its length is out of range", what, v)
		}
		if what != "enum" && len(t.Enum) > 0 && !slices.Contains(t.Enum, v) {
			fail(t.Pos, "%s %q is not in enum", what, v)
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
