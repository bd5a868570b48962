package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/lexgen/internal/input"
	"github.com/gimucco/atproto-go/lexgen/internal/plan"
	"github.com/gimucco/atproto-go/lexgen/internal/program"
	"github.com/gimucco/atproto-go/lexgen/internal/schema"
)

// A typeChecker checks generated packages against the real runtime.
type typeChecker struct {
	fset    *token.FileSet
	library types.Importer
}

func newTypeChecker(t testing.TB) *typeChecker {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}", "../xrpc", "../xrpc/paging")
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	exports := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "\t")
		exports[path] = file
	}
	c := &typeChecker{fset: token.NewFileSet()}
	c.library = importer.ForCompiler(c.fset, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("%s is not part of the runtime", path)
		}
		return os.Open(exports[path])
	})
	return c
}

// imported finds packages of the program first.
type imported struct {
	own     map[string]*types.Package
	library types.Importer
}

func (i imported) Import(path string) (*types.Package, error) {
	if p := i.own[path]; p != nil {
		return p, nil
	}
	return i.library.Import(path)
}

// check parses and type-checks all of the program.
func (c *typeChecker) check(prog *program.Program) error {
	own := make(map[string]*types.Package)
	todo := make([]int, len(prog.Packages))
	for i := range todo {
		todo[i] = i
	}
	for len(todo) > 0 {
		before := len(todo)
		var last error
		todo = slices.DeleteFunc(todo, func(i int) bool {
			p := prog.Packages[i]
			var files []*ast.File
			for _, f := range prog.Files[i] {
				if !strings.HasSuffix(f.Name, ".go") {
					continue
				}
				file, err := parser.ParseFile(c.fset, p.Name+"/"+f.Name, f.Code, parser.ParseComments|parser.SkipObjectResolution)
				if err != nil {
					last = fmt.Errorf("%w\n%s", err, f.Code)
					return false
				}
				files = append(files, file)
			}
			conf := types.Config{Importer: imported{own, c.library}}
			pkg, err := conf.Check(p.Path, c.fset, files, nil)
			if err != nil {
				last = err
				return false
			}
			own[p.Path] = pkg
			return true
		})
		if len(todo) == before { // nobody else's package is missing
			return last
		}
	}
	return nil
}

// A mutator changes documents at random, but so that they mostly stay lexicons: it
// moves, copies and renames parts of them, and puts in text that is meant to do harm.
type mutator struct {
	*rand.Rand
	docs []any
}

var words = []string{
	"", "main", "type", "func", "range", "ctx", "opts", "params", "input", "body", "s", "d", "e", "u", "m", "key", "seen", "lex", "xrpc", "string", "int64", "error", "nil", "true", "len", "new",
	"Extra", "extra", "Value", "lexType", "LexType", "decodeLex", "MarshalJSON", "Client", "client", "records", "newClient", "Validate", "NSID", "cursor", "$type", "$link", "_", "1st", "foo.bar", "foo-bar", "é", "日本",
	"\n}; func init() { panic(1) }", "*/ func init() {} /*", "`+panic(1)+`", "//go:embed /etc/passwd", "\u2028", "\u202e", "\x00", "+build ignore", "a\"b\\c",
	"object", "record", "query", "procedure", "subscription", "array", "ref", "union", "unknown", "blob", "bytes", "cid-link", "token", "boolean", "integer", "params", "permission-set",
	"#main", "#part", "com.example.thing.kitchen", "com.example.thing.kitchen#part", "com.example.thing.tree", "org.other.defs#b", "com.example.none", "application/json", "*/*", "image/png", "did", "datetime", "any", "literal:self",
}

func (m *mutator) word() string { return words[m.IntN(len(words))] }

// anywhere returns a value from somewhere in the documents.
func (m *mutator) anywhere() any {
	v := m.docs[m.IntN(len(m.docs))]
	for range m.IntN(12) {
		switch c := v.(type) {
		case map[string]any:
			if len(c) > 0 {
				v = c[m.keyOf(c)]
			}
		case []any:
			if len(c) > 0 {
				v = c[m.IntN(len(c))]
			}
		}
	}
	return copyOf(v)
}

func copyOf(v any) any {
	switch c := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(c))
		for k, v := range c {
			out[k] = copyOf(v)
		}
		return out
	case []any:
		out := make([]any, len(c))
		for i, v := range c {
			out[i] = copyOf(v)
		}
		return out
	}
	return v
}

func (m *mutator) keyOf(c map[string]any) string {
	return slices.Sorted(maps.Keys(c))[m.IntN(len(c))]
}

// change changes something at or below v and returns what takes its place.
func (m *mutator) change(v any, depth int) any {
	switch c := v.(type) {
	case map[string]any:
		if len(c) > 0 && (depth < 3 || m.IntN(4) > 0) {
			k := m.keyOf(c)
			c[k] = m.change(c[k], depth+1)
			return c
		}
		switch m.IntN(5) {
		case 0:
			if len(c) > 0 {
				delete(c, m.keyOf(c))
			}
		case 1:
			c[m.word()] = m.anywhere()
		case 2:
			if len(c) > 0 {
				k := m.keyOf(c)
				c[m.word()] = c[k]
				delete(c, k)
			}
		case 3:
			if len(c) > 0 {
				c["required"] = []any{m.keyOf(c)}
			}
		default:
			return m.anywhere()
		}
		return c
	case []any:
		if len(c) > 0 && m.IntN(2) > 0 {
			i := m.IntN(len(c))
			c[i] = m.change(c[i], depth+1)
			return c
		}
		return append(c, m.anywhere())
	case string:
		return m.word()
	case bool:
		return !c
	case float64:
		return []any{-1.0, 0.0, 1.0, 64.0, 1.5}[m.IntN(5)]
	}
	return m.anywhere()
}

