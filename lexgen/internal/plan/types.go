package plan

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gimucco/atproto-go/lexgen/internal/resolve"
	"github.com/gimucco/atproto-go/lexgen/internal/schema"
)

// fields plans the properties of an object. owner is the name of the struct, prefix
// what synthesised types begin with.
func (b *builder) fields(pl *place, in resolve.ID, props []schema.Property, owner, prefix string) []Field {
	scope := newScope("type " + owner)
	scope.reserve("the field of unknown properties", "Extra")
	scope.reserve("a method of all generated types", "DecodeLex", "EncodeLex", "MarshalJSON", "UnmarshalJSON", "LexType", "LexKey", "ValidateLex")
	var out []Field
	for _, p := range props {
		at := p.Type.At()
		f := Field{JSON: p.Name, Go: b.rename(keyOf(at), camel(p.Name))}
		scope.take(f.Go, at.String(), keyOf(at), f.Go)
		f.Presence = presence(p)
		f.Type = b.typeOf(pl, in, p.Type, fieldOf(owner, f.Go, prefix+f.Go))
		f.Form = formOf(f.Type, f.Presence)
		if pl != nil && f.Type.BlobLimits() != nil {
			f.Limits = b.rename(keyOf(at)+"(limits)", owner+f.Go+"Limits")
			f.LimitsDoc = Doc{f.Limits + " returns what the lexicon says of the blobs in the field " + f.Go + " of [" + owner + "], for xrpc.WithBlobLimits."}
			pl.take(f.Limits, at, "(limits)")
		}
		def := b.defaultOf(p.Type)
		if f.Presence == Required || f.Presence == RequiredNullable {
			f.Default = def
		}
		if pl != nil {
			f.Doc = b.fieldDoc(pl, p.Type, &f)
			switch {
			case f.Default != "":
				f.Doc = f.Doc.with("Default: " + clean(def) + ", if a server leaves it out.")
			case def != "":
				f.Doc = f.Doc.with("Default: " + clean(def) + ".")
			}
		}
		out = append(out, f)
	}
	b.clashes(scope)
	return out
}

func presence(p schema.Property) Presence {
	switch {
	case p.Required && p.Nullable:
		return RequiredNullable
	case p.Nullable:
		return OptionalNullable
	case p.Required:
		return Required
	}
	return Optional
}

// defaultOf is the Go literal of the default of a schema, or of what it refers to; "" if there is none.
func (b *builder) defaultOf(t schema.Type) string {
	switch t := t.(type) {
	case *schema.Ref:
		if _, def, err := b.set.Ref(t.Pos, t.Ref); err == nil {
			if _, again := def.Type.(*schema.Ref); !again {
				return b.defaultOf(def.Type)
			}
		}
	case *schema.Boolean:
		if t.Default != nil {
			return strconv.FormatBool(*t.Default)
		}
	case *schema.Integer:
		if t.Default != nil {
			return strconv.FormatInt(*t.Default, 10)
		}
	case *schema.String:
		if t.Default != nil {
			return strconv.Quote(*t.Default)
		}
	}
	return ""
}

// A spot is where a schema stands: it gives the types that are declared for it their names and comments.
type spot struct {
	name string // what such a type is called
	of   string // "the field Embed of [FeedPost]"
	item bool   // the schema is that of an array's elements
}

// fieldOf is the spot of a field.
func fieldOf(owner, field, name string) spot {
	return spot{name: name, of: "the field " + field + " of [" + owner + "]"}
}

// is says what a value of the spot is.
func (s spot) is() string {
	if s.item {
		return "an item of " + s.of
	}
	return s.of
}

