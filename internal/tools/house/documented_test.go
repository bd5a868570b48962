package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// TestExportedNamesAreDocumented walks the public packages of the root module, except the
// generated ones, and fails for an exported name, method or struct field without a comment.
func TestExportedNamesAreDocumented(t *testing.T) {
	folders := publicFolders(t)
	for _, want := range []string{"oauth", "oauth/store/sqlstore", "xrpc/lex", "records/richtext"} {
		if !slices.Contains(folders, want) {
			t.Errorf("%s is not among the %d folders that were walked", want, len(folders))
		}
	}
	house := os.DirFS(root)
	for _, folder := range folders {
		undocumented, err := undocumentedIn(house, folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range undocumented {
			t.Errorf("%s has no doc comment: say what it does, with units, defaults and errors", name)
		}
	}
}

// TestUndocumentedNamesAreFound holds the walk to a package with every kind of declaration.
func TestUndocumentedNamesAreFound(t *testing.T) {
	const source = `package p

type T struct {
	A int
	B int // in bytes
	// C has a comment.
	C, D int
	e int
	F struct{ G int }
	*H
}

// An I is an interface.
type I interface {
	// M has a comment.
	M()
	N()
}

// H has a comment.
type H struct{}

func (T) Method() {}
func (t *T) private() {}
func (hidden) Method() {}

type hidden struct{ A int }

func F() {}

// These have a comment.
const (
	One = 1
	Two = 2
)

const (
	Three = 3
	Four  = 4 // has a comment
	five  = 5
)

var Six, seven = 6, 7
`
	got, err := undocumentedIn(fstest.MapFS{
		"p/p.go":      {Data: []byte(source)},
		"p/p_test.go": {Data: []byte("package p\n\nfunc TestX() {}\n")},
	}, "p")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"package p", "p.T", "p.T.A", "p.T.F", "p.T.F.G", "p.T.H", "p.I.N", "p.T.Method", "p.F", "p.Three", "p.Six",
	}
	for i := range got {
		got[i] = strings.TrimPrefix(got[i], "p/p.go:")
		if _, name, ok := strings.Cut(got[i], ": "); ok {
			got[i] = name
		}
	}
	if !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// publicFolders returns the folders of the root module with packages that others can import.
func publicFolders(t *testing.T) []string {
	t.Helper()
	var folders []string
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		folder, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		folder = filepath.ToSlash(folder)
		if folder != "." {
			if _, err := os.Stat(filepath.Join(file, "go.mod")); err == nil {
				return fs.SkipDir // a module of its own
			}
			switch name := d.Name(); {
			case strings.HasPrefix(name, "."), name == "internal", name == "testdata", name == "node_modules":
				return fs.SkipDir
			case folder == "generated", folder == "lexgen", folder == "cmd", folder == "examples":
				return fs.SkipDir // generated code has a test of its own; the others are programs
			}
		}
		sources, err := filepath.Glob(filepath.Join(file, "*.go"))
		if len(sources) > 0 && folder != "." {
			folders = append(folders, folder)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return folders
}

// undocumentedIn returns the exported names of a folder's package without a comment, each with its place.
func undocumentedIn(house fs.FS, folder string) ([]string, error) {
	names, err := fs.Glob(house, folder+"/*.go")
	if err != nil {
		return nil, err
	}
	w := &undocumented{files: token.NewFileSet()}
	documented, pkg := false, ""
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := fs.ReadFile(house, name)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(w.files, name, source, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		documented, pkg = documented || file.Doc.Text() != "", file.Name.Name
		w.pkg = pkg
		for _, d := range file.Decls {
			w.declaration(d)
		}
	}
	if pkg != "" && !documented {
		w.found = append(w.found, "package "+pkg)
	}
	return w.found, nil
}

// undocumented collects names without a comment.
type undocumented struct {
	files *token.FileSet
	pkg   string
	found []string
}

// need notes that something has no comment, if all of comments are empty.
func (w *undocumented) need(at token.Pos, name string, comments ...*ast.CommentGroup) {
	for _, c := range comments {
		if c.Text() != "" {
			return
		}
	}
	place := w.files.Position(at)
	w.found = append(w.found, fmt.Sprintf("%s:%d: %s.%s", place.Filename, place.Line, w.pkg, name))
}

func (w *undocumented) declaration(d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		name := d.Name.Name
		if d.Recv != nil {
			receiver := receiverOf(d.Recv.List[0].Type)
			if !ast.IsExported(receiver) {
				return
			}
			name = receiver + "." + name
		}
		if d.Name.IsExported() {
			w.need(d.Pos(), name, d.Doc)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if spec.Name.IsExported() {
					w.need(spec.Pos(), spec.Name.Name, d.Doc, spec.Doc, spec.Comment)
					w.members(spec.Name.Name, spec.Type)
				}
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					if name.IsExported() {
						w.need(name.Pos(), name.Name, d.Doc, spec.Doc, spec.Comment)
					}
				}
			}
		}
	}
}

// members looks at the fields of a struct and the methods of an interface.
func (w *undocumented) members(of string, t ast.Expr) {
	var list *ast.FieldList
	switch t := t.(type) {
	case *ast.StructType:
		list = t.Fields
	case *ast.InterfaceType:
		list = t.Methods
	default:
		return
	}
	for _, f := range list.List {
		_, isInterface := t.(*ast.InterfaceType)
		if len(f.Names) == 0 && !isInterface { // an embedded field
			if name := receiverOf(f.Type); ast.IsExported(name) {
				w.need(f.Pos(), of+"."+name, f.Doc, f.Comment)
			}
		}
		for _, name := range f.Names {
			if name.IsExported() {
				w.need(name.Pos(), of+"."+name.Name, f.Doc, f.Comment)
				w.members(of+"."+name.Name, f.Type)
			}
		}
	}
}

// receiverOf returns the name of a type without its package, its star and its parameters.
func receiverOf(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.StarExpr:
		return receiverOf(t.X)
	case *ast.IndexExpr:
		return receiverOf(t.X)
	case *ast.IndexListExpr:
		return receiverOf(t.X)
	case *ast.SelectorExpr:
		return t.Sel.Name
	case *ast.Ident:
		return t.Name
	}
	return ""
}
