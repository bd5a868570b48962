package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/lexgen/internal/corpus"
	"github.com/gimucco/atproto-go/lexgen/internal/input"
	"github.com/gimucco/atproto-go/lexgen/internal/output"
	"github.com/gimucco/atproto-go/lexgen/internal/plan"
	"github.com/gimucco/atproto-go/lexgen/internal/program"
)

// TestEveryType takes every type of the vendored lexicons through package roundtrip:
// those in generated/, and those of the authorities that we do not ship.
func TestEveryType(t *testing.T) {
	cfg, err := program.ReadConfig("../lexgen.json")
	if err != nil {
		t.Fatal(err)
	}
	lib, err := input.Read(t.Context(), "..", cfg.Inputs)
	if err != nil {
		t.Fatal(err)
	}
	const module = "example.test/every"
	for prefix, name := range map[string]string{"com.germnetwork": "germnetwork", "site.standard": "standard"} {
		cfg.Packages = append(cfg.Packages, plan.PackageConfig{Prefixes: []string{prefix}, Name: name, Path: module + "/" + name, Dir: name})
		cfg.Generate = append(cfg.Generate, prefix+".*")
	}
	prog, err := program.Compile(lib, &cfg.Config, true)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range prog.Folders(dir) {
		if !strings.Contains(f.Dir, "generated") { // those are in the library
			if _, err := output.Write(t.Context(), []output.Folder{f}); err != nil {
				t.Fatal(err)
			}
		}
	}
	types, documents, err := corpus.WriteRoundtrip(prog, dir, "every")
	if err != nil {
		t.Fatal(err)
	}
	if types < 750 || documents < 7*types {
		t.Errorf("only %d documents of %d types", documents, types)
	}
	t.Logf("%d documents of %d types", documents, types)
	out := testModule(t, dir, module)
	t.Log(out[strings.LastIndex(out, "--- "):])
	if want := fmt.Sprintf("%d documents of %d types", documents, types); !strings.Contains(out, want) {
		t.Errorf("not %s: %s", want, out)
	}
}