// typeOf plans the type of a schema and declares the types it needs, in pl; without
// a place it only names them, which is how the elements of another package's array
// are found.
func (b *builder) typeOf(pl *place, in resolve.ID, t schema.Type, at spot) *Type {
	path := ""
	if pc, _ := b.cfg.packageOf(t.At().NSID); pc != nil {
		path = pc.Path
	}
	typeName := func(suffix string) Name {
		if pc, _ := b.cfg.packageOf(t.At().NSID); pc != nil {
			if name, ok := b.external(pc, keyOf(t.At())+"(type)"); ok {
				return Name{Path: path, Name: name}
			}
		}
		return Name{Path: path, Name: b.rename(keyOf(t.At())+"(type)", at.name+suffix)}
	}
	declare := func(n Name) bool {
		if pl == nil {
			return false
		}
		pl.take(n.Name, t.At(), "(type)")
		return true
	}
	switch t := t.(type) {
	case *schema.Boolean:
		return &Type{Kind: Boolean, Limits: Limits{Boolean: t.Const}}
	case *schema.Integer:
		limits := Limits{Minimum: t.Minimum, Maximum: t.Maximum, Integers: t.Enum}
		if t.Const != nil {
			limits.Integers = []int64{*t.Const}
		}
		return &Type{Kind: Integer, Limits: limits}
	case *schema.Bytes:
		return &Type{Kind: Bytes, Limits: Limits{MinLength: t.MinLength, MaxLength: t.MaxLength}}
	case *schema.CIDLink:
		return &Type{Kind: CIDLink}
	case *schema.Blob:
		return &Type{Kind: Blob, Limits: Limits{Accept: t.Accept, MaxSize: t.MaxSize}}
	case *schema.Unknown:
		return &Type{Kind: Unknown}
	case *schema.Missing:
		return anyType()
	case *schema.String:
		if len(t.Enum) > 0 {
			n := typeName("")
			if declare(n) {
				s := stringsOf(b.constants(pl, t, n.Name), "["+n.Name+"]", true)
				s.Name, s.Doc = n.Name, Doc{n.Name + " is " + at.is() + ", one of the constants below."}
				pl.add(s)
			}
			return &Type{Kind: String, Go: n, Format: b.format(t), Limits: limitsOf(t), Listed: ListsAll}
		}
		format := b.format(t)
		out := &Type{Kind: String, Go: format, Format: format, Limits: limitsOf(t)}
		if len(t.KnownValues) > 0 && pl != nil {
			values := b.constants(pl, t, at.name)
			for _, v := range values {
				out.Known = append(out.Known, v.Name)
			}
			pl.add(stringsOf(values, at.of, false))
		}
		return out
	case *schema.Array:
		return &Type{Kind: Array, Elem: b.typeOf(pl, in, t.Items, spot{at.name, at.of, true}), Limits: Limits{MinLength: t.MinLength, MaxLength: t.MaxLength}}
	case *schema.Object:
		suffix := ""
		description := ""
		if at.item {
			suffix, description = "Item", t.Description // otherwise it is the field's
		}
		n := typeName(suffix)
		if declare(n) {
			s := &Struct{Name: n.Name, Doc: docOf(n.Name+" is "+at.is(), description)}
			pl.add(s)
			s.Fields = b.fields(pl, in, t.Properties, n.Name, n.Name)
		}
		return &Type{Kind: Object, Go: n}
	case *schema.Union:
		n := typeName("Union")
		if declare(n) {
			u := b.union(pl, n.Name, t, at.is())
			if at.item {
				u.Doc = append(u.Doc, docOf("", t.Description)...)
			}
			u.Doc = append(u.Doc, absentUnion)
			pl.take(u.New, t.Pos, "(new)")
			pl.add(u)
			return &Type{Kind: UnionOf, Go: n, Union: u}
		}
		return &Type{Kind: UnionOf, Go: n}
	case *schema.Ref:
		target, def, err := b.set.Ref(t.Pos, t.Ref)
		if err != nil {
			b.fail(err)
			return &Type{Kind: Unknown}
		}
		return b.named(target, def)
	}
	b.fail(t.At().Errorf("this type is not supported here"))
	return &Type{Kind: Unknown}
}

// anyType is the type of what is kept as it is sent.
func anyType() *Type {
	return &Type{Kind: Object, Go: Name{Path: "github.com/gimucco/atproto-go/xrpc/lex", Name: "Any"}}
}

