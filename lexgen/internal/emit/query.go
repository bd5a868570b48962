package emit

import (
	"github.com/dave/jennifer/jen"
	"github.com/gimucco/atproto-go/lexgen/internal/plan"
)

// decodeQuery emits how those who serve a method read its parameters.
func (e *emitter) decodeQuery(f *jen.File, p *plan.Params) {
	f.Comment("// DecodeQuery reads the parameters from the query of a call: see xrpc.QueryDecoder.")
	f.Func().Params(jen.Id("p").Op("*").Id(p.Name)).Id("DecodeQuery").Params(jen.Id("values").Qual("net/url", "Values")).Error().BlockFunc(func(g *jen.Group) {
		g.Id("q").Op(":=").Qual(xrpcPath, "NewQueryDecoder").Call(jen.Id("values"))
		g.Op("*").Id("p").Op("=").Id(p.Name).CustomFunc(jen.Options{Open: "{", Close: "}", Separator: ",", Multi: true}, func(g *jen.Group) {
			for i := range p.Fields {
				g.Id(p.Fields[i].Go).Op(":").Add(e.readParam(&p.Fields[i]))
			}
		})
		for i := range p.Fields {
			if field := &p.Fields[i]; field.Type.Kind == plan.Array && field.Presence == plan.Required {
				g.Id("q").Dot("Need").Call(jen.Lit(field.JSON))
			}
		}
		g.Return(jen.Id("q").Dot("End").Call(jen.Id("p")))
	})
	f.Line()
}

// readParam is an expression that reads a parameter from q.
func (e *emitter) readParam(f *plan.Field) *jen.Statement {
	q, name := jen.Id("q"), jen.Lit(f.JSON)
	if f.Type.Kind == plan.Array {
		switch f.Type.Elem.Kind {
		case plan.Integer:
			return q.Dot("Ints").Call(name)
		case plan.Boolean:
			return q.Dot("Bools").Call(name)
		}
		return jen.Qual(xrpcPath, "QueryStrings").Index(e.goType(f.Type.Elem)).Call(q, name)
	}
	named := f.Type.Kind == plan.String && f.Type.Go.Name != ""
	if f.Form != plan.Pointer {
		v := q.Dot(scalars[f.Type.Kind]).Call(name)
		if named {
			return e.name(f.Type.Go).Call(v)
		}
		return v
	}
	v := q.Dot("Optional" + scalars[f.Type.Kind]).Call(name)
	if named {
		v = jen.Parens(jen.Op("*").Add(e.name(f.Type.Go))).Call(v)
	}
	if f.Default != "" {
		return jen.Qual(xrpcPath, "QueryDefault").Call(v, jen.Op(f.Default))
	}
	return v
}
