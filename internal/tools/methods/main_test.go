package main

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestTable(t *testing.T) {
	lexicon := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	table, err := read(fstest.MapFS{
		"com/example/defs.json":  lexicon(`{"id":"com.example.defs","defs":{"thing":{"type":"object"}}}`),
		"com/example/other.json": lexicon(`{"id":"com.example.other","defs":{"main":{"type":"object"}}}`),
		"com/example/put.json":   lexicon(`{"id":"com.example.put","defs":{"main":{"type":"procedure","description":"Puts it. And more.","input":{"encoding":"*/*"},"output":{"encoding":"application/json"}}}}`),
		"com/example/get.json": lexicon(`{"id":"com.example.get","defs":{"main":{"type":"query","parameters":{"type":"params","required":["q"],"properties":{
			"limit":{"type":"integer"},"kinds":{"type":"array","items":{"type":"string","knownValues":["a","b"]}},"q":{"type":"string","enum":["x"],"description":"What to\nlook for."}}}}}}`),
		"com/example/note.json": lexicon(`{"id":"com.example.note","defs":{"main":{"type":"record","key":"tid"}}}`),
		"LICENSE":               lexicon(`no JSON`),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"nsid":"com.example.get","kind":"query","params":[{"name":"q","type":"string","required":true,"values":["x"],"summary":"What to look for"},{"name":"kinds","type":"string","array":true,"values":["a","b"]},{"name":"limit","type":"integer"}]}
{"nsid":"com.example.note","kind":"record","key":"tid"}
{"nsid":"com.example.put","kind":"procedure","summary":"Puts it","input":"*/*","output":"application/json"}
`
	if diff := cmp.Diff(want, string(table)); diff != "" {
		t.Error(diff)
	}
}

func TestTableOfNothing(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{
		"an empty folder": {},
		"no JSON":         {"x.json": &fstest.MapFile{Data: []byte("{")}},
		"another type":    {"x.json": &fstest.MapFile{Data: []byte(`{"id":"a.b.c","defs":{"main":[]}}`)}},
	} {
		if table, err := read(files); err == nil {
			t.Errorf("%s: got %s", name, table)
		}
	}
}

func TestTheCommandsTableIsCurrent(t *testing.T) {
	want, err := read(os.DirFS("../../../lexicons"))
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile("../../../cmd/atproto/methods.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(have) {
		t.Error("cmd/atproto/methods.jsonl is not what the lexicons say: run go generate ./cmd/atproto")
	}
	if n := strings.Count(string(have), "\n"); n < 300 {
		t.Errorf("the table has %d lines", n)
	}
}