func limitsOf(t *schema.String) Limits {
	values := t.Enum
	if t.Const != nil {
		values = []string{*t.Const}
	}
	return Limits{MinLength: t.MinLength, MaxLength: t.MaxLength, MinGraphemes: t.MinGraphemes, MaxGraphemes: t.MaxGraphemes, Values: values}
}

// named is the type of a definition that is referred to.
func (b *builder) named(id resolve.ID, def *schema.Def) *Type {
	n := b.goName(id)
	switch t := def.Type.(type) {
	case *schema.Object, *schema.Record:
		return &Type{Kind: Object, Go: n}
	case *schema.Token:
		return &Type{Kind: String, Limits: Limits{Values: []string{id.String()}}}
	case *schema.String:
		format := b.format(t)
		if len(t.Enum) == 0 && len(t.KnownValues) == 0 && format.Name != "" {
			format = n // the name stands for the format's own type
		}
		out := &Type{Kind: String, Go: n, Format: format, Limits: limitsOf(t)}
		switch {
		case len(t.Enum) > 0:
			out.Listed = ListsAll
		case len(t.KnownValues) > 0:
			out.Listed = ListsSome
		}
		return out
	default:
		out := b.typeOf(nil, id, t, spot{name: n.Name})
		out.Go = n
		return out
	}
}

// maxTerms is how many types a constraint may list. One of them is that of unknown members.
const maxTerms = 100

// absentUnion ends the comment of every union.
const absentUnion = "The zero value is absent."

// framedUnion says where the type of a message is.
const framedUnion = "In a stream the frame of a message says its type; elsewhere its $type does."

// maxListed is how many members a sentence lists; more stand in lines of their own.
const maxListed = 6

// union plans a union, which is what its comment begins with.
func (b *builder) union(pl *place, name string, t *schema.Union, is string) *Union {
	u := &Union{Name: name, Closed: t.Closed, Holds: Doc{"A pointer to a member, a *lex.UnknownVariant, or nil."}}
	for _, ref := range t.Refs {
		id, _, err := b.set.Ref(t.Pos, ref)
		if err != nil {
			b.fail(err)
			continue
		}
		u.Members = append(u.Members, Member{LexType: id.String(), Go: b.goName(id)})
	}
	kind := "an open"
	if t.Closed {
		kind = "a closed"
		u.Holds = Doc{"A pointer to a member, or nil."}
	}
	lead := name + " is " + is + ", " + kind + " union"
	switch names := b.links(pl, u); {
	case len(names) == 0:
		u.Doc = Doc{lead + " that names no member yet."}
	case len(names) >= maxTerms:
		u.Doc = Doc{lead + " of " + number(int64(len(names))) + " objects."} // the package need not import theirs
	case len(names) <= maxListed:
		u.Doc = Doc{lead + " of " + list(names, "and") + "."}
	default:
		u.Doc = Doc{lead + " of:"}
		for _, n := range names {
			u.Doc = append(u.Doc, "- "+n)
		}
	}
	u.New = b.rename(keyOf(t.Pos)+"(new)", "New"+name)
	u.NewDoc = Doc{u.New + " returns the union of a member."}
	if len(u.Members) >= maxTerms {
		u.AnyType = true
		u.NewDoc = Doc{u.New + " returns the union of a member. There are more than the compiler can check; lex.Validate does."}
	}
	return u
}

// links are the members of a union, as comments name them.
func (b *builder) links(pl *place, u *Union) []string {
	var out []string
	for _, m := range u.Members {
		out = append(out, b.link(pl, m.Go))
	}
	return out
}

func list(names []string, last string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " " + last + " " + names[len(names)-1]
}

