package evolution

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gimucco/atproto-go/lexgen/internal/plan"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// CompareGo lists what programs that use the code of one version have to follow in that of the next: names that are gone,
// and what has another type. What is new breaks nothing.
func CompareGo(before, after *plan.Program) []Change {
	now := surfaceOf(after)
	var changes []Change
	for name, old := range surfaceOf(before) {
		is, there := now[name]
		what := ""
		switch {
		case !there && old.owner != "" && !now.has(old.owner):
			continue // told of the owner
		case !there:
			what = name.name + " is gone"
		case is.form != old.form:
			what = fmt.Sprintf("%s was %s and is %s", name.name, old.form, is.form)
		default:
			continue
		}
		changes = append(changes, Change{Verdict: BreaksGo, NSID: old.nsid, What: what})
	}
	slices.SortFunc(changes, func(a, b Change) int { return cmp.Or(cmp.Compare(a.NSID, b.NSID), cmp.Compare(a.What, b.What)) })
	return changes
}

// Merge puts the changes of schemas and those of Go together, by NSID.
func Merge(schemas, code []Change) []Change {
	all := slices.Concat(schemas, code)
	slices.SortStableFunc(all, func(a, b Change) int { return cmp.Compare(a.NSID, b.NSID) })
	return all
}

// A goName is an exported name of a package, or of a type in it: "Post", "Post.Text".
type goName struct{ path, name string }

// A goThing is what it stands for.
type goThing struct {
	nsid  syntax.NSID
	form  string // as a program sees it
	owner string // of a field or a member: path and name of the type
}

// A surface is all exported names of a program.
type surface map[goName]goThing

func (s surface) has(owner string) bool {
	path, name, _ := strings.Cut(owner, " ")
	_, ok := s[goName{path, name}]
	return ok
}

func surfaceOf(prog *plan.Program) surface {
	s := make(surface)
	for _, p := range prog.Packages {
		for _, f := range p.Files {
			a := adder{s, p, f.NSID}
			for _, d := range f.Decls {
				a.decl(d)
			}
		}
		for _, e := range p.Errors {
			s[goName{p.Path, e.Name}] = goThing{nsid: e.NSID, form: fmt.Sprintf("an error, %q", e.Value)}
		}
		for _, g := range p.Groups {
			s[goName{p.Path, "Client." + g.Field}] = goThing{nsid: syntax.NSID(g.NSID), form: g.Type}
		}
	}
	return s
}

// adder adds what a lexicon becomes.
type adder struct {
	surface surface
	pkg     *plan.Package
	nsid    syntax.NSID
}

func (a adder) add(name, form string) {
	a.surface[goName{a.pkg.Path, name}] = goThing{nsid: a.nsid, form: form}
}

// part adds a field or a member of a type.
func (a adder) part(owner, name, form string) {
	a.surface[goName{a.pkg.Path, owner + name}] = goThing{nsid: a.nsid, form: form, owner: a.pkg.Path + " " + owner}
}

func (a adder) decl(d plan.Decl) {
	switch d := d.(type) {
	case *plan.Struct:
		a.add(d.Name, "a struct")
		if d.NSID != "" {
			a.add(d.NSID, "a constant")
		}
		a.fields(d.Name, d.Fields)
	case *plan.Params:
		a.add(d.Name, "a struct")
		a.fields(d.Name, d.Fields)
	case *plan.Union:
		a.add(d.Name, "a union")
		a.add(d.New, "a function")
		for _, m := range d.Members {
			a.part(d.Name, ": member "+a.name(m.Go), "")
		}
		if !d.Closed {
			a.part(d.Name, ": member *lex.UnknownVariant", "")
		}
	case *plan.Strings:
		form := "an untyped constant"
		if d.Name != "" {
			a.add(d.Name, "a string")
			form = "a " + d.Name
		}
		for _, v := range d.Values {
			a.add(v.Name, fmt.Sprintf("%s, %q", form, v.Value))
		}
	case *plan.Alias:
		t := *d.Type
		if t.Go.Name == d.Name {
			t.Go = plan.Name{}
		}
		a.add(d.Name, a.typeOf(&t))
	case *plan.Method:
		a.method(d)
	}
}

