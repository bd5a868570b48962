package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/lexgen/internal/input"
	"github.com/gimucco/atproto-go/lexgen/internal/plan"
	"github.com/gimucco/atproto-go/lexgen/internal/program"
	"github.com/gimucco/atproto-go/lexgen/internal/schema"
)

// A clasher makes lexicons whose Go names are likely to be the same.
type clasher struct{ *rand.Rand }

func (c clasher) of(words ...string) string { return words[c.IntN(len(words))] }

func (c clasher) some(most int, item func() string) string {
	seen := make(map[string]bool)
	var out []string
	for range c.IntN(most + 1) {
		text := item()
		if name, _, _ := strings.Cut(text, ":"); !seen[name] {
			seen[name] = true
			out = append(out, text)
		}
	}
	return strings.Join(out, ", ")
}

// name is of few letters, so that the same comes again, and of the words that the generator puts in front and behind.
func (c clasher) name() string {
	return c.of("a", "A", "aB", "t", "newA") + c.of("", "", "Union", "Message", "Params", "Input", "Output", "Item", "NSID", "Service", "Pages", "All", "Limits", "X", "2", "A", "B", "On")
}

func (c clasher) value() string {
	return fmt.Sprintf("%q", c.of("on", "On", "ON", "o-n", "!on", "on2", "+", "-", "👍", "", "1", "+1", "a", "A", "nsid"))
}

func (c clasher) data(depth int) string {
	switch kind := c.IntN(9); {
	case kind == 0:
		return `{"type": "string", "enum": [` + c.some(4, c.value) + `]}`
	case kind == 1:
		return `{"type": "string", "knownValues": [` + c.some(6, c.value) + `]}`
	case kind == 2:
		return `{"type": "union", "refs": [` + c.some(2, func() string { return c.of(`"#o"`, `"com.example.o#o"`) }) + `]}`
	case kind == 3:
		return `{"type": "blob", "maxSize": 5}`
	case kind == 4 && depth < 3:
		return `{"type": "array", "items": ` + c.data(depth+1) + `}`
	case kind <= 6 && depth < 3:
		return `{"type": "object", "properties": {` + c.properties(depth+1) + `}}`
	case kind == 7:
		return `{"type": "ref", "ref": "com.example.o#o"}`
	}
	return `{"type": "integer"}`
}

func (c clasher) properties(depth int) string {
	return c.some(5, func() string { return fmt.Sprintf("%q: %s", c.name(), c.data(depth)) })
}

func (c clasher) main() string {
	body := func() string {
		return `{"encoding": "application/json", "schema": {"type": "object", "properties": {"cursor": {"type": "string"}, ` + c.list() + `}}}`
	}
	errors := `"errors": [` + c.some(3, func() string { return `{"name": ` + c.of(`"Gone"`, `"gone"`, `"GONE"`, `"go-ne"`, `"A"`) + `}` }) + `]`
	switch c.IntN(5) {
	case 0:
		return `{"type": "query", "parameters": {"type": "params", "properties": {"cursor": {"type": "string"}, "k": {"type": "string", "knownValues": [` + c.some(3, c.value) + `]}}}, "output": ` + body() + `, ` + errors + `}`
	case 1:
		return `{"type": "procedure", "input": ` + body() + `, "output": ` + body() + `, ` + errors + `}`
	case 2:
		return `{"type": "subscription", "message": {"schema": {"type": "union", "refs": ["#o"]}}, ` + errors + `}`
	case 3:
		return `{"type": "record", "key": "any", "record": {"type": "object", "properties": {` + c.properties(0) + `}}}`
	}
	return `{"type": "object", "properties": {` + c.properties(0) + `}}`
}

func (c clasher) list() string {
	return fmt.Sprintf(`"items": {"type": "array", "items": %s}`, c.data(2))
}

// library is some lexicons.
func (c clasher) library(t testing.TB) *input.Library {
	docs := make(map[string]*schema.Document)
	add := func(nsid, defs string) {
		doc, err := schema.Parse(nsid+".json", []byte(document(nsid, defs)))
		if err != nil {
			t.Fatalf("%v\n%s", err, defs)
		}
		docs[nsid] = doc
	}
	for range 8 + c.IntN(12) {
		nsid := "com.example." + c.of("", "", "a.", "a.b.", "newA.") + c.name()
		add(nsid, `"o": {"type": "object", "properties": {}}, "main": `+c.main()+c.of("", `, "message": {"type": "object", "properties": {}}`, `, "k": `+c.data(3))[0:])
	}
	add("com.example.o", `"o": {"type": "object", "properties": {}}`)
	var all []*schema.Document
	for _, doc := range docs {
		all = append(all, doc)
	}
	return input.Of(all...)
}

// clash generates from lexicons that a seed makes: all names that clash are settled by what the errors propose, and what
// is generated is Go.
func clash(t testing.TB, c *typeChecker, seed uint64) (renamed int) {
	lib := clasher{rand.New(rand.NewPCG(seed, 1))}.library(t)
	packages := []plan.PackageConfig{{Prefixes: []string{"com.example"}, Name: "comexample", Path: "x.test/comexample", Dir: "comexample"}}
	prog, renames, err := program.Guess(lib, packages, false)
	if err != nil {
		t.Errorf("seed %d: %v", seed, err)
		return 0
	}
	if err := prog.Render(); err != nil {
		t.Errorf("seed %d: %v", seed, err)
		return 0
	}
	if err := c.check(prog); err != nil {
		t.Errorf("seed %d: %v", seed, err)
	}
	return len(renames)
}

func TestNamesAimedAtClashes(t *testing.T) {
	c := newTypeChecker(t)
	t.Run("P95 what is proposed settles every clash", func(t *testing.T) {
		renamed := 0
		for seed := range uint64(20) {
			renamed += clash(t, c, seed)
		}
		if renamed < 20 {
			t.Errorf("only %d names clashed: the lexicons are too kind", renamed)
		}
	})
}

func FuzzNamesAimedAtClashes(f *testing.F) {
	c := newTypeChecker(f)
	for seed := range uint64(4) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) { clash(t, c, seed) })
}
