package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	root   = "../../.."
	module = "github.com/gimucco/atproto-go"
)

// arrows lists what each room of the house may import of the others, besides
// itself and the rooms inside it. A room is the longest entry that is the
// package's path or a folder above it.
var arrows = map[string][]string{
	"":                        {},
	"internal/cidform":        {},
	"internal/nilvalue":       {},
	"xrpc/syntax":             {"internal/cidform"},
	"xrpc/lex":                {"xrpc/syntax", "internal/cidform", "internal/nilvalue", "internal/said"},
	"xrpc":                    {"xrpc/lex", "xrpc/syntax", "internal/nilvalue", "internal/safehttp", "internal/said"},
	"xrpc/service":            {"xrpc", "xrpc/lex", "xrpc/syntax", "internal/said"}, // serviceauth is a func(http.Handler) http.Handler to it
	"xrpc/jetstream":          {"generated", "xrpc", "xrpc/lex", "xrpc/syntax"},
	"generated":               {"xrpc", "xrpc/lex", "xrpc/syntax"},
	"internal/multibase":      {},
	"serviceauth":             {"xrpc", "xrpc/syntax", "identity", "internal/multibase"},
	"labels":                  {"generated", "identity", "xrpc/lex", "xrpc/syntax"},
	"records":                 {"generated", "identity", "internal/nilvalue", "xrpc", "xrpc/lex", "xrpc/syntax"},
	"repo":                    {"xrpc/lex", "xrpc/syntax"}, // not generated: the generator reads schemas out of repositories
	"repo/firehose":           {"repo", "generated", "xrpc/lex", "xrpc/syntax"},
	"video":                   {"generated", "serviceauth", "xrpc", "xrpc/lex", "xrpc/syntax"},
	"internal/said":           {},
	"internal/loopback":       {},
	"internal/safehttp":       {"internal/loopback", "internal/said"},
	"internal/clientmetadata": {"oauth/scope"},
	"identity":                {"xrpc/syntax", "internal/safehttp", "internal/said"},
	"oauth/scope":             {"xrpc/syntax"},
	"oauth/store":             {"xrpc/syntax"},
	"oauth/seal":              {"internal/seal"},
	"internal/seal":           {},
	"oauth": {
		"oauth/scope", "oauth/seal", "oauth/store", "xrpc", "xrpc/lex", "xrpc/syntax", "identity",
		"internal/safehttp", "internal/loopback", "internal/said", "internal/clientmetadata", "internal/dpop", "internal/multibase", "internal/keeper", "internal/seal",
		"internal/vault", "internal/live", "internal/events", "internal/answer", "internal/serverclock", "internal/token", "internal/raw",
	},
	"apppassword": {
		"oauth/seal", "oauth/store", "xrpc", "xrpc/syntax", "identity",
		"internal/safehttp", "internal/said", "internal/keeper", "internal/seal",
		"internal/vault", "internal/live", "internal/events", "internal/answer", "internal/serverclock", "internal/token", "internal/raw",
	},
	"internal/raw":         {"internal/nilvalue", "internal/safehttp", "xrpc", "xrpc/lex", "xrpc/syntax"},
	"internal/vault":       {"internal/seal", "oauth/store", "xrpc/syntax"},
	"internal/live":        {},
	"internal/answer":      {},
	"internal/events":      {},
	"internal/serverclock": {},
	"internal/token":       {},
	"oauth/loopback":       {"oauth", "oauth/seal", "oauth/store", "identity", "internal/clientmetadata", "xrpc/syntax"},
	"oauth/oauthtest":      {"oauth", "oauth/scope", "apppassword", "generated", "identity", "repo", "repo/firehose", "serviceauth", "xrpc", "xrpc/service", "xrpc/lex", "xrpc/syntax", "internal/safehttp"},
	"lexgen": {
		"internal/commandline", "lexgen/internal/corpus", "lexgen/internal/evolution", "lexgen/internal/gocommand", "lexgen/internal/input", "lexgen/internal/install",
		"lexgen/internal/lint", "lexgen/internal/output",
		"lexgen/internal/plan", "lexgen/internal/program",
	},
	"lexgen/roundtrip":          {"xrpc/lex"},
	"lexgen/internal/schema":    {"xrpc/syntax"},
	"lexgen/internal/resolve":   {"lexgen/internal/schema", "xrpc/syntax"},
	"lexgen/internal/plan":      {"lexgen/internal/resolve", "lexgen/internal/schema", "xrpc/syntax"},
	"lexgen/internal/emit":      {"lexgen/internal/plan"},
	"lexgen/internal/output":    {"lexgen/internal/emit"},
	"lexgen/internal/evolution": {"lexgen/internal/plan", "lexgen/internal/schema", "xrpc/syntax"},
	"lexgen/internal/sample":    {"lexgen/internal/resolve", "lexgen/internal/schema"},
	"lexgen/internal/gocommand": {},
	"lexgen/internal/input":     {"lexgen/internal/gocommand", "lexgen/internal/schema", "xrpc/syntax"},
	"lexgen/internal/install": {
		"identity", "internal/said", "lexgen/internal/input", "lexgen/internal/output", "lexgen/internal/schema", "repo", "xrpc", "xrpc/lex", "xrpc/syntax",
	},
	"lexgen/internal/lint": {"lexgen/internal/input", "lexgen/internal/resolve", "lexgen/internal/schema", "xrpc/syntax"},
	"lexgen/internal/program": {
		"lexgen/internal/emit", "lexgen/internal/gocommand", "lexgen/internal/input", "lexgen/internal/output", "lexgen/internal/plan", "lexgen/internal/resolve", "lexgen/internal/schema", "xrpc/syntax",
	},
	"lexgen/internal/corpus": {
		"lexgen/internal/gocommand", "lexgen/internal/input", "lexgen/internal/output", "lexgen/internal/plan", "lexgen/internal/program", "lexgen/internal/resolve",
		"lexgen/internal/sample", "lexgen/internal/schema", "lexgen/roundtrip",
	},
	"lexgen/internal/report":   {"lexgen/internal/gocommand", "lexgen/internal/program"},
	"internal/interop":         {},
	"internal/tools/vendorlex": {},
	"internal/tools/house":     {},
	"internal/tools/methods":   {},
	"internal/scenario": {
		"oauth", "apppassword", "oauth/scope", "oauth/seal", "oauth/store", "oauth/oauthtest", "identity", "generated", "records", "xrpc", "xrpc/lex", "xrpc/syntax",
	},
	"cmd": {
		"oauth", "oauth/scope", "oauth/seal", "oauth/store", "oauth/loopback", "oauth/oauthtest", "apppassword", "identity", "generated", "records", "repo", "repo/firehose",
		"xrpc", "xrpc/jetstream", "xrpc/lex", "xrpc/syntax", "internal/safehttp", "internal/loopback", "internal/clientmetadata", "internal/commandline",
	},
	"internal/dpop":              {"internal/said"},
	"internal/keeper":            {},
	"internal/tools/gotest":      {},
	"internal/tools/mutants":     {"internal/tools/gotest"},
	"internal/tools/conformance": {"internal/tools/gotest", "internal/tools/mutants"},
	// Reads the list of mutants, to look for each.
	"internal/keeper/simulation": {"internal/keeper", "internal/tools/mutants"},
	"internal/commandline":       {},
	"examples": {
		"oauth", "apppassword", "oauth/loopback", "oauth/scope", "oauth/seal", "oauth/store", "oauth/oauthtest", "identity", "records", "repo", "generated", "serviceauth", "xrpc", "xrpc/jetstream", "xrpc/lex", "xrpc/service", "xrpc/syntax",
	},
}

