package house

import (
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A generatedPackage is one that lexgen writes.
type generatedPackage struct {
	path  string // import path
	fset  *token.FileSet
	files []*ast.File // without tests
}

// generatedPackages reads what lexgen wrote: for everybody, and for its own tests, whose lexicons say worse things.
func generatedPackages(t *testing.T) []generatedPackage {
	t.Helper()
	var out []generatedPackage
	for dir, prefix := range map[string]string{"generated": module + "/generated", "lexgen/testdata/golden": "example.test/golden"} {
		entries, err := os.ReadDir(filepath.Join(root, dir))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.IsDir() {
				out = append(out, readPackage(t, filepath.Join(root, dir, e.Name()), prefix+"/"+e.Name()))
			}
		}
	}
	if len(out) != 6 {
		t.Fatalf("%d packages; this test knows of 6", len(out))
	}
	return out
}

func readPackage(t *testing.T, dir, path string) generatedPackage {
	t.Helper()
	p := generatedPackage{path: path, fset: token.NewFileSet()}
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(p.fset, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		p.files = append(p.files, file)
	}
	if len(p.files) == 0 {
		t.Fatalf("%s has no Go files", dir)
	}
	return p
}

// parseText is a package of one file.
func parseText(t *testing.T, text string) generatedPackage {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "a.go", text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return generatedPackage{"x.test/p", fset, []*ast.File{file}}
}

func TestGeneratedNamesAreDocumented(t *testing.T) {
	for _, p := range generatedPackages(t) {
		for _, fault := range p.undocumented() {
			t.Error(fault)
		}
	}
	t.Run("what is missing is found", func(t *testing.T) {
		p := parseText(t, `package p

type A struct {
	B int
	C int // Said.
	// Said.
	D int
	E, F int
	g int
}

// Something else.
type H string

// A I is one.
type I = int

// J is J.
const J = 1

// All of them.
const (
	K = 1
	l = 2
)

const M = 1

func N() {}

// O does.
//
// It is said twice.
//
// It is said twice.
func (*A) O() {}

func (a *A) P() {}

func (a *A) q() {}

func (a *b) R() {}
`)
		want := []string{
			"a.go:3:6: A has no comment", "a.go:4:2: A.B has no comment", "a.go:8:2: A.E has no comment", "a.go:8:5: A.F has no comment",
			"a.go:13:6: the comment of H does not begin with its name", "a.go:19:7: the comment of J says nothing", "a.go:27:7: M has no comment",
			"a.go:29:6: N has no comment", `a.go:36:11: the comment of A.O says twice "It is said twice."`, "a.go:38:13: A.P has no comment",
		}
		if diff := cmp.Diff(want, p.undocumented()); diff != "" {
			t.Error(diff)
		}
	})
}

// undocumented says what is wrong with the comments of exported names and fields.
func (p generatedPackage) undocumented() []string {
	var faults []string
	at := func(n ast.Node) string {
		pos := p.fset.Position(n.Pos())
		pos.Filename = path.Base(filepath.ToSlash(pos.Filename))
		return pos.String() + ": "
	}
	check := func(n *ast.Ident, name string, doc *ast.CommentGroup) {
		text := strings.TrimSpace(doc.Text())
		begin := strings.TrimPrefix(strings.TrimPrefix(text, "A "), "An ")
		switch {
		case text == "":
			faults = append(faults, at(n)+name+" has no comment")
		case !strings.HasPrefix(begin, n.Name+" "):
			faults = append(faults, at(n)+"the comment of "+name+" does not begin with its name")
		case strings.HasPrefix(text, n.Name+" is "+n.Name+"."):
			faults = append(faults, at(n)+"the comment of "+name+" says nothing")
		}
		var lines []string
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			if line != "" && slices.Contains(lines, line) {
				faults = append(faults, at(n)+"the comment of "+name+` says twice "`+line+`"`)
			}
			lines = append(lines, line)
		}
	}
	for _, file := range p.files {
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				name := d.Name.Name
				if d.Recv != nil {
					recv := receiver(d)
					if !ast.IsExported(recv) {
						continue
					}
					name = recv + "." + name
				}
				if d.Name.IsExported() {
					check(d.Name, name, d.Doc)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.ValueSpec:
						for _, n := range spec.Names {
							grouped := d.Lparen.IsValid() && d.Doc != nil
							if n.IsExported() && !grouped && spec.Comment == nil {
								check(n, n.Name, either(spec.Doc, d.Doc))
							}
						}
					case *ast.TypeSpec:
						if !spec.Name.IsExported() {
							continue
						}
						check(spec.Name, spec.Name.Name, either(spec.Doc, d.Doc))
						s, ok := spec.Type.(*ast.StructType)
						if !ok {
							continue
						}
						for _, f := range s.Fields.List {
							for _, n := range f.Names {
								if n.IsExported() && strings.TrimSpace(either(f.Doc, f.Comment).Text()) == "" {
									faults = append(faults, at(n)+spec.Name.Name+"."+n.Name+" has no comment")
								}
							}
						}
					}
				}
			}
		}
	}
	return faults
}

