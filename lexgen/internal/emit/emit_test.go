package emit

import (
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/lexgen/internal/plan"
)

// printed is the code of a declaration in a package of its own, and behind it that of its codec.
func printed(t testing.TB, decls ...plan.Decl) (code string) {
	t.Helper()
	p := &plan.Package{Name: "comexample", Path: "x.test/comexample", TypeParameter: "T", Files: []*plan.File{{Name: "a.go", Codec: "a_codec.go", Decls: decls}}}
	files, err := Package(p, map[string]string{"x.test/other": "other"})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasPrefix(string(f.Code), Header+"\n") {
			t.Errorf("%s does not begin with the header", f.Name)
		}
		if f.Name != ManifestFile && !strings.Contains(string(f.Code), "\nconst _ = lex.GeneratedCodeV1") {
			t.Errorf("%s does not ask for its runtime", f.Name)
		}
		if f.Name == "a.go" || f.Name == "a_codec.go" {
			code += string(f.Code)
		}
	}
	if code == "" {
		t.Fatal("no a.go")
	}
	return code
}

func typeOf(k plan.Kind) *plan.Type { return &plan.Type{Kind: k} }

// The plan says what things are called, how Go holds them and what is said of them. What is printed is that and nothing
// else: names here are such that no rule could make them.
func TestEmitPrintsThePlan(t *testing.T) {
	text := typeOf(plan.String)
	other := plan.Name{Path: "x.test/other", Name: "Elsewhere"}
	method := func(change func(*plan.Method)) *plan.Method {
		m := &plan.Method{Name: "Ask", Doc: plan.Doc{"Ask asks."}, Service: "Counter", NSID: "com.example.ask", Query: true}
		change(m)
		return m
	}
	pager := &plan.Pager{
		Pages: "Leaves", PagesDoc: plan.Doc{"Leaves turns leaves."}, Lists: []string{"Things", "More"},
		All: "Each", AllDoc: plan.Doc{"Each takes each."}, Items: &plan.Field{Go: "Things", Type: &plan.Type{Kind: plan.Array, Elem: text}},
	}
	for name, tc := range map[string]struct {
		decl plan.Decl
		want []string
	}{
		"a field by its form": {&plan.Struct{Name: "S", Fields: []plan.Field{
			{JSON: "a", Go: "Odd", Type: text, Presence: plan.Required},
			{JSON: "b", Go: "B", Type: text, Presence: plan.Optional, Form: plan.Pointer},
			{JSON: "c", Go: "C", Type: text, Presence: plan.OptionalNullable, Form: plan.Nullable},
			{JSON: "d", Go: "D", Type: text, Presence: plan.RequiredNullable, Form: plan.Pointer},
			{JSON: "e", Go: "E", Type: &plan.Type{Kind: plan.Array, Elem: typeOf(plan.Blob)}, Presence: plan.Optional},
			{JSON: "f", Go: "F", Type: &plan.Type{Kind: plan.Object, Go: other}, Presence: plan.Optional, Form: plan.Pointer},
		}}, []string{"Odd string", "B   *string", "C   lex.Nullable[string]", "D   *string", "E   []lex.Blob", "F   *other.Elsewhere", `case "a":`, `d.Missing(seen, "a", "d")`, `e.Field("d").Null()`}},
		"P88 a default": {&plan.Struct{Name: "S", Fields: []plan.Field{{JSON: "a", Go: "A", Type: typeOf(plan.Integer), Default: "3"}}}, []string{"*s = S{A: 3}"}},
		"P88 a default of what may be null": {&plan.Struct{Name: "S", Fields: []plan.Field{
			{JSON: "a", Go: "A", Type: typeOf(plan.Boolean), Presence: plan.RequiredNullable, Form: plan.Pointer, Default: "false"},
			{JSON: "b", Go: "B", Type: &plan.Type{Kind: plan.String, Go: other}, Presence: plan.RequiredNullable, Form: plan.Pointer, Default: `"x"`},
		}}, []string{`*s = S{A: new(bool(false)), B: new(other.Elsewhere("x"))}`, "s.A = new(d.Bool())\n\t\t\t} else {\n\t\t\t\ts.A = nil"}},
		"a record": {&plan.Struct{Name: "S", Doc: plan.Doc{"S says."}, LexType: "com.example.s", Record: true, NSID: "Sname", NSIDDoc: plan.Doc{"Sname names."}, Key: "literal:self"}, []string{
			"// Sname names.\nconst Sname = \"com.example.s\"", "// S says.\ntype S struct", `e.BeginRecord("com.example.s")`, `LexKey() string {
	return "literal:self"`}},
		"limits of a blob": {&plan.Struct{Name: "S", Fields: []plan.Field{{JSON: "a", Go: "A", Type: &plan.Type{Kind: plan.Blob, Limits: plan.Limits{MaxSize: new(int64(5)), Accept: []string{"image/*"}}}, Limits: "Bounds", LimitsDoc: plan.Doc{"Bounds bind."}}}}, []string{
			"// Bounds bind.\nfunc Bounds() lex.BlobLimits", "MaxSize: 5", `Accept: []string{"image/*"}`, `v.Field("a").Blob(&s.A, 5, "image/*")`}},
		"a union": {&plan.Union{Name: "U", Doc: plan.Doc{"U unites."}, Holds: plan.Doc{"One thing."}, New: "Makes", NewDoc: plan.Doc{"Makes makes."}, Members: []plan.Member{{LexType: "com.example.m", Go: other}}}, []string{
			"// U unites.\ntype U struct {\n\tValue lex.Typed // One thing.\n}", "// Makes makes.\nfunc Makes[T interface {", "*other.Elsewhere | *lex.UnknownVariant", `case "com.example.m":`}},
		"a union of many stands in lines": {&plan.Union{Name: "U", New: "Makes", Doc: plan.Doc{"U is:", "- [other.Elsewhere]", "- [U], which is " + strings.Repeat("long ", 20), "And more."}, Members: []plan.Member{
			{LexType: "com.example.m", Go: other}, {LexType: "com.example.n", Go: plan.Name{Name: strings.Repeat("Long", 20)}}}}, []string{
			"\n\t*other.Elsewhere |\n\t\t*LongLong", "|\n\t\t*lex.UnknownVariant\n", "\tcase *other.Elsewhere,\n\t\t*Long",
			"// U is:\n//\n//   - [other.Elsewhere]\n//   - [U], which is long", "\n//     long", "long\n//\n// And more.\ntype U"}},
		"L10 what is deprecated is said above a field, where tools look": {&plan.Struct{Name: "S", Fields: []plan.Field{
			{JSON: "a", Go: "A", Type: text, Doc: plan.Doc{"Deprecated: no."}}, {JSON: "b", Go: "B", Type: text, Doc: plan.Doc{"Short."}}}}, []string{"\t// Deprecated: no.\n\tA string\n\n\tB string // Short."}},
		"a closed union":      {&plan.Union{Name: "U", New: "NewU", Closed: true, Members: []plan.Member{{LexType: "com.example.m", Go: other}}}, []string{"d.ClosedUnion()"}},
		"a union of too many": {&plan.Union{Name: "U", New: "Makes", AnyType: true, Members: []plan.Member{{LexType: "com.example.m", Go: other}}}, []string{"func Makes(v lex.Typed) U {", "func (u *U) DecodeLex"}},
		"messages":            {&plan.Union{Name: "U", New: "NewU", Message: "com.example.w", Members: []plan.Member{{LexType: "com.example.w#m", Go: plan.Name{Name: "M"}, Seq: "Num"}, {LexType: "com.example.w#n", Go: plan.Name{Name: "N"}, Seq: "Num", SeqMay: true}}}, []string{"return v.Num, true", "return *v.Num, true"}},
		"values":              {&plan.Strings{Name: "E", Doc: plan.Doc{"E is."}, ValuesDoc: plan.Doc{"They are."}, Values: []plan.Constant{{Name: "On", Value: "1"}, {Name: "Off", Value: "a\"b\n"}}}, []string{"// E is.\ntype E string", "// They are.\nconst (", `On  E = "1"`, `Off E = "a\"b\n"`}},
		"a constant":          {&plan.Strings{Values: []plan.Constant{{Name: "Tok", Value: "x", Doc: plan.Doc{"Tok is a token."}}}}, []string{"// Tok is a token.\nconst Tok = \"x\""}},
		"a named array":       {&plan.Alias{Name: "L", Type: &plan.Type{Kind: plan.Array, Elem: typeOf(plan.CIDLink), Go: plan.Name{Name: "L"}}}, []string{"type L = []lex.CIDLink"}},
		"parameters": {&plan.Params{Name: "P", Fields: []plan.Field{
			{JSON: "a", Go: "A", Type: typeOf(plan.Integer), Presence: plan.Optional, Form: plan.Pointer, Default: "50"},
			{JSON: "b", Go: "B", Type: &plan.Type{Kind: plan.Array, Elem: typeOf(plan.Boolean)}, Presence: plan.Optional},
			{JSON: "c", Go: "C", Type: text, Presence: plan.Required},
		}}, []string{`q.Int("a", *p.A)`, `q.Int("a", 50)`, `q.Bools("b", p.B)`, `q.String("c", p.C)`}},
		"a query without anything": {method(func(m *plan.Method) {}), []string{"// Ask asks.\nfunc (s Counter) Ask(ctx context.Context, opts ...xrpc.Option) error", "Kind: xrpc.KindQuery"}},
		"a method of the client":   {method(func(m *plan.Method) { m.Service, m.Query = "Client", false }), []string{"func (c *Client) Ask(", "c.caller", "xrpc.KindProcedure"}},
		"bytes in and out":         {method(func(m *plan.Method) { m.InputEncoding, m.OutEncoding = "*/*", "image/png" }), []string{"body *xrpc.Body, opts", "(*xrpc.Download, error)", "xrpc.Open(", `Output: "image/png"`}},
		"a subscription": {method(func(m *plan.Method) {
			m.Query, m.Message, m.Cursor = false, &plan.Type{Kind: plan.UnionOf, Go: plan.Name{Name: "M"}}, "cursor"
		}), []string{"*xrpc.Stream[M]", `Cursor: "cursor"`, "xrpc.KindSubscription"}},
		"a pager": {method(func(m *plan.Method) {
			m.Params, m.OutEncoding, m.Output, m.Pager = &plan.Params{Name: "P"}, "application/json", &plan.Type{Kind: plan.Object, Go: plan.Name{Name: "O"}}, pager
		}), []string{"// Leaves turns leaves.\nfunc (s Counter) Leaves(", "// Each takes each.\nfunc (s Counter) Each(", "iter.Seq2[string, error]", "s.Leaves(ctx, params, opts...)", "return len(page.Things) == 0 && len(page.More) == 0", "return page.Things"}},
		"L10 long comments are wrapped": {&plan.Alias{Name: "L", Type: text, Doc: plan.Doc{strings.Repeat("word ", 30), "Deprecated: no."}}, []string{"word\n// word", "\n//\n// Deprecated: no.\ntype L"}},
	} {
		t.Run(name, func(t *testing.T) {
			code := printed(t, tc.decl)
			squeezed := strings.Join(strings.Fields(code), " ")
			for _, want := range tc.want {
				exact := strings.Contains(want, "\n") // where lines break matters
				if !strings.Contains(code, want) && (exact || !strings.Contains(squeezed, strings.Join(strings.Fields(want), " "))) {
					t.Errorf("no %q in\n%s", want, code)
				}
			}
		})
	}
}

