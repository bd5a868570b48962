package plan

import (
	"cmp"
	"errors"
	"fmt"
	"go/token"
	"slices"
	"strings"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Config says what is generated, and where.
type Config struct {
	Packages []PackageConfig   `json:"packages"`
	Generate []string          `json:"generate"`         // NSIDs, or prefixes ending in ".*"
	Skip     []string          `json:"skip,omitempty"`   // likewise, taken out of Generate
	Direct   []string          `json:"direct,omitempty"` // prefixes of the methods that are the PDS's own
	Rename   map[string]string `json:"rename,omitempty"` // "nsid:path" of a schema → Go name

	// Manifests are those of external packages, by import path. Of a package without one the names are guessed.
	Manifests map[string]Manifest `json:"-"`

	// AllowMissing keeps values whose lexicon is not among the inputs as lex.Any.
	AllowMissing bool `json:"allowMissing,omitempty"`
}

// A PackageConfig maps prefixes of NSIDs to a Go package.
type PackageConfig struct {
	Prefixes []string `json:"prefixes"` // "com.atproto"
	Name     string   `json:"name"`
	Path     string   `json:"path"`               // import path
	Dir      string   `json:"dir,omitempty"`      // relative to the config file
	External bool     `json:"external,omitempty"` // exists already: referred to, not generated
}

// Validate checks a Config as far as it can be without lexicons.
func (c *Config) Validate() error {
	prefixes, paths := make(map[string]string), make(map[string]string)
	for _, p := range c.Packages {
		if !token.IsIdentifier(p.Name) || p.Name != strings.ToLower(p.Name) {
			return fmt.Errorf("packages: %q is not a name of a package", p.Name)
		}
		if p.Path == "" || len(p.Prefixes) == 0 {
			return fmt.Errorf("packages: %s needs a path and prefixes", p.Name)
		}
		if p.External == (p.Dir != "") {
			return fmt.Errorf("packages: %s needs either a dir or \"external\": true", p.Name)
		}
		if other, ok := paths[p.Path]; ok {
			return fmt.Errorf("packages: %s and %s have one path, %s; give each its own, or one of them all prefixes", other, p.Name, p.Path)
		}
		paths[p.Path] = p.Name
		for _, prefix := range p.Prefixes {
			if err := checkPrefix("packages: "+p.Name, prefix); err != nil {
				return err
			}
			if other, ok := prefixes[prefix]; ok {
				return fmt.Errorf("packages: prefix %s belongs to both %s and %s", prefix, other, p.Name)
			}
			prefixes[prefix] = p.Name
		}
	}
	for key, name := range c.Rename {
		if !token.IsIdentifier(name) || !token.IsExported(name) {
			return fmt.Errorf("rename: %s: %q is not an exported Go name", key, name)
		}
	}
	for _, prefix := range c.Direct {
		if err := checkPrefix("direct", prefix); err != nil {
			return err
		}
	}
	if len(c.Generate) == 0 {
		return fmt.Errorf("generate: names nothing")
	}
	return nil
}

// checkPrefix refuses what is a pattern of Generate. A prefix means all that is below it.
func checkPrefix(where, prefix string) error {
	plain := strings.TrimRight(prefix, ".*")
	if plain != prefix {
		return fmt.Errorf("%s: %q is no prefix: only generate and skip have patterns; write %q, which means all that is below", where, prefix, plain)
	}
	if prefix == "" {
		return fmt.Errorf("%s: a prefix is empty", where)
	}
	return nil
}

// Roots are the NSIDs that the config asks for, of those that are there. What matches none of them is an error.
func (c *Config) Roots(there []syntax.NSID) ([]syntax.NSID, error) {
	var roots []syntax.NSID
	used := make(map[string]bool)
	for _, nsid := range there {
		wanted := false
		for _, pattern := range c.Generate {
			if matches(pattern, nsid) {
				used[pattern], wanted = true, true
			}
		}
		for _, pattern := range c.Skip {
			if matches(pattern, nsid) {
				used[pattern], wanted = true, false
			}
		}
		if wanted {
			roots = append(roots, nsid)
		}
	}
	var errs []error
	below := func(prefix string) bool {
		return slices.ContainsFunc(there, func(nsid syntax.NSID) bool { return under(nsid, prefix) })
	}
	for _, list := range []struct {
		key      string
		patterns []string
	}{{"generate", c.Generate}, {"skip", c.Skip}} {
		for _, pattern := range list.patterns {
			switch {
			case used[pattern]:
			case below(pattern):
				errs = append(errs, fmt.Errorf("config: %s: %q is no lexicon; all that is below it is %q", list.key, pattern, pattern+".*"))
			default:
				errs = append(errs, fmt.Errorf("config: %s: %q matches no lexicon among the inputs", list.key, pattern))
			}
		}
	}
	for _, prefix := range c.Direct {
		switch {
		case below(prefix):
		case slices.Contains(there, syntax.NSID(prefix)):
			errs = append(errs, fmt.Errorf("config: direct: %q is a lexicon, not a prefix; what it begins with is %q", prefix, prefix[:strings.LastIndex(prefix, ".")]))
		default:
			errs = append(errs, fmt.Errorf("config: direct: %q matches no lexicon among the inputs", prefix))
		}
	}
	return roots, errors.Join(errs...)
}

// under says whether an NSID is below a prefix, segment by segment.
func under(nsid syntax.NSID, prefix string) bool {
	return strings.HasPrefix(string(nsid), prefix+".")
}

// matches says whether a pattern of Generate or Skip means an NSID.
func matches(pattern string, nsid syntax.NSID) bool {
	if prefix, ok := strings.CutSuffix(pattern, ".*"); ok {
		return under(nsid, prefix)
	}
	return pattern == string(nsid)
}

// packageOf returns the package of an NSID and the prefix that says so: the longest.
func (c *Config) packageOf(nsid syntax.NSID) (*PackageConfig, string) {
	var best *PackageConfig
	var prefix string
	for i := range c.Packages {
		for _, p := range c.Packages[i].Prefixes {
			if under(nsid, p) && len(p) > len(prefix) {
				best, prefix = &c.Packages[i], p
			}
		}
	}
	return best, prefix
}

func (c *Config) direct(nsid syntax.NSID) bool {
	return slices.ContainsFunc(c.Direct, func(prefix string) bool { return under(nsid, prefix) })
}

// sorted returns the packages to be generated, by import path.
func (c *Config) sorted() []PackageConfig {
	return slices.SortedFunc(slices.Values(c.Packages), func(a, b PackageConfig) int { return cmp.Compare(a.Path, b.Path) })
}
