package emit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dave/jennifer/jen"
	"github.com/gimucco/atproto-go/lexgen/internal/plan"
)

// bits gives each field its bit of the words that note what was read: required
// fields come first, so that their bits can be compared at once.
type bits struct {
	fields   []*plan.Field
	required int
}

func bitsOf(s *plan.Struct) bits {
	var b bits
	for _, want := range []bool{true, false} {
		for i := range s.Fields {
			if s.Fields[i].MayBeLeftOut() != want {
				b.fields = append(b.fields, &s.Fields[i])
			}
		}
		if want {
			b.required = len(b.fields)
		}
	}
	return b
}

// seen is the variable of the bit's word.
func seen(bit int) string {
	if bit < 64 {
		return "seen"
	}
	return fmt.Sprintf("seen%d", bit/64+1)
}

func shift(bit int) *jen.Statement { return jen.Lit(1).Op("<<").Lit(bit % 64) }

func (e *emitter) decodeStruct(g *jen.Group, s *plan.Struct) {
	// What a value held before must not show through what the document leaves out.
	g.Op("*").Id("s").Op("=").Id(s.Name).ValuesFunc(func(g *jen.Group) {
		for i := range s.Fields {
			if f := &s.Fields[i]; f.Default != "" && (f.Form == plan.Pointer || f.Default != "false" && f.Default != "0" && f.Default != `""`) {
				g.Id(f.Go).Op(":").Add(e.byDefault(f))
			}
		}
	})
	b := bitsOf(s)
	n := len(b.fields)
	if s.Record {
		n++ // $type has the last bit
	}
	if n > 0 {
		g.Var().ListFunc(func(g *jen.Group) {
			for bit := 0; bit < n; bit += 64 {
				g.Id(seen(bit))
			}
		}).Uint64()
	}
	once := func(bit int) *jen.Statement {
		return jen.Id("d").Dot("Once").Call(jen.Op("&").Id(seen(bit)), shift(bit))
	}
	extra := jen.Id("d").Dot("Extra").Call(jen.Op("&").Id("s").Dot("Extra"), jen.Id("key"))
	loop := g.For(jen.Id("key").Op(":=").Range().Id("d").Dot("Object"))
	if n == 0 {
		loop.Block(extra)
	} else {
		loop.Block(jen.Switch(jen.String().Call(jen.Id("key"))).BlockFunc(func(g *jen.Group) {
			if s.Record {
				g.Case(jen.Lit("$type")).Block(once(n-1), jen.Id("d").Dot("Record").Call(jen.Lit(s.LexType)))
			}
			for i := range s.Fields {
				f := &s.Fields[i]
				bit := slices.Index(b.fields, f)
				g.Case(jen.Lit(f.JSON)).BlockFunc(func(g *jen.Group) { e.decodeField(g, f, bit, once) })
			}
			g.Default().Block(extra)
		}))
	}
	for from := 0; from < b.required; from += 64 {
		to := min(from+64, b.required)
		format := "%#b"
		if to-from > 8 {
			format = "%#x"
		}
		mask := jen.Op(fmt.Sprintf(format, ^uint64(0)>>(64-(to-from))))
		g.If(jen.Id(seen(from)).Op("&").Add(mask).Op("!=").Add(mask.Clone())).Block(
			jen.Id("d").Dot("Missing").CallFunc(func(g *jen.Group) {
				g.Id(seen(from))
				for _, f := range b.fields[from:to] {
					g.Lit(f.JSON)
				}
			}))
	}
	g.Return(jen.Id("d").Dot("End").Call(jen.Op("&").Id("s").Dot("Extra")))
}

// byDefault is what a field holds that was left out.
func (e *emitter) byDefault(f *plan.Field) *jen.Statement {
	if f.Form != plan.Pointer {
		return jen.Op(f.Default)
	}
	return jen.New(e.goType(f.Type).Call(jen.Op(f.Default)))
}

