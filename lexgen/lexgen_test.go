package main

import (
	"context"
	"flag"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/lexgen/internal/gocommand"
	"github.com/gimucco/atproto-go/lexgen/internal/output"
	"github.com/gimucco/atproto-go/lexgen/internal/program"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// readTree returns the files below dir by slash-separated path.
func readTree(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := make(map[string]string)
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		out[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func writeFile(t testing.TB, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// generate does what the command does.
func generate(ctx context.Context, config string) (warnings []string, err error) {
	prog, err := program.Read(ctx, config, false)
	if err != nil {
		return nil, err
	}
	warnings, err = output.Write(ctx, prog.Folders(filepath.Dir(config)))
	return append(prog.Warnings, warnings...), err
}

// inTemp copies the lexicons and the config of testdata, and generates there.
func inTemp(t testing.TB) (dir string, warnings []string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range readTree(t, "testdata/lexicons") {
		writeFile(t, filepath.Join(dir, "lexicons", name), text)
	}
	config, err := os.ReadFile("testdata/lexgen.json")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "lexgen.json"), string(config))
	warnings, err = generate(t.Context(), filepath.Join(dir, "lexgen.json"))
	if err != nil {
		t.Fatal(err)
	}
	return dir, warnings
}

func TestGolden(t *testing.T) {
	if *update {
		if _, err := generate(t.Context(), "testdata/lexgen.json"); err != nil {
			t.Fatal(err)
		}
	}
	dir, warnings := inTemp(t)
	got, want := readTree(t, filepath.Join(dir, "golden")), readTree(t, "testdata/golden")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("go test ./lexgen -update, and read what changed (-golden +now):\n%s", diff)
	}
	t.Run("P48 L33 a newer encoding, format or subprotocol is a warning", func(t *testing.T) {
		want := []string{
			`lexicons/com/example/shop/buy.json:10: com.example.shop.buy: defs.receipt.properties.colour: format "newer-format" is not known; it becomes a plain string`,
			`lexicons/com/example/shop/upload.json:8: com.example.shop.upload: defs.main.input: encoding "application/x-newer" is not known; the body is a stream of bytes`,
			`lexicons/com/example/stream/later.json:5: com.example.stream.later: defs.main: the subprotocol "xrpc.v9.json" is not known; reading the subscription fails`,
		}
		if diff := cmp.Diff(want, warnings); diff != "" {
			t.Error(diff)
		}
	})
}

func TestCommittedOutputIsCurrent(t *testing.T) {
	dir := t.TempDir()
	config, err := os.ReadFile("../lexgen.json")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "lexgen.json"), string(config))
	if err := os.CopyFS(filepath.Join(dir, "lexicons"), os.DirFS("../lexicons")); err != nil {
		t.Fatal(err)
	}
	if _, err := generate(t.Context(), filepath.Join(dir, "lexgen.json")); err != nil {
		t.Fatal(err)
	}
	want := readTree(t, "../generated")
	for name := range want {
		if !strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "/lexgen.names") || strings.HasSuffix(name, "_test.go") || strings.Contains(name, "testdata/") {
			delete(want, name)
		}
	}
	if diff := cmp.Diff(want, readTree(t, filepath.Join(dir, "generated"))); diff != "" {
		t.Errorf("run go generate ./... (-committed +now):\n%s", diff)
	}
}

func TestOutputDoesNotDependOnOrderOrPlace(t *testing.T) {
	t.Run("P49 other files, other order, other folder", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "else where")
		i := 0
		for name, text := range readTree(t, "testdata/lexicons") { // in random order
			i++
			writeFile(t, filepath.Join(dir, "lexicons", strings.Repeat("x", i), strings.ReplaceAll(name, "/", "-")), text)
		}
		config, err := os.ReadFile("testdata/lexgen.json")
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, "lexgen.json"), string(config))
		for range 2 {
			if _, err := generate(t.Context(), filepath.Join(dir, "lexgen.json")); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(readTree(t, "testdata/golden"), readTree(t, filepath.Join(dir, "golden"))); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// testModule makes a module in dir, of files and with ours as its only dependency, and
// vets and tests it. It returns what the tests print.
func testModule(t testing.TB, dir, module string) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	if err := gocommand.WriteModule(dir, module, root); err != nil {
		t.Fatal(err)
	}
	var out []byte
	for _, args := range [][]string{{"vet", "./..."}, {"test", "-v", "."}} {
		if out, err = gocommand.InModule(t.Context(), dir, args...); err != nil {
			t.Fatalf("go %s: %v\n%s", args[0], err, out)
		}
	}
	return string(out)
}

