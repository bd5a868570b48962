package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gimucco/atproto-go/lexgen/internal/resolve"
	"github.com/gimucco/atproto-go/lexgen/internal/schema"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// link names a declaration so that go doc makes a link of it.
func (b *builder) link(pl *place, n Name) string {
	if n.Path == "" || n.Path == pl.pkg.Path {
		return "[" + n.Name + "]"
	}
	for _, pc := range b.cfg.Packages {
		if pc.Path == n.Path {
			return "[" + pc.Name + "." + n.Name + "]"
		}
	}
	return n.Name
}

// link names a method, likewise.
func (m *Method) link() string { return "[" + m.Service + "." + m.Name + "]" }

// fieldDoc is the comment of a field: what the lexicon says of it, or else what it is called there; what it holds, where its
// type does not say so; its limits.
func (b *builder) fieldDoc(pl *place, t schema.Type, f *Field) Doc {
	text := t.Doc()
	if a, ok := t.(*schema.Array); ok && text == "" {
		switch a.Items.(type) {
		case *schema.Object, *schema.Union: // which have a type of their own to say it
		default:
			text = a.Items.Doc()
		}
	}
	d := docOf("", text)
	elem, many := f.Type, ""
	for elem.Kind == Array && elem.Go.Name == "" {
		elem, many = elem.Elem, "a list of "
	}
	var holds string
	if u := elem.Union; u != nil && len(u.Members) > 0 && len(u.Members) <= maxListed {
		holds = many + list(b.links(pl, u), "and")
		if many == "" && len(u.Members) > 1 {
			holds = "one of " + holds
		}
	}
	if len(d) == 0 {
		if holds == "" && elem.Listed == ListsNone && elem.Go.Name != "" && b.isGenerated(elem.Go) {
			holds = many + b.link(pl, elem.Go)
		}
		name := clean(strconv.Quote(f.JSON)) + " in JSON"
		if holds != "" {
			name += ": " + holds
		}
		d = Doc{name + "."}
	} else if strings.HasPrefix(holds, "[") {
		d = d.with("See " + holds + ".")
	} else if holds != "" {
		d = d.with(capital(holds) + ".")
	}
	if f.Presence == RequiredNullable {
		d = d.with("Nil is null.")
	}
	switch known := elem.Known; {
	case elem.Listed == ListsAll && many != "":
		d = d.with("Each is one of the constants of " + b.link(pl, elem.Go) + ".")
	case elem.Listed == ListsAll:
		d = d.with("One of the constants of " + b.link(pl, elem.Go) + ".")
	case elem.Listed == ListsSome:
		d = d.with("Known values: the constants of " + b.link(pl, elem.Go) + ".")
	case len(known) > maxListed:
		d = d.with(fmt.Sprintf("Known values: the constants from [%s] to [%s].", known[0], known[len(known)-1]))
	case len(known) > 0:
		d = d.with("Known values: [" + strings.Join(known, "], [") + "].")
	}
	return d.with(limitsDoc(f.Type))
}

// isGenerated reports whether a name is that of a type of a package of the config.
func (b *builder) isGenerated(n Name) bool {
	return slices.ContainsFunc(b.cfg.Packages, func(pc PackageConfig) bool { return pc.Path == n.Path })
}

// tokenDoc is the comment of a value that is a token, for which there is a constant, too.
func (b *builder) tokenDoc(pl *place, value string) Doc {
	nsid, name, ok := strings.Cut(value, "#")
	if !ok {
		return nil
	}
	id := resolve.ID{NSID: syntax.NSID(nsid), Name: name}
	if !slices.Contains(b.ids, id) {
		return nil
	}
	if _, ok := b.set.Def(id).Type.(*schema.Token); !ok {
		return nil
	}
	if pc, _ := b.cfg.packageOf(id.NSID); pc == nil || pc.Path != pl.pkg.Path {
		return nil // the package need not import that of the token
	}
	return Doc{"The token " + b.link(pl, b.goName(id)) + "."}
}

