package program

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/gimucco/atproto-go/lexgen/internal/input"
	"github.com/gimucco/atproto-go/lexgen/internal/plan"
	"github.com/gimucco/atproto-go/lexgen/internal/schema"
)

// Packages makes one package, in a module, of each authority, the first two segments of its NSIDs.
// Authorities that refer to each other become one package: Go knows no import cycles.
func Packages(module string, docs []*schema.Document) []plan.PackageConfig {
	refers := make(map[string]map[string]bool)
	for _, doc := range docs {
		from := authority(string(doc.ID))
		if refers[from] == nil {
			refers[from] = make(map[string]bool)
		}
		for _, def := range doc.Defs {
			for ref := range schema.References(def.Type) {
				if nsid, _, _ := strings.Cut(ref, "#"); nsid != "" {
					refers[from][authority(nsid)] = true
				}
			}
		}
	}
	reaches := make(map[string]map[string]bool)
	for from := range refers {
		seen := make(map[string]bool)
		todo := []string{from}
		for len(todo) > 0 {
			at := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			for to := range refers[at] {
				if !seen[to] {
					seen[to] = true
					todo = append(todo, to)
				}
			}
		}
		reaches[from] = seen
	}
	var out []plan.PackageConfig
	done, names := make(map[string]bool), make(map[string]bool)
	for _, a := range slices.Sorted(maps.Keys(refers)) {
		if done[a] {
			continue
		}
		var prefixes []string
		for _, b := range slices.Sorted(maps.Keys(refers)) {
			if b == a || reaches[a][b] && reaches[b][a] {
				done[b] = true
				prefixes = append(prefixes, b)
			}
		}
		name := packageName(a)
		for i := 2; names[name]; i++ {
			name = packageName(a) + strconv.Itoa(i)
		}
		names[name] = true
		out = append(out, plan.PackageConfig{Prefixes: prefixes, Name: name, Path: module + "/" + name, Dir: name})
	}
	return out
}

func authority(nsid string) string {
	segments := strings.SplitN(nsid, ".", 3)
	return strings.Join(segments[:min(2, len(segments))], ".")
}

// packageName makes a name that is no keyword and no name the go command treats
// specially.
func packageName(authority string) string {
	name := strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, authority)
	if name == "" || name[0] < 'a' {
		name = "x" + name
	}
	return name
}

// maxRenames is how many clashes of names are settled before giving up.
const maxRenames = 1000

// Guess plans lexicons that nobody has written a config for: all of a library. It settles clashes of names as the errors
// about them advise, and returns what was renamed. Render makes the code.
func Guess(lib *input.Library, packages []plan.PackageConfig, allowMissing bool) (*Program, map[string]string, error) {
	renames := make(map[string]string)
	cfg := &plan.Config{Packages: packages, AllowMissing: allowMissing, Rename: renames}
	for _, nsid := range lib.NSIDs() {
		cfg.Generate = append(cfg.Generate, string(nsid))
	}
	for {
		prog, err := planOf(lib, cfg, false)
		if err == nil {
			return prog, renames, nil
		}
		progress := false
		for _, c := range plan.Clashes(err) {
			if c.Key == "" || len(renames) >= maxRenames {
				continue
			}
			renames[c.Key] = c.Proposal
			progress = true
		}
		if !progress {
			return nil, nil, err
		}
	}
}