// params plans the parameters of a method, which is how comments name it.
func (b *builder) params(pl *place, in resolve.ID, p *schema.Params, name, method string) *Params {
	pl.take(name, p.Pos, "")
	out := &Params{Name: name, Doc: Doc{name + " are the parameters of " + method + "."}}
	pl.add(out)
	scope := newScope("type " + name)
	scope.reserve("a method of all parameters", "EncodeQuery", "DecodeQuery", "ValidateLex")
	for _, prop := range p.Properties {
		at := prop.Type.At()
		f := Field{JSON: prop.Name, Go: b.rename(keyOf(at), camel(prop.Name)), Presence: presence(prop), Default: b.defaultOf(prop.Type)}
		if f.Default != "" && f.Presence == Required {
			// The default is sent then, so that the server has the parameter in any case.
			b.warn(at, "a required parameter has a default; it may be left out")
			f.Presence = Optional
		}
		scope.take(f.Go, at.String(), keyOf(at), f.Go)
		f.Type = b.typeOf(pl, in, prop.Type, fieldOf(name, f.Go, name+f.Go))
		f.Form = formOf(f.Type, f.Presence)
		f.Doc = b.fieldDoc(pl, prop.Type, &f)
		if f.Default != "" {
			f.Doc = f.Doc.with("Default, sent if nil: " + clean(f.Default) + ".")
		}
		if f.Type.Kind == Array && f.Type.Elem.Kind == Array {
			b.fail(at.Errorf("a parameter cannot be an array of arrays"))
		}
		out.Fields = append(out.Fields, f)
	}
	b.clashes(scope)
	return out
}

// method plans a query or a procedure.
func (b *builder) method(pl *place, t *schema.Method, id resolve.ID) {
	base := b.goName(id).Name
	last := len(pl.segments) - 1
	m := &Method{
		Name: b.rename(keyOf(t.Pos)+"(method)", camel(pl.segments[last])),
		NSID: string(id.NSID), Query: !t.Procedure, Direct: b.cfg.direct(id.NSID),
	}
	names := b.receiver(pl, m, t.Pos)
	pl.add(m)
	b.endpoint(pl, m, t.Pos, base)
	if t.Parameters != nil && len(t.Parameters.Properties) > 0 {
		m.Params = b.params(pl, id, t.Parameters, b.rename(keyOf(t.Parameters.Pos), base+"Params"), m.link())
	}
	m.InputEncoding, m.Input = b.body(pl, id, t.Input, base+"Input", "the input of "+m.link())
	m.OutEncoding, m.Output = b.body(pl, id, t.Output, base+"Output", "the output of "+m.link())
	m.Errors = b.declare(pl, id, m.link(), t.Errors)
	m.Doc = docOf(m.Name+" calls "+string(id.NSID), t.Description)
	if m.Input == nil && m.InputEncoding != "" {
		m.Doc = m.Doc.with("The body is " + ofType(m.InputEncoding) + ".")
	}
	if m.Output == nil && m.OutEncoding != "" {
		m.Doc = m.Doc.with("The output is " + ofType(m.OutEncoding) + "; close it.")
	}
	m.Doc = m.Doc.withErrors(m.Errors)
	if m.Pager = b.pager(pl, m, t); m.Pager == nil {
		return
	}
	for _, name := range []string{m.Pager.Pages, m.Pager.All} {
		if name != "" {
			names.take(name, t.Pos.String(), keyOf(t.Pos)+"(method)", m.Name)
		}
	}
}

// declare notes the errors that a method declares and returns their Go names. Comments name the method as method says.
func (b *builder) declare(pl *place, id resolve.ID, method string, errors []schema.Error) []string {
	var names []string
	for _, e := range errors {
		d := pl.pkg.errors[e.Name]
		if d == nil {
			d = &declared{name: e.Name}
			pl.pkg.errors[e.Name] = d
		}
		if len(d.by) == 0 {
			d.description = e.Description
		} else if d.description != e.Description {
			d.description = "" // methods mean different things by it
		}
		d.by = append(d.by, declaring{string(id.NSID), method})
		names = append(names, b.rename("error "+e.Name, "Err"+camel(e.Name)))
	}
	return names
}

// subprotocols are those that the runtime reads (proposal 0015).
var subprotocols = []string{"", "xrpc.v0.cbor", "xrpc.v1.cbor", "xrpc.v1.json"}

