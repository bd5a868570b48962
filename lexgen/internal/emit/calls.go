package emit

import (
	"github.com/dave/jennifer/jen"
	"github.com/gimucco/atproto-go/lexgen/internal/plan"
)

func (e *emitter) paramsDecl(f *jen.File, p *plan.Params) {
	comment(f, p.Doc)
	f.Type().Id(p.Name).StructFunc(func(g *jen.Group) { e.structFields(g, p.Fields) })
	f.Line()
}

// paramsCodec emits what the runtime asks of parameters.
func (e *emitter) paramsCodec(f *jen.File, p *plan.Params) {
	f.Comment("// EncodeQuery implements xrpc.Params. A nil receiver has only the defaults.")
	f.Func().Params(jen.Id("p").Op("*").Id(p.Name)).Id("EncodeQuery").Params(jen.Id("q").Op("*").Qual(xrpcPath, "Query")).BlockFunc(func(g *jen.Group) {
		g.If(jen.Id("p").Op("==").Nil()).Block(jen.Id("p").Op("=").New(jen.Id(p.Name)))
		for i := range p.Fields {
			e.encodeParam(g, &p.Fields[i])
		}
	})
	f.Line()
	e.decodeQuery(f, p)
	e.validateParams(f, p)
}

func (e *emitter) encodeParam(g *jen.Group, f *plan.Field) {
	at := jen.Id("p").Dot(f.Go)
	q := jen.Id("q")
	if f.Type.Kind == plan.Array {
		switch f.Type.Elem.Kind {
		case plan.Integer:
			g.Add(q).Dot("Ints").Call(jen.Lit(f.JSON), at)
		case plan.Boolean:
			g.Add(q).Dot("Bools").Call(jen.Lit(f.JSON), at)
		default:
			g.Qual(xrpcPath, "AddStrings").Call(q, jen.Lit(f.JSON), at)
		}
		return
	}
	put := func(v *jen.Statement) *jen.Statement {
		return q.Clone().Dot(scalars[f.Type.Kind]).Call(jen.Lit(f.JSON), v)
	}
	value := at.Clone()
	if f.Form == plan.Pointer {
		value = jen.Op("*").Add(value)
	}
	if f.Type.Kind == plan.String && f.Type.Go.Name != "" {
		value = jen.String().Call(value)
	}
	if f.Presence == plan.Required {
		g.Add(put(value))
		return
	}
	s := g.If(at.Clone().Op("!=").Nil()).Block(put(value))
	if f.Default != "" {
		s.Else().Block(put(jen.Op(f.Default)))
	}
}

func (e *emitter) methodDecl(f *jen.File, m *plan.Method) {
	receiver := func() *jen.Statement {
		if m.Service == "Client" {
			return jen.Params(jen.Id("c").Op("*").Id("Client"))
		}
		return jen.Params(jen.Id("s").Id(m.Service))
	}
	self := "s"
	if m.Service == "Client" {
		self = "c"
	}
	rest := jen.Id("opts").Op("...").Qual(xrpcPath, "Option")
	args := func(g *jen.Group) {
		g.Id("ctx").Qual("context", "Context")
		if m.Params != nil {
			g.Id("params").Op("*").Id(m.Params.Name)
		}
		switch {
		case m.Input != nil:
			g.Id("input").Op("*").Add(e.goType(m.Input))
		case m.InputEncoding != "":
			g.Id("body").Op("*").Qual(xrpcPath, "Body")
		}
		g.Add(rest)
	}
	params, input := jen.Nil(), jen.Qual(xrpcPath, "Input").Values()
	if m.Params != nil {
		params = jen.Id("params")
	}
	switch {
	case m.Input != nil:
		input = jen.Qual(xrpcPath, "JSON").Call(jen.Id("input"))
	case m.InputEncoding != "":
		input = jen.Qual(xrpcPath, "Raw").Call(jen.Id("body"))
	}
	var result, call *jen.Statement
	if m.Message != nil {
		comment(f, m.Doc)
		f.Func().Add(receiver()).Id(m.Name).ParamsFunc(args).Op("*").Qual(xrpcPath, "Stream").Index(e.goType(m.Message)).Block(
			jen.Id("m").Op(":=").Add(e.method(m)),
			jen.Return(jen.Qual(xrpcPath, "Subscribe").Index(e.goType(m.Message)).Call(jen.Id("ctx"), jen.Id(self).Dot("caller"), jen.Id("m"), params, jen.Id("opts"))),
		)
		f.Line()
		return
	}
	switch {
	case m.Output != nil:
		result = jen.Params(jen.Op("*").Add(e.goType(m.Output)), jen.Error())
		call = jen.Qual(xrpcPath, "Call").Index(e.goType(m.Output))
	case m.OutEncoding != "":
		result = jen.Params(jen.Op("*").Qual(xrpcPath, "Download"), jen.Error())
		call = jen.Qual(xrpcPath, "Open")
	default:
		result = jen.Error()
		call = jen.Qual(xrpcPath, "Send")
	}
	comment(f, m.Doc)
	f.Func().Add(receiver()).Id(m.Name).ParamsFunc(args).Add(result).Block(
		jen.Id("m").Op(":=").Add(e.method(m)),
		jen.Return(call.Call(jen.Id("ctx"), jen.Id(self).Dot("caller"), jen.Id("m"), params, input, jen.Id("opts"))),
	)
	f.Line()
	if m.Pager != nil {
		e.pager(f, m, receiver, self)
	}
}