func (e *emitter) decodeField(g *jen.Group, f *plan.Field, bit int, once func(int) *jen.Statement) {
	at := jen.Id("s").Dot(f.Go)
	value := func() *jen.Statement {
		switch f.Type.Kind {
		case plan.Object, plan.UnionOf:
			return jen.Id("d").Dot("Value").Call(jen.Op("&").Add(at.Clone()))
		}
		return at.Clone().Op("=").Add(e.read(f.Type))
	}
	if f.Presence == plan.Required {
		g.Add(once(bit))
		g.Add(value())
		return
	}
	if f.Presence == plan.OptionalNullable {
		g.Add(once(bit))
		g.Add(at).Op("=").Qual(lexPath, "DecodeNullable").Call(jen.Id("d"), e.reader(f.Type))
		return
	}
	null := f.Presence == plan.RequiredNullable
	if name, ok := map[plan.Kind]string{plan.Boolean: "OptionalBool", plan.Integer: "OptionalInt", plan.String: "OptionalString"}[f.Type.Kind]; ok && !null {
		v := jen.Id("d").Dot(name).Call()
		if f.Type.Kind == plan.String && f.Type.Go.Name != "" {
			v = jen.Parens(jen.Op("*").Add(e.name(f.Type.Go))).Call(v)
		}
		g.Add(once(bit))
		g.Add(at).Op("=").Add(v)
		return
	}
	method := "Optional"
	if null {
		method = "Nullable"
	}
	there := g.If(jen.Id("d").Dot(method).Call(jen.Op("&").Id(seen(bit)), shift(bit))).BlockFunc(func(g *jen.Group) {
		switch {
		case f.Type.Kind == plan.Object:
			g.Add(at).Op("=").Qual(lexPath, "DecodePointer").Index(e.goType(f.Type)).Call(jen.Id("d"))
		case f.Form == plan.Pointer:
			g.Add(at).Op("=").New(e.read(f.Type))
		default:
			g.Add(value())
		}
	})
	if f.Default != "" {
		there.Else().Block(at.Clone().Op("=").Nil()) // what is null was not left out
	}
}

// read is an expression that reads a value from d.
func (e *emitter) read(t *plan.Type) *jen.Statement {
	d := jen.Id("d")
	switch t.Kind {
	case plan.Object, plan.UnionOf:
		return jen.Op("*").Qual(lexPath, "DecodePointer").Index(e.goType(t)).Call(d)
	case plan.Array:
		switch t.Elem.Kind {
		case plan.Object, plan.UnionOf:
			return jen.Qual(lexPath, "DecodeSlice").Index(e.goType(t.Elem)).Call(d)
		case plan.String:
			return jen.Qual(lexPath, "DecodeStrings").Index(e.goType(t.Elem)).Call(d)
		}
		return jen.Qual(lexPath, "DecodeArray").Call(d, e.reader(t.Elem))
	}
	v := d.Dot(scalars[t.Kind]).Call()
	if t.Kind == plan.String && t.Go.Name != "" {
		return e.name(t.Go).Call(v)
	}
	return v
}

// reader is a func(*lex.Decoder) T.
func (e *emitter) reader(t *plan.Type) *jen.Statement {
	if name, ok := scalars[t.Kind]; ok {
		if t.Kind == plan.String && t.Go.Name != "" {
			return jen.Qual(lexPath, "StringOf").Index(e.goType(t))
		}
		return jen.Parens(jen.Op("*").Qual(lexPath, "Decoder")).Dot(name)
	}
	return jen.Func().Params(jen.Id("d").Op("*").Qual(lexPath, "Decoder")).Add(e.goType(t)).Block(jen.Return(e.read(t)))
}

func (e *emitter) encodeStruct(g *jen.Group, s *plan.Struct) {
	if s.Record {
		g.Id("e").Dot("BeginRecord").Call(jen.Lit(s.LexType))
	} else {
		g.Id("e").Dot("BeginObject").Call()
	}
	for _, f := range inOrder(s) {
		e.encodeField(g, f)
	}
	g.Return(jen.Id("e").Dot("EndObject").Call(jen.Op("&").Id("s").Dot("Extra")))
}