// hidden are the modules whose types may not show in an exported name: we must be
// able to change them without breaking anybody.
var hidden = []string{
	"github.com/lestrrat-go/jwx", "github.com/go-faster/jx", "github.com/fxamacker/cbor",
	"github.com/coder/websocket", "github.com/klauspost/compress", "github.com/gofrs/flock", "github.com/spf13/cobra",
	"github.com/spf13/pflag", "github.com/zalando/go-keyring", "github.com/schollz/progressbar", "golang.org/x/term",
	"code.dny.dev/ssrf", "github.com/bluesky-social/indigo", "github.com/decred/dcrd", "github.com/mr-tron/base58", "github.com/hashicorp/golang-lru",
}

// A source is one Go file of the module.
type source struct {
	pkg  string // folder, relative to the root
	name string
	file *ast.File
	fset *token.FileSet
}

// sources parses every Go file of the root module.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			// Other modules, and what the go command ignores too.
			switch base := path.Base(rel); {
			case rel == ".":
				return nil
			case rel == "e2e", rel == "bench", rel == "examples/webapp", rel == "examples/recipes", base == "testdata", strings.HasPrefix(base, "."), base == "node_modules":
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") || rel == "tools.go" {
			return nil
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			return err
		}
		pkg := path.Dir(rel)
		if pkg == "." {
			pkg = ""
		}
		all = append(all, source{pkg: pkg, name: rel, file: file, fset: fset})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("only %d Go files found below %s", len(all), root)
	}
	return all
}