// subscription plans a subscription, its parameters and messages. One without messages has no method.
func (b *builder) subscription(pl *place, t *schema.Subscription, id resolve.ID) {
	base := b.goName(id).Name
	m := &Method{
		Name: b.rename(keyOf(t.Pos)+"(method)", camel(pl.segments[len(pl.segments)-1])),
		NSID: string(id.NSID), Direct: b.cfg.direct(id.NSID), Subprotocol: t.Subprotocol,
	}
	message, ok := t.Message.(*schema.Union)
	method := string(id.NSID)
	if ok {
		b.receiver(pl, m, t.Pos)
		method = m.link()
		pl.add(m)
		b.endpoint(pl, m, t.Pos, base)
	}
	names := b.declare(pl, id, method, t.Errors)
	if t.Parameters != nil && len(t.Parameters.Properties) > 0 {
		m.Params = b.params(pl, id, t.Parameters, b.rename(keyOf(t.Parameters.Pos), base+"Params"), method)
		m.Cursor = cursorOf(t.Parameters)
	}
	if !slices.Contains(subprotocols, t.Subprotocol) {
		b.warn(t.Pos, "the subprotocol %q is not known; reading the subscription fails", t.Subprotocol)
	}
	if !ok {
		return
	}
	suffix := "Message"
	if slices.ContainsFunc(pl.doc.Defs, func(d schema.Def) bool { return camel(d.Name) == suffix }) {
		suffix = "MessageUnion" // the definition has the name
	}
	name := b.rename(keyOf(message.Pos)+"(type)", base+suffix)
	pl.take(name, message.Pos, "(type)")
	u := b.union(pl, name, message, "a message of "+method)
	pl.take(u.New, message.Pos, "(new)")
	u.Message = string(id.NSID)
	for i, ref := range message.Refs {
		if _, def, err := b.set.Ref(message.Pos, ref); err == nil {
			u.Members[i].Seq, u.Members[i].SeqMay = b.sequence(def)
		}
	}
	m.Message = &Type{Kind: UnionOf, Go: Name{Path: pl.pkg.Path, Name: name}}
	m.Errors = names
	m.Doc = docOf(m.Name+" subscribes to "+string(id.NSID), t.Description)
	m.Doc = m.Doc.withErrors(names)
	if d := docOf("", message.Description); d != nil {
		u.Doc = append(u.Doc, d...)
	}
	u.Doc = append(u.Doc, framedUnion, absentUnion)
	pl.add(u)
}

// cursorOf is the parameter that a subscription is resumed by.
func cursorOf(p *schema.Params) string {
	for _, prop := range p.Properties {
		if _, ok := prop.Type.(*schema.Integer); ok && prop.Name == "cursor" && !prop.Nullable {
			return prop.Name
		}
	}
	return ""
}

// sequence is the field of a message's sequence number, "" if it has none, and whether it may be absent.
func (b *builder) sequence(def *schema.Def) (field string, may bool) {
	object, ok := def.Type.(*schema.Object)
	if !ok {
		return "", false
	}
	for _, p := range object.Properties {
		if _, ok := p.Type.(*schema.Integer); ok && p.Name == "seq" && !p.Nullable {
			return b.rename(keyOf(p.Type.At()), camel(p.Name)), !p.Required
		}
	}
	return "", false
}

// receiver finds the service of a method, and the scope of its methods.
func (b *builder) receiver(pl *place, m *Method, at schema.Pos) *scope {
	p := pl.pkg
	if len(pl.segments) == 1 {
		m.Service = "Client"
		p.client.take(m.Name, at.String(), keyOf(at)+"(method)", m.Name)
		p.Methods = append(p.Methods, m)
		return p.client
	}
	nsid := m.NSID[:strings.LastIndex(m.NSID, ".")]
	g := p.groups[nsid]
	if g == nil {
		var field string
		for _, s := range pl.segments[:len(pl.segments)-1] {
			field += camel(s)
		}
		key := nsid + "(service)"
		field = b.rename(key, field)
		g = &group{Group: &Group{Field: field, Type: field + "Service", Doc: Doc{field + "Service calls the methods of " + nsid + "; it is the field " + field + " of [Client]."}, NSID: nsid}, scope: newScope("type " + field + "Service")}
		p.groups[nsid] = g
		p.client.take(field, "the service of "+nsid, key, field)
		p.scope.take(g.Type, "the service of "+nsid, key, field)
	}
	m.Service = g.Type
	g.Methods = append(g.Methods, m)
	g.scope.take(m.Name, at.String(), keyOf(at)+"(method)", m.Name)
	return g.scope
}