func TestEmitPrintsThePackage(t *testing.T) {
	ask := &plan.Method{Name: "Ask", Service: "Counter", NSID: "com.example.shop.ask", Query: true}
	files, err := Package(&plan.Package{
		Name: "comexample", Path: "x.test/comexample", Prefixes: []string{"com.example"},
		Groups:  []*plan.Group{{Field: "Shop", Type: "Counter", Doc: plan.Doc{"Counter counts."}, NSID: "com.example.shop", Methods: []*plan.Method{ask}}},
		Methods: []*plan.Method{{Name: "Ping", Service: "Client", NSID: "com.example.ping"}},
		Errors:  []plan.Error{{Name: "ErrA", Value: "A", Doc: plan.Doc{"ErrA errs."}}, {Name: "ErrB", Value: "B"}},
		Records: []plan.Record{{NSID: "com.example.r", Go: "R"}},
		Docs: plan.PackageDocs{
			Package: plan.Doc{"Package comexample is one.", "More of it."}, Example: []string{"api := x", "y()"}, Client: plan.Doc{"A Client is one."},
			NewClient: plan.Doc{"NewClient makes."}, Errors: plan.Doc{"The errors."}, Records: plan.Doc{"Records are."},
		},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{
		"doc.go":     {"// Package comexample is one.\n//\n//\tapi := x\n//\ty()\n//\n// More of it.\npackage comexample", "lex.GeneratedCodeV1"},
		"client.go":  {"// A Client is one.\ntype Client struct {\n\tShop Counter // com.example.shop\n\n\tcaller *xrpc.Caller", "// NewClient makes.\nfunc NewClient(", "// Counter counts.\ntype Counter struct"},
		"errors.go":  {"// The errors.\nconst (\n\t// ErrA errs.\n\tErrA xrpc.ErrorName = \"A\"\n\n\tErrB xrpc.ErrorName = \"B\"\n)"},
		"records.go": {"// Records are.\nfunc Records(nsid string) lex.Typed", "case RNSID:\n\t\treturn new(R)"},
	}
	for _, f := range files {
		for _, part := range want[f.Name] {
			if !strings.Contains(string(f.Code), part) {
				t.Errorf("%s: no %q in\n%s", f.Name, part, f.Code)
			}
		}
		delete(want, f.Name)
	}
	if len(want) > 0 {
		t.Errorf("not written: %v", want)
	}
}

func TestEmitRefusesWhatIsNoGo(t *testing.T) {
	for name, decl := range map[string]plan.Decl{"a name": &plan.Struct{Name: "a b"}, "a declaration": nil} {
		t.Run(name, func(t *testing.T) {
			_, err := Package(&plan.Package{Name: "p", Path: "x.test/p", Files: []*plan.File{{Name: "a.go", Decls: []plan.Decl{decl}}}}, nil)
			if err == nil || !strings.Contains(err.Error(), "p") {
				t.Errorf("error %v", err)
			}
		})
	}
}