func (a adder) fields(owner string, fields []plan.Field) {
	for _, f := range fields {
		form := a.typeOf(f.Type)
		switch f.Form {
		case plan.Pointer:
			form = "*" + form
		case plan.Nullable:
			form = "lex.Nullable[" + form + "]"
		}
		a.part(owner, "."+f.Go, form)
		if f.Limits != "" {
			a.add(f.Limits, "a function")
		}
	}
}

func (a adder) method(m *plan.Method) {
	args := []string{"ctx"}
	if m.Params != nil {
		args = append(args, "*"+m.Params.Name)
	}
	switch {
	case m.Input != nil:
		args = append(args, "*"+a.typeOf(m.Input))
	case m.InputEncoding != "":
		args = append(args, "*xrpc.Body")
	}
	result := "error"
	switch {
	case m.Message != nil:
		result = "*xrpc.Stream[" + a.typeOf(m.Message) + "]"
	case m.Output != nil:
		result = "(*" + a.typeOf(m.Output) + ", error)"
	case m.OutEncoding != "":
		result = "(*xrpc.Download, error)"
	}
	name := func(method string) string { return m.Service + "." + method }
	a.surface[goName{a.pkg.Path, m.Endpoint}] = goThing{nsid: a.nsid, form: "an endpoint", owner: a.pkg.Path + " " + name(m.Name)}
	a.add(name(m.Name), "func("+strings.Join(args, ", ")+") "+result)
	if p := m.Pager; p != nil {
		a.add(name(p.Pages), "a sequence of *"+a.typeOf(m.Output))
		if p.All != "" {
			a.add(name(p.All), "a sequence of "+a.typeOf(p.Items.Type.Elem)+" in "+p.Items.Go)
		}
	}
}

// name is a Go name as this package writes it.
func (a adder) name(n plan.Name) string {
	if n.Path == "" || n.Path == a.pkg.Path {
		return n.Name
	}
	return n.Path[strings.LastIndex(n.Path, "/")+1:] + "." + n.Name
}

var kinds = map[plan.Kind]string{
	plan.Boolean: "bool", plan.Integer: "int64", plan.String: "string", plan.Bytes: "lex.Bytes", plan.CIDLink: "lex.CIDLink", plan.Blob: "lex.Blob", plan.Unknown: "lex.Unknown",
}

func (a adder) typeOf(t *plan.Type) string {
	switch {
	case t.Go.Name != "":
		return a.name(t.Go)
	case t.Kind == plan.Array:
		return "[]" + a.typeOf(t.Elem)
	}
	return kinds[t.Kind]
}

// Markdown is a text for a pull request: what is forbidden first.
func Markdown(changes []Change) string {
	var b strings.Builder
	b.WriteString("## Lexicons\n")
	if len(changes) == 0 {
		b.WriteString("\nNothing changed.\n")
	}
	titles := map[Verdict]string{Forbidden: "Forbidden by the rules for the evolution of lexicons", BreaksGo: "Breaks Go", Allowed: "Allowed"}
	groups := make(map[Verdict][]Change)
	for _, c := range changes {
		groups[c.Verdict] = append(groups[c.Verdict], c)
	}
	for _, v := range slices.Backward(slices.Sorted(maps.Keys(groups))) {
		fmt.Fprintf(&b, "\n### %s (%d)\n\n", titles[v], len(groups[v]))
		for _, c := range groups[v] {
			where := "`" + string(c.NSID) + "`"
			if c.Path != "" {
				where += " " + plain(c.Path)
			}
			fmt.Fprintf(&b, "- %s: %s\n", where, plain(c.What))
		}
	}
	return b.String()
}

// plain is text in Markdown that means nothing but itself: it is somebody else's.
func plain(s string) string {
	var b strings.Builder
	for _, r := range strings.Join(strings.Fields(s), " ") {
		if strings.ContainsRune("\\`*_{}[]<>#!|~&@", r) {
			fmt.Fprintf(&b, "&#%d;", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
