package corpus

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/dave/jennifer/jen"
	"github.com/gimucco/atproto-go/lexgen/internal/gocommand"
	"github.com/gimucco/atproto-go/lexgen/internal/plan"
	"github.com/gimucco/atproto-go/lexgen/internal/program"
	"github.com/gimucco/atproto-go/lexgen/internal/resolve"
	"github.com/gimucco/atproto-go/lexgen/internal/sample"
	"github.com/gimucco/atproto-go/lexgen/internal/schema"
	"github.com/gimucco/atproto-go/lexgen/roundtrip"
)

const (
	samplesFile   = "samples.jsonl"
	roundtripPath = gocommand.Library + "/lexgen/roundtrip"
)

// generatedTypes are the Go names of all types that stand for a whole schema, by what
// package roundtrip calls them.
func generatedTypes(p *program.Program) map[string]plan.Name {
	out := make(map[string]plan.Name)
	for _, pkg := range p.Packages {
		for _, f := range pkg.Files {
			for _, d := range f.Decls {
				switch d := d.(type) {
				case *plan.Struct:
					if d.LexType != "" {
						out[d.LexType] = plan.Name{Path: pkg.Path, Name: d.Name}
					}
				case *plan.Union:
					if d.Message != "" {
						out[d.Message+"(message)"] = plan.Name{Path: pkg.Path, Name: d.Name}
					}
				case *plan.Method:
					if d.Input != nil {
						out[d.NSID+"(input)"] = d.Input.Go
					}
					if d.Output != nil {
						out[d.NSID+"(output)"] = d.Output.Go
					}
				}
			}
		}
	}
	return out
}

// schemas are the schemas of the same names.
func schemas(set *resolve.Set) map[string]schema.Type {
	out := make(map[string]schema.Type)
	for _, doc := range set.Documents() {
		for _, def := range doc.Defs {
			switch t := def.Type.(type) {
			case *schema.Object, *schema.Record:
				out[resolve.ID{NSID: doc.ID, Name: def.Name}.String()] = t
			case *schema.Subscription:
				out[string(doc.ID)+"(message)"] = t.Message
			case *schema.Method:
				if t.Input != nil {
					out[string(doc.ID)+"(input)"] = t.Input.Schema
				}
				if t.Output != nil {
					out[string(doc.ID)+"(output)"] = t.Output.Schema
				}
			}
		}
	}
	return out
}

// WriteRoundtrip writes into dir a test of all types of the program, and the documents
// that it reads. It returns how many types and documents there are.
func WriteRoundtrip(p *program.Program, dir, pkg string) (types, documents int, err error) {
	names := generatedTypes(p)
	all := schemas(p.Set)
	sorted := slices.Sorted(maps.Keys(names))
	entries := jen.Dict{}
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines)
	enc.SetEscapeHTML(false)
	for _, name := range sorted {
		samples := sample.Of(p.Set, all[name])
		if len(samples) == 0 {
			continue // every value is endless
		}
		for _, s := range samples {
			documents++
			if err := enc.Encode(roundtrip.Document{Type: name, Name: s.Name, JSON: s.JSON}); err != nil {
				return 0, 0, err
			}
		}
		types++
		entries[jen.Lit(name)] = jen.Func().Params().Qual(roundtripPath, "Value").Block(jen.Return(jen.New(jen.Qual(names[name].Path, names[name].Name))))
	}
	f := jen.NewFile(pkg)
	for _, pc := range p.Packages {
		f.ImportName(pc.Path, pc.Name)
	}
	f.Func().Id("TestEveryType").Params(jen.Id("t").Op("*").Qual("testing", "T")).Block(
		jen.Qual(roundtripPath, "Run").Call(jen.Id("t"), jen.Lit(samplesFile), jen.Map(jen.String()).Func().Params().Qual(roundtripPath, "Value").Values(entries)),
	)
	var text bytes.Buffer
	if err := f.Render(&text); err != nil {
		return 0, 0, fmt.Errorf("render the test: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "roundtrip_test.go"), text.Bytes(), 0o644); err != nil {
		return 0, 0, err
	}
	return types, documents, os.WriteFile(filepath.Join(dir, samplesFile), lines.Bytes(), 0o644)
}