// encodings are those of bodies that are not JSON; others are bodies of bytes too,
// with a warning.
var encodings = []string{"*/*", "application/octet-stream", "application/vnd.ipld.car", "application/jsonl", "application/cbor", "text/plain"}

func (b *builder) body(pl *place, id resolve.ID, body *schema.Body, name, what string) (string, *Type) {
	if body == nil {
		return "", nil
	}
	name = b.rename(keyOf(body.Pos), name)
	if body.Encoding != "application/json" {
		if strings.Contains(body.Encoding, ",") { // a body has one type, and */* lets the caller say which
			b.warn(body.Pos, "encoding %q is a list; the body is a stream of bytes of any type", body.Encoding)
			return "*/*", nil
		}
		kind, _, _ := strings.Cut(body.Encoding, "/")
		if !slices.Contains(encodings, body.Encoding) && !slices.Contains([]string{"image", "video", "audio"}, kind) {
			b.warn(body.Pos, "encoding %q is not known; the body is a stream of bytes", body.Encoding)
		}
		return body.Encoding, nil
	}
	switch s := body.Schema.(type) {
	case nil:
		return body.Encoding, nil
	case *schema.Object:
		pl.take(name, body.Pos, "")
		st := &Struct{Name: name, Doc: docOf(name+" is "+what, cmpOr(s.Description, body.Description))}
		pl.add(st)
		st.Fields = b.fields(pl, id, s.Properties, name, name)
		return body.Encoding, &Type{Kind: Object, Go: Name{Path: pl.pkg.Path, Name: name}}
	default:
		t := b.typeOf(pl, id, s, spot{name: name, of: what})
		if t.Kind != Object && t.Kind != UnionOf {
			b.warn(body.Schema.At(), "a body that is neither an object nor a union is kept as it is sent")
			return body.Encoding, anyType()
		}
		return body.Encoding, t
	}
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// pager finds out whether a query goes on by a cursor, and over what.
func (b *builder) pager(pl *place, m *Method, t *schema.Method) *Pager {
	if !m.Query || m.Params == nil || m.Output == nil {
		return nil
	}
	cursor := func(props []schema.Property) bool {
		return slices.ContainsFunc(props, func(p schema.Property) bool {
			s, ok := p.Type.(*schema.String)
			return ok && p.Name == "cursor" && !p.Required && !p.Nullable && s.Format == "" && len(s.Enum) == 0
		})
	}
	out, ok := t.Output.Schema.(*schema.Object)
	if !ok || !cursor(t.Parameters.Properties) || !cursor(out.Properties) {
		return nil
	}
	p := &Pager{Pages: m.Name + "Pages"}
	p.PagesDoc = Doc{p.Pages + " calls " + m.link() + " page after page until there is no cursor. An error is final; a cursor that the server repeats is [paging.ErrRepeatedCursor]."}
	var required, optional []*Field
	for _, d := range pl.file.Decls {
		s, ok := d.(*Struct)
		if !ok || s.Name != m.Output.Go.Name {
			continue
		}
		for i := range s.Fields {
			f := &s.Fields[i]
			if f.Type.Kind != Array || f.Presence == OptionalNullable {
				continue
			}
			p.Lists = append(p.Lists, f.Go)
			switch f.Presence {
			case Required:
				required = append(required, f)
			case Optional:
				optional = append(optional, f)
			}
		}
	}
	// What is added later is optional and stands at the end: it takes nothing away. Which of two that are required is meant is
	// not ours to say.
	switch {
	case len(required) == 1:
		p.Items = required[0]
	case len(required) == 0 && len(optional) > 0:
		p.Items = optional[0]
	}
	if p.Items != nil {
		p.All = m.Name + "All"
		p.AllDoc = Doc{p.All + " is [" + m.Service + "." + p.Pages + "], " + strings.ToLower(strings.Join(words(p.Items.JSON), " ")) + " one by one."}
	}
	return p
}
