package emit

import (
	"strings"

	"github.com/dave/jennifer/jen"
	"github.com/gimucco/atproto-go/lexgen/internal/plan"
)

func (e *emitter) structDecl(f *jen.File, s *plan.Struct) {
	if s.NSID != "" {
		comment(f, s.NSIDDoc)
		f.Const().Id(s.NSID).Op("=").Lit(s.LexType)
		f.Line()
	}
	comment(f, s.Doc)
	f.Type().Id(s.Name).StructFunc(func(g *jen.Group) {
		e.structFields(g, s.Fields)
		if len(s.Fields) > 0 {
			g.Line()
		}
		g.Id("Extra").Qual(lexPath, "Extra").Comment("Fields that the lexicon does not have.")
	})
	f.Line()
	e.blobLimits(f, s)
}

// structCodec emits what the runtime asks of a struct.
func (e *emitter) structCodec(f *jen.File, s *plan.Struct) {
	recv := jen.Id("s").Op("*").Id(s.Name)
	if s.LexType != "" {
		f.Comment("// LexType implements lex.Typed.")
		f.Func().Params(jen.Op("*").Id(s.Name)).Id("LexType").Params().String().Block(jen.Return(jen.Lit(s.LexType)))
		f.Line()
	}
	if s.Key != "" {
		f.Comment("// LexKey returns the keys that the lexicon allows: tid, nsid, any or literal:….")
		f.Func().Params(jen.Op("*").Id(s.Name)).Id("LexKey").Params().String().Block(jen.Return(jen.Lit(s.Key)))
		f.Line()
	}
	f.Comment("// DecodeLex implements lex.Decodable.")
	f.Func().Params(recv.Clone()).Id("DecodeLex").Params(jen.Id("d").Op("*").Qual(lexPath, "Decoder")).Error().BlockFunc(func(g *jen.Group) { e.decodeStruct(g, s) })
	f.Line()
	f.Comment("// EncodeLex implements lex.Encodable.")
	f.Func().Params(recv.Clone()).Id("EncodeLex").Params(jen.Id("e").Op("*").Qual(lexPath, "Encoder")).Error().BlockFunc(func(g *jen.Group) { e.encodeStruct(g, s) })
	f.Line()
	e.validateStruct(f, s)
	e.jsonMethods(f, s.Name, "s")
}

// blobLimits emits what a schema says of the blobs of each field, for who uploads them.
func (e *emitter) blobLimits(f *jen.File, s *plan.Struct) {
	for i := range s.Fields {
		field := &s.Fields[i]
		if field.Limits == "" {
			continue
		}
		limits := field.Type.BlobLimits()
		comment(f, field.LimitsDoc)
		f.Func().Id(field.Limits).Params().Qual(lexPath, "BlobLimits").Block(jen.Return(jen.Qual(lexPath, "BlobLimits").ValuesFunc(func(g *jen.Group) {
			if limits.MaxSize != nil {
				g.Id("MaxSize").Op(":").Op(literal(*limits.MaxSize))
			}
			if len(limits.Accept) > 0 {
				g.Id("Accept").Op(":").Index().String().ValuesFunc(func(g *jen.Group) {
					for _, accept := range limits.Accept {
						g.Lit(accept)
					}
				})
			}
		})))
		f.Line()
	}
}

// jsonMethods emits what encoding/json looks for. MarshalJSON has a value receiver:
// with a pointer's, json.Marshal of a plain value would silently write Go's names.
func (e *emitter) jsonMethods(f *jen.File, name, recv string) {
	f.Comment("// MarshalJSON implements json.Marshaler.")
	f.Func().Params(jen.Id(recv).Id(name)).Id("MarshalJSON").Params().Params(jen.Index().Byte(), jen.Error()).Block(
		jen.Return(jen.Qual(lexPath, "MarshalJSON").Call(jen.Op("&").Id(recv))))
	f.Line()
	f.Comment("// UnmarshalJSON implements json.Unmarshaler.")
	f.Func().Params(jen.Id(recv).Op("*").Id(name)).Id("UnmarshalJSON").Params(jen.Id("b").Index().Byte()).Error().Block(
		jen.Return(jen.Qual(lexPath, "UnmarshalJSON").Call(jen.Id("b"), jen.Id(recv))))
	f.Line()
}

// structFields emits fields. One whose comment stands above it stands apart from its
// neighbours.
func (e *emitter) structFields(g *jen.Group, fields []plan.Field) {
	apart := false
	for i := range fields {
		f := &fields[i]
		doc := lines(f.Doc)
		// Tools look for what is deprecated above a field.
		above := len(doc) > 1 || len(doc) == 1 && (len(doc[0]) > 80 || strings.HasPrefix(f.Doc[0], "Deprecated: "))
		if i > 0 && (above || apart) {
			g.Line()
		}
		apart = above
		if above {
			comment(g, f.Doc)
		}
		field := g.Id(f.Go).Add(e.fieldType(f))
		if !above && len(doc) > 0 {
			field.Comment(doc[0])
		}
	}
}

