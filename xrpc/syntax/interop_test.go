package syntax_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

const fixtures = "../../internal/interop/testdata/syntax"

// parsers maps the name of a fixture file to the parser under test.
var parsers = map[string]func(string) error{
	"atidentifier": discard(syntax.ParseAtIdentifier),
	"aturi":        discard(syntax.ParseATURI),
	"cid":          discard(syntax.ParseCID),
	"datetime":     discard(syntax.ParseDatetime),
	"did":          discard(syntax.ParseDID),
	"handle":       discard(syntax.ParseHandle),
	"language":     discard(syntax.ParseLanguage),
	"nsid":         discard(syntax.ParseNSID),
	"recordkey":    discard(syntax.ParseRecordKey),
	"tid":          discard(syntax.ParseTID),
	"uri":          discard(syntax.ParseURI),
}

func discard[T ~string](parse func(string) (T, error)) func(string) error {
	return func(s string) error {
		_, err := parse(s)
		return err
	}
}

// readFixture returns the cases of one file. White space at the ends of a line is
// part of the case.
func readFixture(t testing.TB, name string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(fixtures, name))
	if err != nil {
		t.Fatal(err)
	}
	var cases []string
	for line := range strings.SplitSeq(string(data), "\n") {
		if line != "" && !strings.HasPrefix(line, "#") {
			cases = append(cases, line)
		}
	}
	return cases
}

func TestInterop(t *testing.T) {
	files := []struct {
		item, name, verdict string
		cases               int
	}{
		{"L36", "atidentifier", "syntax_valid", 11}, {"L36", "atidentifier", "syntax_invalid", 22},
		{"L37", "aturi", "syntax_valid", 23}, {"L37", "aturi", "syntax_invalid", 72},
		{"L38", "cid", "syntax_valid", 8}, {"L38", "cid", "syntax_invalid", 10},
		{"L39", "datetime", "syntax_valid", 35}, {"L39", "datetime", "syntax_invalid", 45},
		{"L39", "datetime", "parse_invalid", 7},
		{"L40", "did", "syntax_valid", 24}, {"L40", "did", "syntax_invalid", 18},
		{"L41", "handle", "syntax_valid", 71}, {"L41", "handle", "syntax_invalid", 48},
		{"L46", "language", "syntax_valid", 14}, {"L46", "language", "syntax_invalid", 7},
		{"L42", "nsid", "syntax_valid", 25}, {"L42", "nsid", "syntax_invalid", 27},
		{"L44", "recordkey", "syntax_valid", 16}, {"L44", "recordkey", "syntax_invalid", 11},
		{"L43", "tid", "syntax_valid", 4}, {"L43", "tid", "syntax_invalid", 9},
		{"L45", "uri", "syntax_valid", 9}, {"L45", "uri", "syntax_invalid", 12},
	}
	total := 0
	for _, f := range files {
		t.Run(f.item+" "+f.name+" "+f.verdict, func(t *testing.T) {
			cases := readFixture(t, f.name+"_"+f.verdict+".txt")
			if len(cases) != f.cases {
				t.Errorf("read %d cases, want %d", len(cases), f.cases)
			}
			total += len(cases)
			for _, c := range cases {
				err := parsers[f.name](c)
				if f.verdict == "syntax_valid" && err != nil {
					t.Errorf("%q: %v", c, err)
				}
				if f.verdict != "syntax_valid" && err == nil {
					t.Errorf("%q was accepted", c)
				}
			}
		})
	}
	if total != 528 {
		t.Errorf("read %d cases in all, want 528", total)
	}
	found, err := filepath.Glob(filepath.Join(fixtures, "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != len(files) {
		t.Errorf("there are %d fixture files and %d are read", len(found), len(files))
	}
}
