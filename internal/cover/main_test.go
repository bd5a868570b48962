package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRead(t *testing.T) {
	got, err := read(strings.NewReader("mode: set\nm/a/x.go:1.1,2.2 3 1\nm/a/y.go:1.1,2.2 1 0\nm/b/x.go:1.1,2.2 2 7\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]share{"m/a": {3, 4}, "m/b": {2, 2}}, got, cmp.AllowUnexported(share{})); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"m/a/x.go:1.1,2.2 3", "m/a/x.go:1.1,2.2 x 1", "m/a/x 3 1"} {
		if _, err := read(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":    "module m\n\ngo 1.26.0\n",
		"m.go":      "package m\n\nfunc F(b bool) int {\n\tif b {\n\t\treturn 1\n\t}\n\treturn 0\n}\n",
		"m_test.go": "package m\n\nimport \"testing\"\n\nfunc TestF(t *testing.T) { F(true) }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		least float64
		want  string
		err   bool
	}{{60, " 66.7 %  m\n", false}, {70, " 66.7 %  m  below 70 %\n", true}} {
		var out strings.Builder
		err := run(t.Context(), dir, tt.least, []string{"."}, &out)
		if out.String() != tt.want || (err != nil) != tt.err {
			t.Errorf("at least %g: printed %q, %v", tt.least, &out, err)
		}
	}
	if err := run(t.Context(), dir, 0, []string{"./nothing"}, new(strings.Builder)); err == nil {
		t.Error("a package that is not there is no error")
	}
}
