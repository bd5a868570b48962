// Package mutant reads the list of protections and of the changes that take them out.
//
// The list consists of blocks in text files, separated by blank lines:
//
//	mutant state is taken without looking who was first
//	items O59 P27
//	file oauth/callback.go
//	test ./oauth TestStateIsTakenOnce
//	-	switch err := c.store.Delete(ctx, key, r.Revision); {
//	+	switch err := error(nil); {
//
// The lines after the minus signs must occur exactly once in the file; the lines after the plus
// signs replace them. Several such groups are applied in turn. "test" names a package and a -run
// pattern. "items" are the demands that the test proves; they may be missing. A line "hangs" says
// that the test should not end. Lines that begin with # are comments.
package mutant

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A Mutant is one protection taken out.
type Mutant struct {
	Name    string
	Items   []string
	File    string // the file to change, relative to the root of the module, with slashes
	Package string // package of the test, in the form of the go command
	Run     string // -run pattern
	Hangs   bool
	Changes []Change
	Source  string // file and line of the block
}

// A Change replaces Old, which occurs once, by New.
type Change struct{ Old, New string }

// ReadFolder reads the lists in a folder: its .txt files, in the order of their names. Names of
// mutants must be unique in all of them.
func ReadFolder(dir string) ([]Mutant, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	var all []Mutant
	seen := make(map[string]string)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		mutants, err := Parse(filepath.Base(file), string(text))
		if err != nil {
			return nil, err
		}
		for _, m := range mutants {
			if other := seen[m.Name]; other != "" {
				return nil, fmt.Errorf("%s: %q is the name of a mutant at %s", m.Source, m.Name, other)
			}
			seen[m.Name] = m.Source
		}
		all = append(all, mutants...)
	}
	return all, nil
}

// Parse parses one list. name is the name of its file, for messages.
func Parse(name, text string) ([]Mutant, error) {
	var all []Mutant
	var m *Mutant
	var old, new []string
	minus := false // the last line began with a minus sign
	change := func() {
		if len(old) > 0 {
			m.Changes = append(m.Changes, Change{strings.Join(old, "\n"), strings.Join(new, "\n")})
		}
		old, new = nil, nil
	}
	finish := func() error {
		if m == nil {
			return nil
		}
		change()
		for _, missing := range []struct {
			is   bool
			what string
		}{
			{m.Name == "", "name"}, {m.File == "", "file"}, {m.Package == "" || m.Run == "", "test"}, {len(m.Changes) == 0, "change"},
		} {
			if missing.is {
				return fmt.Errorf("%s: the mutant has no %s", m.Source, missing.what)
			}
		}
		all = append(all, *m)
		m = nil
		return nil
	}
	for i, line := range strings.Split(text, "\n") {
		at := fmt.Sprintf("%s:%d", name, i+1)
		line = strings.TrimSuffix(line, "\r")
		word, rest, _ := strings.Cut(line, " ")
		rest = strings.TrimSpace(rest)
		wasMinus := minus
		minus = false
		switch {
		case strings.HasPrefix(line, "#"):
			minus = wasMinus
		case strings.TrimSpace(line) == "":
			if err := finish(); err != nil {
				return nil, err
			}
		case word == "mutant":
			if m != nil {
				return nil, fmt.Errorf("%s: a mutant begins without a blank line before it", at)
			}
			m = &Mutant{Name: rest, Source: at}
		case m == nil:
			return nil, fmt.Errorf("%s: %q belongs to no mutant", at, line)
		case line[0] == '-':
			if !wasMinus {
				change()
			}
			old = append(old, line[1:])
			minus = true
		case line[0] == '+':
			if len(old) == 0 {
				return nil, fmt.Errorf("%s: it says what to put, and not in place of what", at)
			}
			new = append(new, line[1:])
		case word == "items":
			m.Items = strings.Fields(rest)
		case word == "file":
			m.File = rest
		case word == "test":
			m.Package, m.Run, _ = strings.Cut(rest, " ")
			m.Run = strings.TrimSpace(m.Run)
		case line == "hangs":
			m.Hangs = true
		default:
			return nil, fmt.Errorf("%s: %q is not understood", at, line)
		}
	}
	return all, finish()
}

// Apply returns text with the changes, made one after the other.
func (m *Mutant) Apply(text string) (string, error) {
	for _, c := range m.Changes {
		if n := strings.Count(text, c.Old); n != 1 {
			return "", fmt.Errorf("%s has %d places, not one, that read\n%s", m.File, n, c.Old)
		}
		text = strings.Replace(text, c.Old, c.New, 1)
	}
	return text, nil
}