// room returns the entry of arrows that a package belongs to.
func room(pkg string) (string, bool) {
	for p := pkg; ; p = path.Dir(p) {
		if p == "." {
			return "", pkg == ""
		}
		if _, ok := arrows[p]; ok {
			return p, true
		}
	}
}

func TestArrowsPointDownwards(t *testing.T) {
	for _, src := range sources(t) {
		from, ok := room(src.pkg)
		if !ok {
			t.Errorf("%s: package %s has no place in the plan; add it to arrows", src.name, src.pkg)
			continue
		}
		if strings.HasSuffix(src.name, "_test.go") {
			continue // tests may look around: they are nobody's dependency
		}
		for _, spec := range src.file.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			if strings.HasPrefix(imported, "github.com/bluesky-social/indigo") {
				t.Errorf("%s imports %s: only its lexicons are ours to use", src.name, imported)
			}
			rel, ours := strings.CutPrefix(imported, module+"/")
			if !ours {
				continue
			}
			to, ok := room(rel)
			if !ok || to != from && !slices.Contains(arrows[from], to) {
				t.Errorf("%s: %s may not import %s", src.name, from, rel)
			}
		}
	}
}

// A store is used by programs that never log anybody in, and linked into them with
// nothing else.
func TestStoresLinkNeitherKeysNorHTTP(t *testing.T) {
	for _, pkg := range []string{"store", "store/filestore", "store/sqlstore", "store/redisstore", "store/storetest", "seal"} {
		cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "./oauth/"+pkg)
		cmd.Dir = root
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		deps := strings.Fields(string(out))
		if !slices.Contains(deps, module+"/oauth/"+pkg) {
			t.Errorf("%s is not among its own dependencies: %q", pkg, deps)
		}
		for _, dep := range deps {
			if dep == "net/http" || dep == module+"/oauth" || strings.HasPrefix(dep, "github.com/lestrrat-go/") {
				t.Errorf("oauth/%s links %s", pkg, dep)
			}
		}
	}
}

// What only commands need is not linked into programs that use the library.
func TestLibraryLinksNothingOfTheCommands(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "./oauth/loopback", "./oauth/oauthtest", "./records", "./apppassword", "./repo/...", "./xrpc/...", "./serviceauth", "./video")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if !slices.Contains(deps, module+"/oauth") {
		t.Fatalf("oauth is not among the dependencies: %q", deps)
	}
	for _, dep := range deps {
		for _, of := range []string{"github.com/spf13/", "github.com/zalando/", "github.com/schollz/", "golang.org/x/term", "github.com/godbus/"} {
			if strings.HasPrefix(dep, of) {
				t.Errorf("the library links %s", dep)
			}
		}
	}
}

