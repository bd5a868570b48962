package schema

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// Parse reads a lexicon document. Errors name the file, the line, the NSID and the JSON path.
// Keys that are not known are passed over, so that documents of a newer version of
// the language can be read; definitions of a type that is not known are among the
// document's faults, as those are that are wrong.
func Parse(file string, data []byte) (*Document, error) {
	head, _ := HeadOf(data)
	at := Pos{File: file}
	if nsid, err := syntax.ParseNSID(head.ID); err == nil {
		at.NSID = nsid
	}
	root, warnings, err := parseNode(data, at)
	if err != nil {
		return nil, err
	}
	p := &parser{warnings: warnings}
	d := p.document(file, &root)
	if p.err != nil {
		return nil, p.err
	}
	d.Warnings = p.warnings
	return d, nil
}

// parser keeps the first error; after it, what the methods return is not used.
type parser struct {
	err      error
	warnings []error
}

func (p *parser) warn(at Pos, format string, args ...any) {
	p.warnings = append(p.warnings, at.Errorf(format, args...))
}

func (p *parser) fail(at Pos, format string, args ...any) {
	if p.err == nil {
		p.err = at.Errorf(format, args...)
	}
}

// defName is what the specification allows. The reference takes every name.
var defName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9]*$`)

// maxDefName keeps names, and the Go names that are made of them, within reason.
const maxDefName = 128

func (p *parser) document(file string, root *node) *Document {
	if !root.object {
		p.fail(root.pos, "not an object")
		return nil
	}
	d := &Document{File: file}
	id := p.str(root, "id")
	if p.err == nil && id == "" {
		p.fail(root.pos, "id is missing")
	}
	nsid, err := syntax.ParseNSID(id)
	if err != nil {
		p.fail(root.pos, "id: %w", err)
	}
	d.ID = nsid
	if v := p.integer(root, "lexicon"); p.err == nil && (v == nil || *v != 1) {
		p.fail(root.pos, "lexicon is not 1")
	}
	d.Description = p.str(root, "description")
	defs := root.get("defs")
	switch {
	case defs == nil || !defs.object:
		p.fail(root.pos, "defs is missing or not an object")
		return nil
	case len(defs.members) == 0:
		p.warn(defs.pos, "is empty: nothing comes of it")
	}
	if p.err != nil {
		return nil
	}
	for i := range defs.members {
		name, n := defs.members[i].key, &defs.members[i].value
		// What is wrong with one definition is not the others' affair.
		own := &parser{}
		switch {
		case name == "" || len(name) > maxDefName || strings.ContainsFunc(name, func(r rune) bool {
			return r == '#' || !unicode.IsPrint(r) // no reference can have the first, and no message the others
		}):
			own.fail(n.pos, "%q is not a name of a definition", name)
		case !defName.MatchString(name):
			own.warn(n.pos, "%q: names of definitions are letters and digits", name)
		}
		t := own.definition(n, name == "main")
		if own.err != nil {
			d.Faults = append(d.Faults, Fault{Name: name, Err: own.err})
			continue
		}
		p.warnings = append(p.warnings, own.warnings...)
		d.Defs = append(d.Defs, Def{Name: name, Type: t})
	}
	return d
}

// definition reads an entry of defs: what may be named there, and what only as main.
func (p *parser) definition(n *node, main bool) Type {
	switch kind := p.kind(n); kind {
	case "record", "query", "procedure", "subscription", "permission-set":
		if !main {
			p.fail(n.pos, "a %s must be the main definition", kind)
			return nil
		}
		return p.primary(n, kind)
	case "token":
		return &Token{p.base(n)}
	case "unknown", "ref", "union", "params", "permission":
		p.fail(n.pos, "%s cannot be a definition", kind)
		return nil
	}
	return p.data(n)
}

func (p *parser) primary(n *node, kind string) Type {
	switch kind {
	case "record":
		r := &Record{Base: p.base(n), Key: p.str(n, "key")}
		if n.get("key") == nil {
			p.fail(n.pos, "key is missing: it is tid, nsid, any or literal:…")
		}
		if k := r.Key; k != "tid" && k != "nsid" && k != "any" && !strings.HasPrefix(k, "literal:") {
			p.fail(n.pos, "key %q is not tid, nsid, any or literal:…", k)
		}
		obj := n.get("record")
		if obj == nil || !obj.object {
			p.fail(n.pos, "record is missing or not an object")
			return r
		}
		if t, ok := p.data(obj).(*Object); ok {
			r.Object = t
		} else {
			p.fail(obj.pos, "must be an object schema")
		}
		return r
	case "subscription":
		s := &Subscription{Base: p.base(n), Parameters: p.params(n), Errors: p.errors(n), Subprotocol: p.str(n, "subprotocol")}
		if m := n.get("message"); m != nil {
			if schema := m.get("schema"); schema != nil {
				s.Message = p.data(schema)
			}
		}
		return s
	case "permission-set":
		return &PermissionSet{Base: p.base(n), Title: p.str(n, "title"), Detail: p.str(n, "detail"), Permissions: permissions(n), NSIDs: permitted(n)}
	}
	m := &Method{Base: p.base(n), Procedure: kind == "procedure", Parameters: p.params(n), Output: p.body(n, "output"), Errors: p.errors(n)}
	if m.Procedure {
		m.Input = p.body(n, "input")
	} else if in := n.get("input"); in != nil {
		p.warn(in.pos, "a query has no input; it is passed over")
	}
	return m
}

// permissions are those of a set: whatever they consist of, for they are no types of data.
func permissions(n *node) []string {
	list := n.get("permissions")
	if list == nil {
		return nil
	}
	items, _ := list.value.([]node)
	var out []string
	for i := range items {
		var words []string
		for j := range items[i].members {
			if m := &items[i].members[j]; m.key != "type" {
				words = append(words, m.key+"="+m.value.line())
			}
		}
		slices.Sort(words)
		out = append(out, strings.Join(words, " "))
	}
	return out
}

// permitted are the methods and collections that the permissions of a set name.
func permitted(n *node) []string {
	list := n.get("permissions")
	if list == nil {
		return nil
	}
	items, _ := list.value.([]node)
	var out []string
	for i := range items {
		var names *node
		switch resource := items[i].get("resource"); {
		case resource == nil:
		case resource.value == any("rpc"):
			names = items[i].get("lxm")
		case resource.value == any("repo"):
			names = items[i].get("collection")
		}
		if names == nil {
			continue
		}
		values, _ := names.value.([]node)
		for j := range values {
			if name, ok := values[j].value.(string); ok {
				out = append(out, name)
			}
		}
	}
	return out
}

// line is a value in one line. Arrays are sets here.
func (n *node) line() string {
	if n.object {
		var words []string
		for i := range n.members {
			words = append(words, n.members[i].key+"="+n.members[i].value.line())
		}
		slices.Sort(words)
		return "{" + strings.Join(words, " ") + "}"
	}
	items, ok := n.value.([]node)
	if !ok {
		if s, ok := n.value.(string); ok {
			return strconv.QuoteToASCII(s)
		}
		return fmt.Sprint(n.value)
	}
	var words []string
	for i := range items {
		words = append(words, items[i].line())
	}
	slices.Sort(words)
	return "[" + strings.Join(words, " ") + "]"
}

func (p *parser) params(n *node) *Params {
	c := n.get("parameters")
	if c == nil {
		return nil
	}
	if kind := p.kind(c); kind != "params" {
		p.fail(c.pos, "type is %q, not params", kind)
	}
	out := &Params{Base: p.base(c), Properties: p.properties(c, "it cannot be sent")}
	for i := range out.Properties {
		prop := &out.Properties[i]
		t := prop.Type
		if a, ok := t.(*Array); ok {
			t = a.Items
		}
		switch t.(type) {
		case *Boolean, *Integer, *String:
		case nil: // has failed already
		default:
			p.fail(prop.Type.At(), "a parameter is a boolean, integer, string or an array of these")
		}
		if prop.Nullable {
			p.warn(prop.Type.At(), "a parameter cannot be null; that it is nullable is passed over")
			prop.Nullable = false
		}
	}
	return out
}

func (p *parser) body(n *node, key string) *Body {
	c := n.get(key)
	if c == nil {
		return nil
	}
	if !c.object {
		p.fail(c.pos, "not an object")
		return nil
	}
	b := &Body{Base: p.base(c), Encoding: p.str(c, "encoding")}
	if c.get("encoding") != nil && b.Encoding == "" {
		p.warn(c.pos, "encoding is empty; the body is a stream of bytes of any type")
		b.Encoding = "*/*"
	}
	if b.Encoding == "" || strings.ContainsAny(b.Encoding, "; \t\r\n") {
		p.fail(c.pos, "encoding %q is not one MIME type without parameters", b.Encoding)
	}
	if s := c.get("schema"); s != nil {
		b.Schema = p.data(s)
		switch b.Schema.(type) {
		case *Object, *Ref, *Union, nil:
		default:
			p.fail(s.pos, "must be an object, ref or union")
		}
	}
	return b
}

func (p *parser) errors(n *node) []Error {
	c := n.get("errors")
	if c == nil {
		return nil
	}
	items, ok := c.value.([]node)
	if !ok {
		p.fail(c.pos, "not an array")
	}
	var out []Error
	for i := range items {
		e := Error{Name: p.str(&items[i], "name"), Description: p.str(&items[i], "description")}
		switch {
		case e.Name == "":
			p.fail(items[i].pos, "name %q is not an error's name", e.Name)
		case strings.ContainsAny(e.Name, " \t\r\n"):
			p.warn(items[i].pos, "name %q: names of errors have no spaces", e.Name)
		}
		if slices.ContainsFunc(out, func(o Error) bool { return o.Name == e.Name }) {
			p.warn(items[i].pos, "error %q appears twice", e.Name)
			continue
		}
		out = append(out, e)
	}
	return out
}

// data reads a schema of data.
func (p *parser) data(n *node) Type {
	b := p.base(n)
	switch kind := p.kind(n); kind {
	case "boolean":
		return &Boolean{Base: b, Default: p.boolean(n, "default"), Const: p.boolean(n, "const")}
	case "integer":
		t := &Integer{Base: b, Default: p.integer(n, "default"), Const: p.integer(n, "const"), Minimum: p.integer(n, "minimum"), Maximum: p.integer(n, "maximum")}
		if c := n.get("enum"); c != nil {
			items, ok := c.value.([]node)
			if !ok {
				p.fail(c.pos, "not an array")
			}
			for i := range items {
				v := p.integerOf(&items[i])
				switch {
				case v == nil:
				case slices.Contains(t.Enum, *v):
					p.warn(items[i].pos, "%d appears twice", *v)
				default:
					t.Enum = append(t.Enum, *v)
				}
			}
		}
		return t
	case "string":
		return &String{
			Base: b, Format: p.str(n, "format"), Default: p.optional(n, "default"), Const: p.optional(n, "const"),
			Enum: p.strings(n, "enum"), KnownValues: p.strings(n, "knownValues"),
			MinLength: p.size(n, "minLength"), MaxLength: p.size(n, "maxLength"),
			MinGraphemes: p.size(n, "minGraphemes"), MaxGraphemes: p.size(n, "maxGraphemes"),
		}
	case "bytes":
		return &Bytes{Base: b, MinLength: p.size(n, "minLength"), MaxLength: p.size(n, "maxLength")}
	case "cid-link":
		return &CIDLink{b}
	case "blob":
		return &Blob{Base: b, Accept: p.strings(n, "accept"), MaxSize: p.size(n, "maxSize")}
	case "unknown":
		return &Unknown{b}
	case "array":
		items := n.get("items")
		if items == nil {
			p.fail(n.pos, "items is missing")
			return nil
		}
		return &Array{Base: b, Items: p.data(items), MinLength: p.size(n, "minLength"), MaxLength: p.size(n, "maxLength")}
	case "object":
		return &Object{Base: b, Properties: p.properties(n, "its value is kept in Extra")}
	case "ref":
		r := p.str(n, "ref")
		if r == "" {
			p.fail(n.pos, "ref is missing")
		}
		return &Ref{Base: b, Ref: r}
	case "union":
		u := &Union{Base: b, Refs: p.strings(n, "refs")}
		if c := n.get("refs"); c == nil {
			p.fail(n.pos, "refs is missing")
		}
		if v := p.boolean(n, "closed"); v != nil {
			u.Closed = *v
		}
		if u.Closed && len(u.Refs) == 0 {
			p.warn(n.pos, "a closed union without members has no value; it is read as an open one")
			u.Closed = false
		}
		return u
	default:
		p.fail(n.pos, "type %q is not known here", kind)
		return nil
	}
}

// properties reads those of an object or of parameters. kept says where the value of one is that gets no field.
func (p *parser) properties(n *node, kept string) []Property {
	required, nullable := p.strings(n, "required"), p.strings(n, "nullable")
	props := n.get("properties")
	var out []Property
	var dropped []string
	if props != nil {
		if !props.object {
			p.fail(props.pos, "not an object")
		}
		for i := range props.members {
			name, c := props.members[i].key, &props.members[i].value
			if name == "" {
				p.warn(c.pos, "a property without a name has no field; %s", kept)
				dropped = append(dropped, name)
				continue
			}
			if strings.HasPrefix(name, "$") {
				p.warn(c.pos, "names that begin with $ belong to the protocol: the property has no field, and %s", kept)
				dropped = append(dropped, name)
				continue
			}
			out = append(out, Property{Name: name, Type: p.data(c), Required: slices.Contains(required, name), Nullable: slices.Contains(nullable, name)})
		}
	}
	for _, list := range []struct {
		is    string
		names []string
	}{{"required", required}, {"nullable", nullable}} {
		for _, name := range list.names {
			if !slices.Contains(dropped, name) && !slices.ContainsFunc(out, func(p Property) bool { return p.Name == name }) {
				p.fail(n.pos, "%q is %s, and there is no such property", name, list.is)
			}
		}
	}
	return out
}

func (p *parser) kind(n *node) string {
	if !n.object {
		p.fail(n.pos, "not an object")
		return ""
	}
	kind := p.str(n, "type")
	if kind == "" {
		p.fail(n.pos, "type is missing")
	}
	return kind
}

func (p *parser) base(n *node) Base { return Base{Pos: n.pos, Description: p.str(n, "description")} }

func (p *parser) str(n *node, key string) string {
	if s := p.optional(n, key); s != nil {
		return *s
	}
	return ""
}

func (p *parser) optional(n *node, key string) *string {
	c := n.get(key)
	if c == nil {
		return nil
	}
	s, ok := c.value.(string)
	if !ok {
		p.fail(c.pos, "not a string")
	}
	return &s
}

func (p *parser) strings(n *node, key string) []string {
	c := n.get(key)
	if c == nil {
		return nil
	}
	items, ok := c.value.([]node)
	if !ok {
		p.fail(c.pos, "not an array")
	}
	var out []string
	for i := range items {
		s, ok := items[i].value.(string)
		if !ok {
			p.fail(items[i].pos, "not a string")
		}
		if slices.Contains(out, s) {
			p.warn(items[i].pos, "%q appears twice", s)
			continue
		}
		out = append(out, s)
	}
	return out
}

func (p *parser) boolean(n *node, key string) *bool {
	c := n.get(key)
	if c == nil {
		return nil
	}
	v, ok := c.value.(bool)
	if !ok {
		p.fail(c.pos, "not a boolean")
	}
	return &v
}

func (p *parser) integer(n *node, key string) *int64 {
	c := n.get(key)
	if c == nil {
		return nil
	}
	return p.integerOf(c)
}

func (p *parser) integerOf(n *node) *int64 {
	num, ok := n.value.(json.Number)
	if !ok {
		p.fail(n.pos, "not an integer")
		return nil
	}
	v, err := num.Int64()
	if f, floatErr := num.Float64(); err != nil && floatErr == nil && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return new(int64(f)) // 3.0 and 3e2 are integers, too
	}
	if err != nil {
		p.fail(n.pos, "%s is not a 64-bit integer", num)
		return nil
	}
	return &v
}

// size reads a length limit.
func (p *parser) size(n *node, key string) *int64 {
	v := p.integer(n, key)
	if v != nil && *v < 0 {
		p.warn(n.pos, "%s is negative; it is not checked", key)
		return nil
	}
	return v
}
