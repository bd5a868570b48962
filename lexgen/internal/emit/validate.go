package emit

import (
	"slices"
	"strconv"

	"github.com/dave/jennifer/jen"
	"github.com/gimucco/atproto-go/lexgen/internal/plan"
)

func (e *emitter) validateStruct(f *jen.File, s *plan.Struct) {
	e.validateMethod(f, "s", s.Name, func(g *jen.Group) {
		for i := range s.Fields {
			e.validateField(g, jen.Id("s"), &s.Fields[i])
		}
		g.Id("v").Dot("Extra").Call(jen.Op("&").Id("s").Dot("Extra"))
	})
}

func (e *emitter) validateParams(f *jen.File, p *plan.Params) {
	e.validateMethod(f, "p", p.Name, func(g *jen.Group) {
		if !slices.ContainsFunc(p.Fields, func(f plan.Field) bool { return e.checked(f.Type) }) {
			return
		}
		g.If(jen.Id("p").Op("==").Nil()).Block(jen.Id("p").Op("=").New(jen.Id(p.Name)))
		for i := range p.Fields {
			e.validateField(g, jen.Id("p"), &p.Fields[i])
		}
	})
}

func (e *emitter) validateUnion(f *jen.File, u *plan.Union) {
	e.validateMethod(f, "u", u.Name, func(g *jen.Group) {
		g.Switch(jen.Id("u").Dot("Value").Assert(jen.Type())).Block(
			jen.Case(e.members(u, ",")).Block(jen.Id("v").Dot("Variant").Call(jen.Id("u").Dot("Value"))),
			jen.Default().Block(jen.Id("v").Dot("NotAMember").Call(jen.Id("u").Dot("Value"))),
		)
	})
}

func (e *emitter) validateMethod(f *jen.File, recv, name string, body func(*jen.Group)) {
	f.Comment("// ValidateLex implements lex.Validatable.")
	f.Func().Params(jen.Id(recv).Op("*").Id(name)).Id("ValidateLex").Params(jen.Id("v").Op("*").Qual(lexPath, "Validator")).BlockFunc(body)
	f.Line()
}

// validateField emits the checks of a field, under the condition that it is there.
func (e *emitter) validateField(g *jen.Group, owner *jen.Statement, f *plan.Field) {
	if !e.checked(f.Type) {
		return
	}
	at := owner.Clone().Dot(f.Go)
	field := jen.Id("v").Dot("Field").Call(jen.Lit(f.JSON))
	switch {
	case f.Presence == plan.Required:
		e.check(g, field, f.Type, at, false)
	case f.Presence == plan.OptionalNullable:
		g.If(jen.List(jen.Id("x"), jen.Id("ok")).Op(":=").Add(at).Dot("Get").Call(), jen.Id("ok")).BlockFunc(func(g *jen.Group) {
			e.check(g, field, f.Type, jen.Id("x"), false)
		})
	default:
		g.If(present(f, at)).BlockFunc(func(g *jen.Group) { e.check(g, field, f.Type, at, f.Form == plan.Pointer) })
	}
}

// checked says whether there is something to check of a type beyond itself.
func (e *emitter) checked(t *plan.Type) bool {
	l := &t.Limits
	switch t.Kind {
	case plan.Boolean:
		return l.Boolean != nil
	case plan.Integer:
		return true
	case plan.String:
		return t.Format.Name != "" || l.MinLength != nil || l.MaxLength != nil || l.MinGraphemes != nil || l.MaxGraphemes != nil || len(l.Values) > 0
	case plan.Bytes:
		return l.MinLength != nil || l.MaxLength != nil
	case plan.Array:
		return l.MinLength != nil || l.MaxLength != nil || e.checked(t.Elem)
	}
	return true
}

// check emits the checks of the value at v, or of what it points at. field is the
// validator, at the field.
func (e *emitter) check(g *jen.Group, field *jen.Statement, t *plan.Type, v *jen.Statement, ptr bool) {
	l := &t.Limits
	value := v.Clone()
	if ptr {
		value = jen.Op("*").Add(v.Clone())
	}
	chain := field.Clone()
	links := 0
	link := func(name string, args ...jen.Code) {
		chain = chain.Dot(name).Call(args...)
		links++
	}
	limit := func(name string, of *jen.Statement, n *int64) {
		if n != nil {
			link(name, of, jen.Op(literal(*n)))
		}
	}
	length := jen.Len(value.Clone())
	switch t.Kind {
	case plan.Boolean:
		link("Is", value, jen.Lit(*l.Boolean))
	case plan.Integer:
		if len(l.Integers) == 0 && (l.Minimum == nil || l.Maximum == nil) {
			link("Int", value)
		}
		limit("AtLeast", value, l.Minimum)
		limit("AtMost", value, l.Maximum)
		if len(l.Integers) > 0 {
			link("OneOfInts", append([]jen.Code{value}, literals(l.Integers)...)...)
		}
	case plan.String:
		text := value
		if t.Go.Name != "" {
			text = jen.String().Call(value)
		}
		switch {
		case t.Format == t.Go && t.Go.Name != "":
			link("Format", value)
		case t.Format.Name != "":
			link("Format", e.name(t.Format).Call(value)) // a type with constants does not check itself
		}
		limit("MinBytes", text, l.MinLength)
		limit("MaxBytes", text, l.MaxLength)
		limit("MinGraphemes", text, l.MinGraphemes)
		limit("MaxGraphemes", text, l.MaxGraphemes)
		if len(l.Values) > 0 {
			args := []jen.Code{text}
			for _, v := range l.Values {
				args = append(args, jen.Lit(v))
			}
			link("OneOf", args...)
		}
	case plan.Bytes:
		limit("MinLen", length, l.MinLength)
		limit("MaxLen", length, l.MaxLength)
	case plan.CIDLink:
		link("CIDLink", value)
	case plan.Blob:
		at := v.Clone()
		if !ptr {
			at = jen.Op("&").Add(v.Clone())
		}
		size := int64(-1)
		if l.MaxSize != nil {
			size = *l.MaxSize
		}
		args := []jen.Code{at, jen.Op(literal(size))}
		for _, a := range l.Accept {
			args = append(args, jen.Lit(a))
		}
		link("Blob", args...)
	case plan.Unknown:
		link("Unknown", value)
	case plan.Object, plan.UnionOf:
		at := v.Clone()
		if !ptr {
			at = jen.Op("&").Add(v.Clone())
		}
		link("Value", at)
	case plan.Array:
		limit("MinLen", length, l.MinLength)
		limit("MaxLen", length, l.MaxLength)
		if e.checked(t.Elem) {
			if k := t.Elem.Kind; k == plan.Object || k == plan.UnionOf {
				g.Qual(lexPath, "ValidateSlice").Call(chain, value)
				return
			}
			g.Qual(lexPath, "ValidateArray").Call(chain, value, jen.Func().Params(jen.Id("v").Op("*").Qual(lexPath, "Validator"), jen.Id("e").Add(e.goType(t.Elem))).BlockFunc(func(g *jen.Group) {
				e.check(g, jen.Id("v"), t.Elem, jen.Id("e"), false)
			}))
			return
		}
	}
	if links > 0 {
		g.Add(chain)
	}
}

func literal(n int64) string { return strconv.FormatInt(n, 10) }

func literals(list []int64) []jen.Code {
	var out []jen.Code
	for _, n := range list {
		out = append(out, jen.Op(literal(n)))
	}
	return out
}