func TestEnginesDoNotShowInExportedNames(t *testing.T) {
	for _, src := range sources(t) {
		if strings.HasSuffix(src.name, "_test.go") || strings.HasPrefix(src.pkg, "internal/") || strings.HasPrefix(src.pkg, "lexgen") {
			continue
		}
		banned := map[string]string{} // local name → import path
		for _, spec := range src.file.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			for _, h := range hidden {
				if strings.HasPrefix(imported, h) {
					local := path.Base(imported)
					if spec.Name != nil {
						local = spec.Name.Name
					}
					banned[local] = imported
				}
			}
		}
		if len(banned) == 0 {
			continue
		}
		for _, decl := range src.file.Decls {
			for _, node := range exportedTypes(decl) {
				ast.Inspect(node, func(n ast.Node) bool {
					sel, ok := n.(*ast.SelectorExpr)
					if !ok {
						return true
					}
					if x, ok := sel.X.(*ast.Ident); ok && banned[x.Name] != "" {
						t.Errorf("%s: an exported name mentions %s of %s", src.fset.Position(sel.Pos()), sel.Sel.Name, banned[x.Name])
					}
					return true
				})
			}
		}
	}
}

func TestEveryExportedNameHasADocComment(t *testing.T) {
	for _, src := range sources(t) {
		if strings.HasSuffix(src.name, "_test.go") || strings.HasPrefix(src.pkg, "internal/") || strings.HasPrefix(src.pkg, "examples/") || strings.HasPrefix(src.pkg, "lexgen/") {
			continue
		}
		missing := func(name *ast.Ident) {
			t.Errorf("%s: %s has no doc comment", src.fset.Position(name.Pos()), name.Name)
		}
		for _, decl := range src.file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && receiverExported(d) && d.Doc == nil && !standardMethods[d.Name.Name] {
					missing(d.Name)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						if spec.Name.IsExported() && d.Doc == nil && spec.Doc == nil {
							missing(spec.Name)
						}
					case *ast.ValueSpec:
						for _, name := range spec.Names {
							if name.IsExported() && d.Doc == nil && spec.Doc == nil && spec.Comment == nil {
								missing(name)
							}
						}
					}
				}
			}
		}
	}
}

// standardMethods say the same everywhere; generated types have hundreds of them.
var standardMethods = map[string]bool{
	"DecodeLex": true, "EncodeLex": true, "LexType": true, "MarshalJSON": true, "UnmarshalJSON": true,
	"EncodeQuery": true, "Error": true, "Unwrap": true, "Is": true, "String": true,
}

// exportedTypes returns the type expressions that users of a declaration see.
func exportedTypes(decl ast.Decl) []ast.Node {
	var nodes []ast.Node
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && receiverExported(d) {
			nodes = append(nodes, d.Type)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if !spec.Name.IsExported() {
					continue
				}
				if s, ok := spec.Type.(*ast.StructType); ok {
					for _, f := range s.Fields.List {
						if len(f.Names) == 0 || slices.ContainsFunc(f.Names, (*ast.Ident).IsExported) {
							nodes = append(nodes, f.Type)
						}
					}
					continue
				}
				nodes = append(nodes, spec.Type)
			case *ast.ValueSpec:
				if slices.ContainsFunc(spec.Names, (*ast.Ident).IsExported) && spec.Type != nil {
					nodes = append(nodes, spec.Type)
				}
			}
		}
	}
	return nodes
}

func receiverExported(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	exported := false
	ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			exported = id.IsExported()
			return false
		}
		return true
	})
	return exported
}
