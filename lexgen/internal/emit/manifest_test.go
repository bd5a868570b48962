package emit

import (
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/lexgen/internal/plan"
	"github.com/google/go-cmp/cmp"
)

func TestManifest(t *testing.T) {
	want := plan.Manifest{"com.example.a:defs.main": "A", `com.example.a:defs.main.properties."a b"(type)`: "AABUnion"}
	text := manifest(&plan.Package{Name: "comexample", Manifest: want})
	got, err := ReadManifest(text)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if !strings.HasPrefix(string(text), Header+"\n") {
		t.Errorf("no header: %s", text)
	}
	for _, line := range []string{`com.example.a A`, `"com.example.a`, `"com.example.a" a`, `"com.example.a" A B`, `"com.example.a"`} {
		if _, err := ReadManifest([]byte(Header + "\n" + line + "\n")); err == nil {
			t.Errorf("%s is read", line)
		}
	}
}

func FuzzReadManifest(f *testing.F) {
	f.Add(Header + "\n\"a\" A\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ReadManifest([]byte(text))
		if err != nil {
			return
		}
		again, err := ReadManifest(manifest(&plan.Package{Name: "p", Manifest: got}))
		if diff := cmp.Diff(got, again); diff != "" || err != nil {
			t.Error(diff, err)
		}
	})
}
