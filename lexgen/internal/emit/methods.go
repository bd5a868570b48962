package emit

import (
	"github.com/dave/jennifer/jen"
	"github.com/gimucco/atproto-go/lexgen/internal/plan"
)

// endpoints emits the methods as values, for those who serve them. They are funcs, because nobody can change those.
func (e *emitter) endpoints(f *jen.File) {
	for _, m := range e.pkg.Endpoints {
		comment(f, m.EndpointDoc)
		handle := e.handlerType(m)
		endpoint := jen.Qual(xrpcPath, "Endpoint").Index(handle.Clone())
		f.Func().Id(m.Endpoint).Params().Add(endpoint).Block(jen.Return(endpoint.Clone().CustomFunc(jen.Options{Open: "{", Close: "}", Separator: ",", Multi: true}, func(g *jen.Group) {
			g.Id("Method").Op(":").Add(e.method(m))
			if len(m.Errors) > 0 {
				g.Id("Errors").Op(":").Index().Qual(xrpcPath, "ErrorName").ValuesFunc(func(g *jen.Group) {
					for _, name := range m.Errors {
						g.Id(name)
					}
				})
			}
			g.Id("Bind").Op(":").Func().Params(jen.Id("handle").Add(handle)).Qual(xrpcPath, "Answer").Block(
				jen.Return(jen.Func().Params(jen.Id("ctx").Qual("context", "Context"), jen.Id("call").Qual(xrpcPath, "Incoming")).Error().BlockFunc(func(g *jen.Group) {
					e.answer(g, m)
				})),
			)
		})))
		f.Line()
	}
}

// handlerType is the type of the func that serves a method.
func (e *emitter) handlerType(m *plan.Method) *jen.Statement {
	context := jen.Qual("context", "Context")
	args := []jen.Code{context}
	if m.Params != nil {
		args = append(args, jen.Op("*").Id(m.Params.Name))
	}
	switch {
	case m.Input != nil:
		args = append(args, jen.Op("*").Add(e.goType(m.Input)))
	case m.InputEncoding != "":
		args = append(args, jen.Op("*").Qual(xrpcPath, "Body"))
	case m.Message != nil:
		args = append(args, e.sendType(m))
	}
	f := jen.Func().Params(args...)
	switch {
	case m.Output != nil:
		return f.Params(jen.Op("*").Add(e.goType(m.Output)), jen.Error())
	case m.OutEncoding != "":
		return f.Params(jen.Op("*").Qual(xrpcPath, "Body"), jen.Error())
	}
	return f.Error()
}

// sendType is the type of the func that sends a message.
func (e *emitter) sendType(m *plan.Method) *jen.Statement {
	return jen.Func().Params(jen.Op("*").Add(e.goType(m.Message))).Error()
}

// answer emits how a call is answered by handle.
func (e *emitter) answer(g *jen.Group, m *plan.Method) {
	args := []jen.Code{jen.Id("ctx")}
	read := func(name, method string, t *jen.Statement) {
		g.Var().Id(name).Add(t)
		g.If(jen.Err().Op(":=").Id("call").Dot(method).Call(jen.Op("&").Id(name)), jen.Err().Op("!=").Nil()).Block(jen.Return(jen.Err()))
		args = append(args, jen.Op("&").Id(name))
	}
	if m.Params != nil {
		read("params", "Params", jen.Id(m.Params.Name))
	}
	switch {
	case m.Input != nil:
		read("input", "Input", e.goType(m.Input))
	case m.InputEncoding != "":
		g.List(jen.Id("body"), jen.Err()).Op(":=").Id("call").Dot("Body").Call()
		g.If(jen.Err().Op("!=").Nil()).Block(jen.Return(jen.Err()))
		args = append(args, jen.Id("body"))
	}
	call := jen.Id("handle").Call(args...)
	switch {
	case m.Message != nil:
		send := jen.Func().Params(jen.Id("message").Op("*").Add(e.goType(m.Message))).Error().Block(
			jen.Return(jen.Id("send").Call(jen.Id("message"), jen.Id("message").Dot("Value"))))
		g.Return(jen.Id("call").Dot("Stream").Call(jen.Id("ctx"), jen.Func().Params(
			jen.Id("ctx").Qual("context", "Context"),
			jen.Id("send").Func().Params(jen.Qual(lexPath, "Encodable"), jen.Qual(lexPath, "Typed")).Error(),
		).Error().Block(jen.Return(jen.Id("handle").Call(append(args, send)...)))))
	case m.Output != nil:
		g.List(jen.Id("output"), jen.Err()).Op(":=").Add(call)
		g.Return(jen.Qual(xrpcPath, "Reply").Call(jen.Id("call"), jen.Id("output"), jen.Err()))
	case m.OutEncoding != "":
		g.List(jen.Id("output"), jen.Err()).Op(":=").Add(call)
		g.Return(jen.Qual(xrpcPath, "ReplyBody").Call(jen.Id("call"), jen.Id("output"), jen.Err()))
	default:
		g.Return(call)
	}
}