// receiver is the name of the type that a method belongs to.
func receiver(d *ast.FuncDecl) string {
	t := d.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	if n, ok := t.(*ast.Ident); ok {
		return n.Name
	}
	return ""
}

func either(a, b *ast.CommentGroup) *ast.CommentGroup {
	if a != nil {
		return a
	}
	return b
}

func TestLinksInGeneratedCommentsLeadSomewhere(t *testing.T) {
	exports := make(map[string]map[string]bool) // names by import path
	load := func(path string) map[string]bool {
		if exports[path] == nil {
			dir := strings.Replace(strings.TrimPrefix(path, module+"/"), "example.test/golden", "lexgen/testdata/golden", 1)
			exports[path] = names(readPackage(t, filepath.Join(root, dir), path))
		}
		return exports[path]
	}
	links := 0
	for _, p := range generatedPackages(t) {
		faults, n := p.brokenLinks(t, load)
		links += n
		for _, fault := range faults {
			t.Error(fault)
		}
	}
	if links < 2500 {
		t.Errorf("%d links; there should be more", links)
	}
	t.Run("a link to nothing is found", func(t *testing.T) {
		p := parseText(t, `package p

import "x.test/other"

// A is a link to [A], [*A], [A.B], [other.C], [other.C.D], [a thing], [a], [e.g.] and [NOTE: that].
//
//   - [Gone]
type A struct {
	other.C // [other.Gone], [elsewhere.C], [A.Gone].
}

// B is one.
func (A) B() {}
`)
		faults, n := p.brokenLinks(t, func(string) map[string]bool { return map[string]bool{"C": true, "C.D": true} })
		slices.Sort(faults)
		want := []string{"a.go:5:1: [Gone] leads nowhere", "a.go:9:10: [A.Gone] leads nowhere", "a.go:9:10: [elsewhere.C] leads nowhere", "a.go:9:10: [other.Gone] leads nowhere"}
		if diff := cmp.Diff(want, faults); diff != "" || n != 9 {
			t.Errorf("%d links, %s", n, diff)
		}
	})
}

// linked is what looks like a link to a name.
var linked = regexp.MustCompile(`\[\*?((?:[a-z]\w*\.)?[A-Z]\w*(?:\.[A-Z]\w*)?)\]`)

// brokenLinks are the links in comments that go doc does not make, or makes to what is not there; and how many links there
// are. load returns the exported names of another package.
func (p generatedPackage) brokenLinks(t *testing.T, load func(path string) map[string]bool) (faults []string, links int) {
	t.Helper()
	docs, err := doc.NewFromFiles(p.fset, p.files, p.path, doc.PreserveAST)
	if err != nil {
		t.Fatal(err)
	}
	reader := docs.Parser()
	for _, file := range p.files {
		for _, group := range file.Comments {
			text := group.Text()
			there := make(map[string]bool)
			walk(reader.Parse(text), func(l *comment.DocLink) {
				name := l.Name
				if l.Recv != "" {
					name = l.Recv + "." + name
				}
				if l.ImportPath == "" {
					there[name] = true
				} else if load(l.ImportPath)[name] {
					for _, spec := range file.Imports {
						if spec.Path.Value == `"`+l.ImportPath+`"` { // editors know the imports of the file only
							there[path.Base(l.ImportPath)+"."+name] = true
						}
					}
				}
			})
			for _, m := range linked.FindAllStringSubmatch(text, -1) {
				links++
				if !there[m[1]] {
					pos := p.fset.Position(group.Pos())
					pos.Filename = path.Base(filepath.ToSlash(pos.Filename))
					faults = append(faults, pos.String()+": ["+m[1]+"] leads nowhere")
				}
			}
		}
	}
	return faults, links
}

// names are the exported names of a package, methods as Type.Method.
func names(p generatedPackage) map[string]bool {
	out := make(map[string]bool)
	for _, file := range p.files {
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv != nil {
					out[receiver(d)+"."+d.Name.Name] = true
				} else {
					out[d.Name.Name] = true
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						out[spec.Name.Name] = true
					case *ast.ValueSpec:
						for _, n := range spec.Names {
							out[n.Name] = true
						}
					}
				}
			}
		}
	}
	return out
}

// walk shows all links of a comment.
func walk(d *comment.Doc, show func(*comment.DocLink)) {
	var texts func([]comment.Text)
	texts = func(list []comment.Text) {
		for _, t := range list {
			switch t := t.(type) {
			case *comment.DocLink:
				show(t)
			case *comment.Link:
				texts(t.Text)
			}
		}
	}
	var blocks func([]comment.Block)
	blocks = func(list []comment.Block) {
		for _, b := range list {
			switch b := b.(type) {
			case *comment.Paragraph:
				texts(b.Text)
			case *comment.Heading:
				texts(b.Text)
			case *comment.List:
				for _, item := range b.Items {
					blocks(item.Content)
				}
			}
		}
	}
	blocks(d.Content)
}
