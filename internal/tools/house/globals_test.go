package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"strconv"
	"strings"
	"testing"
)

// registering are calls that change what a package outside does for the whole process.
var registering = map[string][]string{
	"net/http":      {"Handle", "HandleFunc"},
	"database/sql":  {"Register"},
	"encoding/gob":  {"Register", "RegisterName"},
	"expvar":        {"Publish", "NewInt", "NewFloat", "NewMap", "NewString"},
	"mime":          {"AddExtensionType"},
	"log":           {"SetOutput", "SetFlags", "SetPrefix"},
	"log/slog":      {"SetDefault", "SetLogLoggerLevel"},
	"crypto":        {"RegisterHash"},
	"runtime/debug": {"SetGCPercent", "SetMemoryLimit"},
	"jwx/v2":        {"RegisterFormat"},
	"jwx/v2/jwa":    {"RegisterSignatureAlgorithm", "UnregisterSignatureAlgorithm", "RegisterEllipticCurve"},
	"jwx/v2/jwk":    {"RegisterCustomField", "RegisterProbeField", "AddKeyParser", "SetGlobalFetcher"},
	"jwx/v2/jws":    {"Settings", "RegisterSigner", "UnregisterSigner", "RegisterVerifier", "UnregisterVerifier", "RegisterCustomField"},
	"jwx/v2/jwt":    {"Settings", "RegisterCustomField"},
}

// changesGlobals returns what a file does to the whole process: what it runs when it is
// imported, the variables of other packages that it sets, and what it registers there. (A
// local variable that is called like an imported package looks the same: call it otherwise.)
func changesGlobals(file *ast.File) (found []ast.Node) {
	imported := make(map[string]string) // name in the file → path
	for _, spec := range file.Imports {
		where, _ := strconv.Unquote(spec.Path.Value)
		name := path.Base(where)
		if len(name) > 1 && name[0] == 'v' && strings.Trim(name[1:], "0123456789") == "" {
			name = path.Base(path.Dir(where))
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		imported[name] = where
	}
	// outside returns path and name of what x selects from a package, if it does.
	outside := func(x ast.Expr) (where, name string, ok bool) {
		for {
			switch e := x.(type) {
			case *ast.IndexExpr:
				x = e.X
				continue
			case *ast.ParenExpr:
				x = e.X
				continue
			case *ast.StarExpr:
				x = e.X
				continue
			case *ast.TypeAssertExpr:
				x = e.X
				continue
			case *ast.SelectorExpr:
				if id, isName := e.X.(*ast.Ident); isName {
					where, ok = imported[id.Name]
					return where, e.Sel.Name, ok
				}
				x = e.X
				continue
			}
			return "", "", false
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv == nil && n.Name.Name == "init" {
				found = append(found, n)
			}
		case *ast.AssignStmt:
			for _, left := range n.Lhs {
				if _, _, ok := outside(left); ok && n.Tok != token.DEFINE {
					found = append(found, n)
				}
			}
		case *ast.IncDecStmt:
			if _, _, ok := outside(n.X); ok {
				found = append(found, n)
			}
		case *ast.CallExpr:
			where, name, ok := outside(n.Fun)
			for suffix, names := range registering {
				if !ok || where != suffix && !strings.HasSuffix(where, "/"+suffix) {
					continue
				}
				for _, forbidden := range names {
					if name == forbidden {
						found = append(found, n)
					}
				}
			}
		}
		return true
	})
	return found
}

func TestImportsChangeNothing(t *testing.T) {
	t.Run("P21 no package that others import runs anything at its import, or sets or registers anything outside", func(t *testing.T) {
		checked := 0
		for _, src := range sources(t) {
			if strings.HasSuffix(src.name, "_test.go") || src.file.Name.Name == "main" {
				continue
			}
			checked++
			for _, node := range changesGlobals(src.file) {
				t.Errorf("%s changes what belongs to the whole process", src.fset.Position(node.Pos()))
			}
		}
		if checked < 50 {
			t.Errorf("only %d files were looked at", checked)
		}
	})
}

func TestChangesOfGlobalsAreNoticed(t *testing.T) {
	for name, tt := range map[string]struct {
		code string
		want int
	}{
		"an init":                {"func init() { println() }", 1},
		"a method called init":   {"type t int\nfunc (t) init() {}", 0},
		"a variable that is set": {"func f() { http.DefaultClient = nil }", 1},
		"a field of one":         {"func f() { http.DefaultTransport.(*http.Transport).MaxIdleConns = 1; http.DefaultClient.Timeout = 1 }", 2},
		"an entry of a map":      {"func f() { pkg.Table[1] = 2 }", 1},
		"a counter":              {"func f() { pkg.Count++ }", 1},
		"a signer":               {"var _ = jws.RegisterSigner(nil, nil)", 1},
		"a handler":              {"func f() { http.Handle(``, nil) }", 1},
		"what is used":           {"func f() { x := http.DefaultClient; x.Timeout = 1; http.NewServeMux().Handle(``, nil) }", 0},
	} {
		t.Run("P21 "+name, func(t *testing.T) {
			code := "package p\nimport (\"net/http\"; \"example.com/pkg\"; \"github.com/lestrrat-go/jwx/v2/jws\")\n" + tt.code
			file, err := parser.ParseFile(token.NewFileSet(), "p.go", code, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			if got := len(changesGlobals(file)); got != tt.want {
				t.Errorf("found %d, want %d", got, tt.want)
			}
		})
	}
}
