package install

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A manifest is lexicons.json: which lexicons were asked for, and where they and what they refer to came from. The
// TypeScript tool has the same.
type manifest struct {
	Version     int                        `json:"version"`
	Lexicons    []syntax.NSID              `json:"lexicons"`
	Resolutions map[syntax.NSID]resolution `json:"resolutions"`
}

// A resolution is where a lexicon came from, and which version of it.
type resolution struct {
	URI syntax.ATURI `json:"uri"`
	CID syntax.CID   `json:"cid"`
}

// A ledger is lexicons.sources.json: the lexicons that came from folders and from git, for which a manifest has no room.
type ledger struct {
	Version int                `json:"version"`
	Sources map[string]*source `json:"sources"` // by what was asked for
}

// A source is what came from one folder, or out of one git repository.
type source struct {
	Commit   string                     `json:"commit,omitempty"` // of a git repository
	Lexicons map[syntax.NSID]syntax.CID `json:"lexicons"`
}

// maxManifest is the largest manifest that is read, in bytes: that of some ten thousand lexicons.
const maxManifest = 16 << 20

// ledgerName is where the ledger is, beside its manifest.
func ledgerName(manifest string) string {
	return strings.TrimSuffix(manifest, ".json") + ".sources.json"
}

// readManifest reads a manifest and its text; of one that is not there both are nil.
func readManifest(name string) (*manifest, []byte, error) {
	text, err := readSmall(name, maxManifest)
	if text == nil || err != nil {
		return nil, nil, err
	}
	m := &manifest{}
	if err := json.Unmarshal(text, m); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := m.check(); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return m, text, nil
}

func (m *manifest) check() error {
	if m.Version != 1 {
		return fmt.Errorf("version is %d; this lexgen knows version 1", m.Version)
	}
	for _, nsid := range m.Lexicons {
		if err := nsid.Validate(); err != nil {
			return fmt.Errorf("lexicons: %w", err)
		}
	}
	for nsid, r := range m.Resolutions {
		if err := errors.Join(nsid.Validate(), r.CID.Validate()); err != nil {
			return fmt.Errorf("resolutions: %w", err)
		}
		if _, err := parseURI(string(r.URI)); err != nil {
			return fmt.Errorf("resolutions: %s: %w", nsid, err)
		}
		if string(r.URI.RecordKey()) != string(nsid) {
			return fmt.Errorf("resolutions: %s comes from %s, which is another lexicon", nsid, r.URI)
		}
	}
	return nil
}

// text is what the TypeScript tool would write.
func (m *manifest) text() []byte {
	slices.Sort(m.Lexicons)
	if m.Lexicons == nil {
		m.Lexicons = []syntax.NSID{}
	}
	return indented(m)
}

func readLedger(name string) (*ledger, []byte, error) {
	l := &ledger{Version: 1, Sources: make(map[string]*source)}
	text, err := readSmall(name, maxManifest)
	if text == nil || err != nil {
		return l, nil, err
	}
	if err := json.Unmarshal(text, l); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	if l.Version != 1 {
		return nil, nil, fmt.Errorf("%s: version is %d; this lexgen knows version 1", name, l.Version)
	}
	for input, s := range l.Sources {
		if s == nil {
			return nil, nil, fmt.Errorf("%s: sources: %q is null", name, input)
		}
		for nsid, cid := range s.Lexicons {
			if err := errors.Join(nsid.Validate(), cid.Validate()); err != nil {
				return nil, nil, fmt.Errorf("%s: sources: %q: %w", name, input, err)
			}
		}
	}
	return l, text, nil
}

// text is nil where there is nothing to say.
func (l *ledger) text() []byte {
	if len(l.Sources) == 0 {
		return nil
	}
	return indented(l)
}

// of is the source of a lexicon, and what it was asked for by; nil if it has none.
func (l *ledger) of(nsid syntax.NSID) (input string, s *source) {
	for _, input := range slices.Sorted(maps.Keys(l.Sources)) {
		if _, ok := l.Sources[input].Lexicons[nsid]; ok {
			return input, l.Sources[input]
		}
	}
	return "", nil
}

// indented is a value as JSON.stringify(value, null, 2) writes it, and a line break.
func indented(v any) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		panic(err) // strings and numbers are JSON
	}
	return out.Bytes()
}

// readSmall reads a file that is no link and has no more than limit bytes. Of one that is not there it returns nil.
func readSmall(name string, limit int64) ([]byte, error) {
	info, err := os.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is a folder, a link or a device, and should be a file", name)
	case info.Size() > limit:
		return nil, fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	text, err := os.ReadFile(name)
	if text == nil {
		text = []byte{} // it is there
	}
	return text, err
}