func (e *emitter) method(m *plan.Method) *jen.Statement {
	return jen.Qual(xrpcPath, "Method").ValuesFunc(func(g *jen.Group) {
		g.Id("NSID").Op(":").Lit(m.NSID)
		kind := "KindProcedure"
		switch {
		case m.Query:
			kind = "KindQuery"
		case m.Message != nil:
			kind = "KindSubscription"
		}
		g.Id("Kind").Op(":").Qual(xrpcPath, kind)
		if m.InputEncoding != "" {
			g.Id("Input").Op(":").Lit(m.InputEncoding)
		}
		if m.OutEncoding != "" {
			g.Id("Output").Op(":").Lit(m.OutEncoding)
		}
		if m.Direct {
			g.Id("Direct").Op(":").True()
		}
		if m.Cursor != "" {
			g.Id("Cursor").Op(":").Lit(m.Cursor)
		}
		if m.Subprotocol != "" {
			g.Id("Subprotocol").Op(":").Lit(m.Subprotocol)
		}
	})
}

// pager emits the sequences over a query that has a cursor.
func (e *emitter) pager(f *jen.File, m *plan.Method, receiver func() *jen.Statement, self string) {
	p, page := m.Pager, e.goType(m.Output)
	args := func() *jen.Statement {
		return jen.Params(jen.Id("ctx").Qual("context", "Context"), jen.Id("params").Op("*").Id(m.Params.Name), jen.Id("opts").Op("...").Qual(xrpcPath, "Option"))
	}
	seq := func(t *jen.Statement) *jen.Statement { return jen.Qual("iter", "Seq2").Types(t, jen.Error()) }
	fetched := jen.Params(jen.Op("*").Add(page.Clone()), jen.Op("*").String(), jen.Error())
	comment(f, p.PagesDoc)
	f.Func().Add(receiver()).Id(p.Pages).Add(args()).Add(seq(jen.Op("*").Add(page.Clone()))).Block(
		jen.Return(jen.Qual(pagingPath, "Pages").Call(jen.Func().Params(jen.Id("cursor").Op("*").String()).Add(fetched).Block(
			jen.Var().Id("next").Id(m.Params.Name),
			jen.If(jen.Id("params").Op("!=").Nil()).Block(jen.Id("next").Op("=").Op("*").Id("params")),
			jen.If(jen.Id("cursor").Op("!=").Nil()).Block(jen.Id("next").Dot("Cursor").Op("=").Id("cursor")),
			jen.List(jen.Id("page"), jen.Err()).Op(":=").Id(self).Dot(m.Name).Call(jen.Id("ctx"), jen.Op("&").Id("next"), jen.Id("opts").Op("...")),
			jen.If(jen.Err().Op("!=").Nil()).Block(jen.Return(jen.Nil(), jen.Nil(), jen.Err())),
			jen.Return(jen.Id("page"), jen.Id("page").Dot("Cursor"), jen.Nil()),
		), emptyPage(p, page))),
	)
	f.Line()
	if p.All == "" {
		return
	}
	elem := e.goType(p.Items.Type.Elem)
	result, over := jen.Op("*").Add(elem.Clone()), "All"
	if k := p.Items.Type.Elem.Kind; k != plan.Object && k != plan.UnionOf {
		result, over = elem.Clone(), "Values"
	}
	comment(f, p.AllDoc)
	f.Func().Add(receiver()).Id(p.All).Add(args()).Add(seq(result)).Block(
		jen.Return(jen.Qual(pagingPath, over).Call(
			jen.Id(self).Dot(p.Pages).Call(jen.Id("ctx"), jen.Id("params"), jen.Id("opts").Op("...")),
			jen.Func().Params(jen.Id("page").Op("*").Add(page.Clone())).Add(e.goType(p.Items.Type)).Block(jen.Return(jen.Id("page").Dot(p.Items.Go))),
		)),
	)
	f.Line()
}