// objects are all schemas in the documents that have properties.
func (m *mutator) objects() []map[string]any {
	var out []map[string]any
	var walk func(any)
	walk = func(v any) {
		switch c := v.(type) {
		case map[string]any:
			if p, ok := c["properties"].(map[string]any); ok && len(p) > 0 {
				out = append(out, c)
			}
			for _, k := range slices.Sorted(maps.Keys(c)) {
				walk(c[k])
			}
		case []any:
			for _, v := range c {
				walk(v)
			}
		}
	}
	walk(m.docs)
	return out
}

// reshape changes the properties of an object, into others that lexicons have.
func (m *mutator) reshape() {
	objects := m.objects()
	to, from := objects[m.IntN(len(objects))], objects[m.IntN(len(objects))]
	properties, others := to["properties"].(map[string]any), from["properties"].(map[string]any)
	name := m.keyOf(properties)
	switch m.IntN(5) {
	case 0:
		properties[m.word()] = copyOf(others[m.keyOf(others)])
	case 1:
		properties[name] = copyOf(others[m.keyOf(others)])
	case 2:
		properties[name] = map[string]any{"type": "array", "items": properties[name]}
	case 3:
		to["required"] = []any{name}
	case 4:
		to["nullable"] = []any{name}
	}
}

// lexicons parses the changed documents.
func (m *mutator) lexicons(t testing.TB, names []string) (*input.Library, error) {
	var docs []*schema.Document
	for i, doc := range m.docs {
		text, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		d, err := schema.Parse(names[i], text)
		if err != nil {
			return nil, err
		}
		docs = append(docs, d)
	}
	return input.Of(docs...), nil
}

// seeds are the lexicons of testdata.
func seeds(t testing.TB) (names []string, docs []any, cfg *plan.Config) {
	t.Helper()
	config, err := program.ReadConfig("testdata/lexgen.json")
	if err != nil {
		t.Fatal(err)
	}
	tree := readTree(t, "testdata/lexicons")
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		var doc any
		if err := json.Unmarshal([]byte(tree[name]), &doc); err != nil {
			t.Fatal(err)
		}
		names, docs = append(names, name), append(docs, doc)
	}
	return names, docs, &config.Config
}

// mutate generates from lexicons changed in a way that seed and changes fix. Whatever
// comes out has to be Go; what is refused has to be refused with a place.
func mutate(t testing.TB, c *typeChecker, names []string, docs []any, cfg *plan.Config, seed uint64, changes int) (generated bool) {
	m := &mutator{Rand: rand.New(rand.NewPCG(seed, 0))}
	for _, d := range docs {
		m.docs = append(m.docs, copyOf(d))
	}
	for range changes {
		if m.IntN(3) > 0 {
			m.reshape()
			continue
		}
		i := m.IntN(len(m.docs))
		m.docs[i] = m.change(m.docs[i], 0)
	}
	lexicons, err := m.lexicons(t, names)
	if err == nil {
		var prog *program.Program
		if prog, err = program.Compile(lexicons, cfg, seed%2 == 0); err == nil {
			if err := c.check(prog); err != nil {
				t.Errorf("seed %d, %d changes: %v", seed, changes, err)
			}
			return true
		}
	}
	for line := range strings.Lines(err.Error()) {
		if !strings.Contains(line, ".json") && !strings.HasPrefix(line, "config: ") && !strings.HasPrefix(line, "package ") {
			t.Errorf("seed %d, %d changes: an error without a place: %s", seed, changes, line)
		}
	}
	return false
}

func TestMutatedLexiconsGenerateGoOrAnError(t *testing.T) {
	c := newTypeChecker(t)
	names, docs, cfg := seeds(t)
	if !mutate(t, c, names, docs, cfg, 0, 0) {
		t.Fatal("the lexicons are refused unchanged")
	}
	runs, generated := 200, 0
	for seed := range runs {
		if mutate(t, c, names, docs, cfg, uint64(seed), 1+seed%3) {
			generated++
		}
	}
	t.Logf("%d of %d runs generated something", generated, runs)
	if generated < runs/5 || generated == runs {
		t.Errorf("%d of %d runs generated something: changes are too hard or too soft", generated, runs)
	}
}

func FuzzGeneratedCodeTypeChecks(f *testing.F) {
	c := newTypeChecker(f)
	names, docs, cfg := seeds(f)
	for seed := range uint64(8) {
		f.Add(seed, uint8(seed))
	}
	f.Fuzz(func(t *testing.T, seed uint64, changes uint8) {
		mutate(t, c, names, docs, cfg, seed, int(changes%8))
	})
}

func FuzzParse(f *testing.F) {
	for _, text := range readTree(f, "testdata/lexicons") {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := schema.Parse("a.json", data)
		if err == nil && doc == nil { // a document may define nothing (P98)
			t.Error("neither a document nor an error")
		}
		if err != nil && !bytes.Contains([]byte(err.Error()), []byte("a.json")) {
			t.Errorf("an error without a file: %v", err)
		}
	})
}