// TestGeneratedCode compiles and vets the packages of testdata and runs
// testdata/roundtrip on them, in a module of their own.
func TestGeneratedCode(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "roundtrip_test.go"), readTree(t, "testdata/roundtrip")["roundtrip_test.go"])
	generated, _ := inTemp(t)
	for name, text := range readTree(t, filepath.Join(generated, "golden")) {
		writeFile(t, filepath.Join(dir, name), text)
	}
	out := testModule(t, dir, "example.test/golden")
	if n := strings.Count(out, "--- PASS"); n < 20 {
		t.Errorf("only %d tests ran:\n%s", n, out)
	}
}

// TestInteropFixtures generates from the lexicons of the interop fixtures and validates
// their records.
func TestInteropFixtures(t *testing.T) {
	fixtures := os.DirFS("../internal/interop/testdata/lexicon")
	dir := t.TempDir()
	for from, to := range map[string]string{"catalog": "lexicons/catalog", ".": "."} {
		sub, err := fs.Sub(fixtures, from)
		if err != nil {
			t.Fatal(err)
		}
		files, err := fs.Glob(sub, "*.json")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			text, err := fs.ReadFile(sub, name)
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(dir, to, name), string(text))
		}
	}
	os.Remove(filepath.Join(dir, "lexicons/catalog/com_atproto_label_defs.json")) // the real one is among the inputs
	if err := os.CopyFS(filepath.Join(dir, "lexicons/vendored"), os.DirFS("../lexicons")); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "lexgen.json"), `{
		"inputs": ["lexicons"], "generate": ["example.lexicon.*"],
		"packages": [
			{"prefixes": ["example.lexicon"], "name": "catalog", "path": "example.test/catalog", "dir": "."},
			{"prefixes": ["com.atproto"], "name": "comatproto", "path": "github.com/gimucco/atproto-go/generated/comatproto", "external": true},
			{"prefixes": ["app.bsky"], "name": "appbsky", "path": "github.com/gimucco/atproto-go/generated/appbsky", "external": true}
		]}`)
	writeFile(t, filepath.Join(dir, "catalog_test.go"), readTree(t, "testdata/catalog")["catalog_test.go"])
	if _, err := generate(t.Context(), filepath.Join(dir, "lexgen.json")); err != nil {
		t.Fatal(err)
	}
	out := testModule(t, dir, "example.test/catalog")
	if n := strings.Count(out, "    --- PASS"); n != 55 {
		t.Errorf("%d tests ran:\n%s", n, out)
	}
}

func TestTextNeverBecomesCode(t *testing.T) {
	t.Run("P43 descriptions, values and defaults", func(t *testing.T) {
		dir, _ := inTemp(t)
		for name, text := range readTree(t, filepath.Join(dir, "golden")) {
			if !strings.HasSuffix(name, ".go") {
				continue
			}
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, name, text, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == "init" {
					t.Errorf("%s has a func init", name)
				}
				if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
					t.Errorf("%s has a package variable", name)
				}
			}
			for line := range strings.Lines(text) {
				line = strings.TrimSpace(line)
				if constraint.IsGoBuild(line) || constraint.IsPlusBuild(line) || strings.HasPrefix(line, "//go:") || strings.HasPrefix(line, "//line") {
					t.Errorf("%s has the directive %s", name, line)
				}
			}
			for _, group := range file.Comments {
				for _, c := range group.List {
					if !strings.HasPrefix(c.Text, "//") {
						t.Errorf("%s has a block comment: %s", name, c.Text)
					}
				}
			}
			if strings.ContainsAny(text, "\x00\r\u2028\u202e\ufeff") {
				t.Errorf("%s has a control character", name)
			}
		}
	})
}