// emptyPage is a func that says whether no list of a page has anything in it; nil if there is no list.
func emptyPage(p *plan.Pager, page *jen.Statement) *jen.Statement {
	if len(p.Lists) == 0 {
		return jen.Nil()
	}
	empty := jen.Empty()
	for i, list := range p.Lists {
		if i > 0 {
			empty.Op("&&")
		}
		empty.Len(jen.Id("page").Dot(list)).Op("==").Lit(0)
	}
	return jen.Func().Params(jen.Id("page").Op("*").Add(page.Clone())).Bool().Block(jen.Return(empty))
}

func (e *emitter) client(f *jen.File) {
	own := len(e.pkg.Methods) > 0
	comment(f, e.pkg.Docs.Client)
	f.Type().Id("Client").StructFunc(func(g *jen.Group) {
		for _, s := range e.pkg.Groups {
			g.Id(s.Field).Id(s.Type).Comment(s.NSID)
		}
		if own {
			g.Line()
			g.Id("caller").Op("*").Qual(xrpcPath, "Caller")
		}
	})
	f.Line()
	comment(f, e.pkg.Docs.NewClient)
	f.Func().Id("NewClient").Params(jen.Id("doer").Qual(xrpcPath, "Doer"), jen.Id("opts").Op("...").Qual(xrpcPath, "Option")).Op("*").Id("Client").Block(
		jen.Id("caller").Op(":=").Qual(xrpcPath, "NewCaller").Call(jen.Id("doer"), jen.Id("opts").Op("...")),
		jen.Return(jen.Op("&").Id("Client").CustomFunc(jen.Options{Open: "{", Close: "}", Separator: ",", Multi: true}, func(g *jen.Group) {
			for _, s := range e.pkg.Groups {
				g.Id(s.Field).Op(":").Id(s.Type).Values(jen.Id("caller"))
			}
			if own {
				g.Id("caller").Op(":").Id("caller")
			}
		})),
	)
	f.Line()
	for _, s := range e.pkg.Groups {
		comment(f, s.Doc)
		f.Type().Id(s.Type).Struct(jen.Id("caller").Op("*").Qual(xrpcPath, "Caller"))
		f.Line()
	}
}

func (e *emitter) errors(f *jen.File) {
	comment(f, e.pkg.Docs.Errors)
	f.Const().DefsFunc(func(g *jen.Group) {
		for i, err := range e.pkg.Errors {
			if i > 0 {
				g.Line()
			}
			comment(g, err.Doc)
			g.Id(err.Name).Qual(xrpcPath, "ErrorName").Op("=").Lit(err.Value)
		}
	})
}

func (e *emitter) records(f *jen.File) {
	comment(f, e.pkg.Docs.Records)
	f.Func().Id("Records").Params(jen.Id("nsid").String()).Qual(lexPath, "Typed").BlockFunc(func(g *jen.Group) {
		if len(e.pkg.Records) > 0 {
			g.Switch(jen.Id("nsid")).BlockFunc(func(g *jen.Group) {
				for _, r := range e.pkg.Records {
					g.Case(jen.Id(r.Go + "NSID")).Block(jen.Return(jen.New(jen.Id(r.Go))))
				}
			})
		}
		g.Return(jen.Nil())
	})
}

func (e *emitter) packageDoc(f *jen.File) {
	doc := e.pkg.Docs
	for i, paragraph := range doc.Package {
		if i > 0 {
			f.PackageComment("//")
		}
		for _, line := range lines(plan.Doc{paragraph}) {
			f.PackageComment(line)
		}
		if i > 0 || len(doc.Example) == 0 {
			continue
		}
		f.PackageComment("//")
		for _, line := range doc.Example {
			f.PackageComment("//\t" + line)
		}
	}
}