func (e *emitter) unionDecl(f *jen.File, u *plan.Union) {
	comment(f, u.Doc)
	f.Type().Id(u.Name).Struct(jen.Id("Value").Qual(lexPath, "Typed").Comment("// " + strings.Join(u.Holds, " ")))
	f.Line()
	comment(f, u.NewDoc)
	made := jen.Return(jen.Id(u.Name).Values(jen.Id("Value").Op(":").Id("v")))
	if u.AnyType {
		f.Func().Id(u.New).Params(jen.Id("v").Qual(lexPath, "Typed")).Id(u.Name).Block(made)
		f.Line()
		return
	}
	f.Func().Id(u.New).Types(jen.Id(e.pkg.TypeParameter).Interface(
		e.members(u, "|"),
		jen.Qual(lexPath, "Typed"),
	)).Params(jen.Id("v").Id(e.pkg.TypeParameter)).Id(u.Name).Block(made)
	f.Line()
}

// members are the types that a union may hold, in lines of their own unless they are few.
func (e *emitter) members(u *plan.Union, separator string) *jen.Statement {
	var types []*jen.Statement
	length := 0
	for _, m := range u.Members {
		types = append(types, e.name(m.Go))
		length += len(" | *") + len(m.Go.Name)
	}
	if !u.Closed {
		types = append(types, jen.Qual(lexPath, "UnknownVariant"))
		length += len(" | *lex.UnknownVariant")
	}
	out := jen.Empty()
	for i, t := range types {
		if i > 0 {
			out.Op(separator)
			if length > width {
				out.Line()
			}
		}
		out.Op("*").Add(t)
	}
	return out
}

// unionCodec emits what the runtime asks of a union.
func (e *emitter) unionCodec(f *jen.File, u *plan.Union) {
	recv := jen.Id("u").Op("*").Id(u.Name)
	f.Comment("// DecodeLex implements lex.Decodable.")
	f.Func().Params(recv.Clone()).Id("DecodeLex").Params(jen.Id("d").Op("*").Qual(lexPath, "Decoder")).Error().Block(
		jen.Switch(jen.Id("d").Dot("Type").Call()).BlockFunc(func(g *jen.Group) {
			for _, m := range u.Members {
				g.Case(jen.Lit(m.LexType)).Block(jen.Id("u").Dot("Value").Op("=").Qual(lexPath, "DecodeVariant").Index(e.name(m.Go)).Call(jen.Id("d")))
			}
			if u.Closed {
				g.Default().Block(jen.Id("d").Dot("ClosedUnion").Call())
				return
			}
			g.Default().Block(jen.If(jen.Id("v").Op(":=").Id("d").Dot("UnknownVariant").Call(), jen.Id("v").Op("!=").Nil()).Block(
				jen.Id("u").Dot("Value").Op("=").Id("v")))
		}),
		jen.Return(jen.Id("d").Dot("Err").Call()),
	)
	f.Line()
	f.Comment("// EncodeLex implements lex.Encodable.")
	f.Func().Params(recv.Clone()).Id("EncodeLex").Params(jen.Id("e").Op("*").Qual(lexPath, "Encoder")).Error().Block(
		jen.Return(jen.Id("e").Dot("Variant").Call(jen.Id("u").Dot("Value"))))
	f.Line()
	e.validateUnion(f, u)
	e.jsonMethods(f, u.Name, "u")
	if u.Message != "" && u.IsSequenced() {
		e.sequence(f, u)
	}
}

// sequence emits where in its stream a message stands.
func (e *emitter) sequence(f *jen.File, u *plan.Union) {
	f.Comment("// Sequence implements xrpc.Sequenced.")
	f.Func().Params(jen.Id("u").Op("*").Id(u.Name)).Id("Sequence").Params().Params(jen.Id("seq").Int64(), jen.Id("ok").Bool()).Block(
		jen.Switch(jen.Id("v").Op(":=").Id("u").Dot("Value").Assert(jen.Type())).BlockFunc(func(g *jen.Group) {
			for _, m := range u.Members {
				at := jen.Id("v").Dot(m.Seq)
				switch {
				case m.Seq == "":
				case m.SeqMay:
					g.Case(jen.Op("*").Add(e.name(m.Go))).Block(jen.If(at.Clone().Op("!=").Nil()).Block(jen.Return(jen.Op("*").Add(at), jen.True())))
				default:
					g.Case(jen.Op("*").Add(e.name(m.Go))).Block(jen.Return(at, jen.True()))
				}
			}
		}),
		jen.Return(jen.Lit(0), jen.False()),
	)
	f.Line()
}

func (e *emitter) stringsDecl(f *jen.File, s *plan.Strings) {
	if s.Name != "" {
		comment(f, s.Doc)
		f.Type().Id(s.Name).String()
		f.Line()
	}
	if len(s.Values) == 0 {
		return
	}
	typed := func(v *jen.Statement) *jen.Statement {
		if s.Name != "" {
			return v.Id(s.Name)
		}
		return v
	}
	if len(s.Values) == 1 {
		v := s.Values[0]
		comment(f, v.Doc)
		f.Const().Add(typed(jen.Id(v.Name))).Op("=").Lit(v.Value)
		f.Line()
		return
	}
	comment(f, s.ValuesDoc)
	f.Const().DefsFunc(func(g *jen.Group) {
		for _, v := range s.Values {
			c := g.Add(typed(jen.Id(v.Name))).Op("=").Lit(v.Value)
			if len(v.Doc) > 0 {
				c.Comment("// " + strings.Join(v.Doc, " "))
			}
		}
	})
	f.Line()
}
