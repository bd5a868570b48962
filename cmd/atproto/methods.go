package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

//go:generate go run ../../internal/tools/methods -lexicons ../../lexicons -out methods.jsonl

// methodTable says of every method and record of the lexicons of this module what a command
// line needs to know.
//
//go:embed methods.jsonl
var methodTable []byte

// A method is a line of the table. The name is that of a record where Kind is "record".
type method struct {
	NSID    syntax.NSID `json:"nsid"`
	Kind    string      `json:"kind"`
	Summary string      `json:"summary"`
	Params  []parameter `json:"params"`
	Input   string      `json:"input"`
	Output  string      `json:"output"`
}

// A parameter is one of a method.
type parameter struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"` // "string", "integer", "boolean"
	Array    bool     `json:"array"`
	Required bool     `json:"required"`
	Values   []string `json:"values"` // those that are known; there may be others
	Summary  string   `json:"summary"`
}

// methods reads the lines of the table that have one of the kinds.
func methods(kinds ...string) []method {
	var all []method
	for line := range bytes.Lines(methodTable) {
		var m method
		if err := json.Unmarshal(line, &m); err != nil {
			panic(err) // it is part of the program, and a test reads it
		}
		if slices.Contains(kinds, m.Kind) {
			all = append(all, m)
		}
	}
	return all
}

// methodNamed returns what is known of a query, procedure or subscription, nil if nothing is.
func methodNamed(nsid syntax.NSID) *method {
	all := methods("query", "procedure", "subscription")
	i := slices.IndexFunc(all, func(m method) bool { return m.NSID == nsid })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// param returns the parameter of a name, nil if the method has none.
func (m *method) param(name string) *parameter {
	i := slices.IndexFunc(m.Params, func(p parameter) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return &m.Params[i]
}

// nearest returns the name that is most like what was typed, "" if none is.
func nearest(typed string, names []string) string {
	best, distance := "", len(typed)/4+2
	for _, name := range names {
		if d := editDistance(strings.ToLower(typed), strings.ToLower(name)); d < distance {
			best, distance = name, d
		}
	}
	return best
}

// nearestName returns the name of the kinds that is most like one that is not known, "" if none is.
func nearestName(nsid syntax.NSID, kinds ...string) string {
	var names []string
	for _, m := range methods(kinds...) {
		names = append(names, string(m.NSID))
	}
	return nearest(string(nsid), names)
}

// editDistance counts the letters to change, to add and to take away.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			same := 1
			if a[i] == b[j] {
				same = 0
			}
			row[j+1] = min(above+1, row[j]+1, before+same)
			before = above
		}
	}
	return row[len(b)]
}

// A typedParam is a parameter as it was typed.
type typedParam struct{ name, value string }

// typedParams are what is sent as it was typed.
type typedParams []typedParam

// EncodeQuery implements xrpc.Params.
func (t typedParams) EncodeQuery(q *xrpc.Query) {
	for _, p := range t {
		q.String(p.name, p.value)
	}
}

// readParams splits "name=value".
func readParams(given []string) (typedParams, error) {
	var typed typedParams
	for _, text := range given {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--param: %q is not name=value: write --param limit=10", text)
		}
		typed = append(typed, typedParam{name, value})
	}
	return typed, nil
}

// check holds parameters to what is known of the method.
func (m *method) check(given typedParams) error {
	seen := make(map[string]bool)
	for _, g := range given {
		p := m.param(g.name)
		if p == nil {
			var names []string
			for _, known := range m.Params {
				names = append(names, known.Name)
			}
			if len(names) == 0 {
				return fmt.Errorf("--param: %s has no parameters, and so no %q", m.NSID, g.name)
			}
			if near := nearest(g.name, names); near != "" {
				return fmt.Errorf("--param: %s has no %q: did you mean %s?", m.NSID, g.name, near)
			}
			return fmt.Errorf("--param: %s has no %q: it has %s", m.NSID, g.name, strings.Join(names, ", "))
		}
		if seen[p.Name] && !p.Array {
			return fmt.Errorf("--param: %s is there twice: %s takes one", p.Name, m.NSID)
		}
		seen[p.Name] = true
		if err := p.checkValue(g.value); err != nil {
			return fmt.Errorf("--param: %s: %w", p.Name, err)
		}
	}
	for _, p := range m.Params {
		if p.Required && !seen[p.Name] {
			return fmt.Errorf("--param: %s needs %s: give --param %s=…", m.NSID, p.Name, p.Name)
		}
	}
	return nil
}

func (p *parameter) checkValue(value string) error {
	switch p.Type {
	case "integer":
		if _, err := strconv.ParseInt(value, 10, 64); err != nil {
			return fmt.Errorf("%q is not a whole number", value)
		}
	case "boolean":
		if value != "true" && value != "false" {
			return fmt.Errorf("%q is neither true nor false", value)
		}
	}
	return nil
}

// completeMethods completes the names of the kinds.
func completeMethods(kinds ...string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		var names []string
		for _, m := range methods(kinds...) {
			if strings.HasPrefix(string(m.NSID), begun) && !slices.Contains(args, string(m.NSID)) {
				names = append(names, cobra.CompletionWithDesc(string(m.NSID), m.Summary))
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeParam completes the parameters of the method in the first argument, and the values
// of those whose values are known.
func completeParam(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	var m *method
	if len(args) > 0 {
		m = methodNamed(syntax.NSID(args[0]))
	}
	if m == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	if name, value, ok := strings.Cut(begun, "="); ok {
		p := m.param(name)
		if p == nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		values := p.Values
		if p.Type == "boolean" {
			values = []string{"true", "false"}
		}
		var found []string
		for _, v := range values {
			if strings.HasPrefix(v, value) {
				found = append(found, name+"="+v)
			}
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
	var found []string
	for _, p := range m.Params {
		if strings.HasPrefix(p.Name, begun) {
			found = append(found, cobra.CompletionWithDesc(p.Name+"=", p.Summary))
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}
