// Command methods writes the table by which the command atproto knows methods and records: a
// line of JSON for each query, procedure, subscription and record of a folder of lexicons, in
// the order of their names.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	lexicons := flag.String("lexicons", "lexicons", "folder of lexicons")
	out := flag.String("out", "methods.jsonl", "file to write")
	flag.Parse()
	if err := run(*lexicons, *out); err != nil {
		fmt.Fprintln(os.Stderr, "methods:", err)
		os.Exit(1)
	}
}

func run(lexicons, out string) error {
	table, err := read(os.DirFS(lexicons))
	if err != nil {
		return err
	}
	if err := os.WriteFile(out+".new", table, 0o644); err != nil {
		return err
	}
	return os.Rename(out+".new", out)
}

// A line is what the table says of one name.
type line struct {
	NSID    string  `json:"nsid"`
	Kind    string  `json:"kind"`
	Summary string  `json:"summary,omitempty"`
	Params  []param `json:"params,omitempty"`
	Input   string  `json:"input,omitempty"`
	Output  string  `json:"output,omitempty"`
	Key     string  `json:"key,omitempty"`
}

type param struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"`
	Array    bool     `json:"array,omitempty"`
	Required bool     `json:"required,omitempty"`
	Values   []string `json:"values,omitempty"`
	Summary  string   `json:"summary,omitempty"`
}

// A schema is what is read of a definition in a lexicon.
type schema struct {
	Type        string            `json:"type"`
	Description string            `json:"description"`
	Key         string            `json:"key"`
	Required    []string          `json:"required"`
	Properties  map[string]schema `json:"properties"`
	Items       *schema           `json:"items"`
	Enum        []any             `json:"enum"` // strings or integers
	KnownValues []string          `json:"knownValues"`
	Parameters  *schema           `json:"parameters"`
	Input       *body             `json:"input"`
	Output      *body             `json:"output"`
}

type body struct {
	Encoding string `json:"encoding"`
}

// read makes the table.
func read(lexicons fs.FS) ([]byte, error) {
	var lines []line
	err := fs.WalkDir(lexicons, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".json" {
			return err
		}
		data, err := fs.ReadFile(lexicons, name)
		if err != nil {
			return err
		}
		var document struct {
			ID   string                     `json:"id"`
			Defs map[string]json.RawMessage `json:"defs"`
		}
		if err := json.Unmarshal(data, &document); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		main, ok := document.Defs["main"]
		if !ok {
			return nil
		}
		var s schema
		if err := json.Unmarshal(main, &s); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		switch s.Type {
		case "query", "procedure", "subscription", "record":
			lines = append(lines, lineOf(document.ID, s))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("there are no methods in this folder")
	}
	slices.SortFunc(lines, func(a, b line) int { return strings.Compare(a.NSID, b.NSID) })
	var table bytes.Buffer
	e := json.NewEncoder(&table)
	e.SetEscapeHTML(false)
	for _, l := range lines {
		if err := e.Encode(l); err != nil {
			return nil, err
		}
	}
	return table.Bytes(), nil
}

func lineOf(nsid string, s schema) line {
	l := line{NSID: nsid, Kind: s.Type, Summary: summary(s.Description), Key: s.Key}
	if s.Input != nil {
		l.Input = s.Input.Encoding
	}
	if s.Output != nil {
		l.Output = s.Output.Encoding
	}
	if s.Parameters == nil {
		return l
	}
	for name, property := range s.Parameters.Properties {
		p := param{Name: name, Required: slices.Contains(s.Parameters.Required, name), Summary: summary(property.Description)}
		if property.Type == "array" && property.Items != nil {
			p.Array, property = true, *property.Items
		}
		p.Type, p.Values = property.Type, property.KnownValues
		for _, value := range property.Enum {
			p.Values = append(p.Values, fmt.Sprint(value))
		}
		l.Params = append(l.Params, p)
	}
	slices.SortFunc(l.Params, func(a, b param) int {
		if a.Required != b.Required {
			if a.Required {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
	return l
}

// summary is the first sentence of a description, on one line and not long.
func summary(description string) string {
	const longest = 100
	text := strings.Join(strings.Fields(description), " ")
	if end := strings.Index(text, ". "); end >= 0 {
		text = text[:end]
	}
	text = strings.TrimSuffix(text, ".")
	if runes := []rune(text); len(runes) > longest {
		text = strings.TrimRight(string(runes[:longest]), " ") + "…"
	}
	return text
}