// stringsOf are constants of the values of something, each of which ends a sentence.
func stringsOf(values []Constant, of string, closed bool) *Strings {
	s := &Strings{Values: values}
	kind := "known value"
	if closed {
		kind = "value"
	}
	switch {
	case len(values) == 0:
	case len(values) == 1:
		v := &values[0]
		doc := v.Name + " is a " + kind + " of " + of
		if len(v.Doc) > 0 {
			doc += ": t" + strings.TrimPrefix(strings.TrimSuffix(v.Doc[0], "."), "T")
		}
		v.Doc = Doc{doc + "."}
	case closed:
		s.ValuesDoc = Doc{"The values of " + of + "."}
	default:
		s.ValuesDoc = Doc{"Known values of " + of + "."}
	}
	return s
}

// kinds are the lexicons' words for the types that a definition can be an alias of, and ours where theirs say little.
var kinds = map[Kind]string{
	Boolean: "boolean", Integer: "integer", String: "string", Bytes: "byte string", CIDLink: "link",
	Blob: "blob", Unknown: "object", Object: "object", UnionOf: "union", Array: "list",
}

// limitsDoc says in a sentence what a schema demands of a value besides its type, "" if that is nothing.
func limitsDoc(t *Type) string {
	parts := limits(t)
	if len(parts) == 0 {
		return ""
	}
	return capital(strings.Join(parts, ", ")) + "."
}

func limits(t *Type) []string {
	var parts []string
	add := func(s string) {
		if len(parts) > 0 && strings.HasPrefix(parts[len(parts)-1], "at most ") {
			s = strings.TrimPrefix(s, "at most ")
		}
		if s != "" {
			parts = append(parts, s)
		}
	}
	l := &t.Limits
	switch t.Kind {
	case Boolean:
		if l.Boolean != nil {
			add("always " + strconv.FormatBool(*l.Boolean))
		}
	case Integer:
		var values []string
		for _, n := range l.Integers {
			values = append(values, number(n))
		}
		switch {
		case len(values) == 1:
			add("always " + values[0])
		case len(values) > 1:
			add("one of " + list(values, "and"))
		}
		switch from, to := l.Minimum, l.Maximum; {
		case from != nil && to != nil:
			add("from " + number(*from) + " to " + number(*to))
		case from != nil:
			add("at least " + number(*from))
		case to != nil:
			add("at most " + number(*to))
		}
	case String:
		if len(l.Values) == 1 && t.Listed == ListsNone {
			add("always " + clean(strconv.Quote(l.Values[0])))
		}
		add(between(l.MinGraphemes, l.MaxGraphemes, "grapheme"))
		add(between(l.MinLength, l.MaxLength, "byte"))
	case Bytes:
		add(between(l.MinLength, l.MaxLength, "byte"))
	case Blob:
		var accept []string
		for _, a := range l.Accept {
			accept = append(accept, clean(a))
		}
		if len(accept) > 0 && !slices.Contains(accept, "*/*") {
			add("of type " + list(accept, "or"))
		}
		add(between(nil, l.MaxSize, "byte"))
	case Array:
		add(between(l.MinLength, l.MaxLength, "item"))
		if of := limits(t.Elem); len(of) > 0 {
			of[0] = "each " + of[0]
			parts = append(parts, of...)
		}
	}
	return parts
}

// between says how many there may be, "" if any number.
func between(from, to *int64, unit string) string {
	units := func(n int64) string {
		if n == 1 {
			return number(n) + " " + unit
		}
		return number(n) + " " + unit + "s"
	}
	switch {
	case from != nil && *from <= 0:
		return between(nil, to, unit)
	case from != nil && to != nil && *from == *to:
		return "exactly " + units(*to)
	case from != nil && to != nil:
		return "from " + number(*from) + " to " + units(*to)
	case from != nil:
		return "at least " + units(*from)
	case to != nil:
		return "at most " + units(*to)
	}
	return ""
}

// number writes a number with commas, if it has five digits or more.
func number(n int64) string {
	s := strconv.FormatInt(n, 10)
	digits := strings.TrimPrefix(s, "-")
	if len(digits) < 5 {
		return s
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if n < 0 {
		return "-" + digits
	}
	return digits
}

// capital makes a sentence's beginning of its first word.
func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