// inOrder returns the fields in the order of DAG-CBOR, by the length of their keys and then by bytes: what is written in
// it need not be sorted each time.
func inOrder(s *plan.Struct) []*plan.Field {
	fields := make([]*plan.Field, len(s.Fields))
	for i := range s.Fields {
		fields[i] = &s.Fields[i]
	}
	slices.SortFunc(fields, func(a, b *plan.Field) int {
		return cmp.Or(len(a.JSON)-len(b.JSON), strings.Compare(a.JSON, b.JSON))
	})
	return fields
}

func (e *emitter) encodeField(g *jen.Group, f *plan.Field) {
	at := jen.Id("s").Dot(f.Go)
	method := "Field"
	if strings.ContainsFunc(f.JSON, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		method = "Key" // which quotes what needs it
	}
	key := jen.Id("e").Dot(method).Call(jen.Lit(f.JSON))
	switch f.Presence {
	case plan.Required:
		g.Add(e.write(key, f.Type, at, false))
	case plan.Optional:
		g.If(present(f, at)).Block(e.write(key, f.Type, at, f.Form == plan.Pointer))
	case plan.RequiredNullable:
		g.If(present(f, at)).Block(e.write(key, f.Type, at, f.Form == plan.Pointer)).Else().Block(key.Clone().Dot("Null").Call())
	case plan.OptionalNullable:
		g.If(jen.Op("!").Add(at.Clone()).Dot("IsAbsent").Call()).Block(
			jen.Qual(lexPath, "EncodeNullable").Call(key, at, e.writer(f.Type)))
	}
}

// present is the condition that a field is there.
func present(f *plan.Field, at *jen.Statement) *jen.Statement {
	switch f.Type.Kind {
	case plan.UnionOf:
		return at.Clone().Dot("Value").Op("!=").Nil()
	case plan.Unknown:
		return jen.Op("!").Add(at.Clone()).Dot("IsZero").Call()
	}
	return at.Clone().Op("!=").Nil()
}

// write is a statement that writes the value at v, or what it points at, to to.
func (e *emitter) write(to *jen.Statement, t *plan.Type, v *jen.Statement, ptr bool) *jen.Statement {
	to, v = to.Clone(), v.Clone()
	switch t.Kind {
	case plan.Object, plan.UnionOf:
		if !ptr {
			v = jen.Op("&").Add(v)
		}
		return to.Dot("Value").Call(v)
	case plan.Array:
		switch t.Elem.Kind {
		case plan.Object, plan.UnionOf:
			return jen.Qual(lexPath, "EncodeSlice").Call(to, v)
		case plan.String:
			return jen.Qual(lexPath, "EncodeStrings").Call(to, v)
		}
		return jen.Qual(lexPath, "EncodeArray").Call(to, v, e.writer(t.Elem))
	}
	if ptr {
		v = jen.Op("*").Add(v)
	}
	if t.Kind == plan.String && t.Go.Name != "" {
		v = jen.String().Call(v)
	}
	return to.Dot(scalars[t.Kind]).Call(v)
}

// writer is a func(*lex.Encoder, T).
func (e *emitter) writer(t *plan.Type) *jen.Statement {
	if name, ok := scalars[t.Kind]; ok {
		if t.Kind == plan.String && t.Go.Name != "" {
			return jen.Qual(lexPath, "PutString").Index(e.goType(t))
		}
		return jen.Parens(jen.Op("*").Qual(lexPath, "Encoder")).Dot(name)
	}
	return jen.Func().Params(jen.Id("e").Op("*").Qual(lexPath, "Encoder"), jen.Id("v").Add(e.goType(t))).Block(e.write(jen.Id("e"), t, jen.Id("v"), false))
}
