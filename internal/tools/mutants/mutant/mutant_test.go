package mutant

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const list = `# Logins.

mutant state is taken without looking who was first
items O59 P27
file oauth/callback.go
test ./oauth TestStateIsTakenOnce/O59 the first wins
-	one
-
-	two
+	three
-	four
+

# of the other file
mutant nothing is checked
file b.go
test ./b TestB
hangs
-	check()
`

func TestParse(t *testing.T) {
	t.Run("all that a block can hold", func(t *testing.T) {
		got, err := Parse("login.txt", list)
		if err != nil {
			t.Fatal(err)
		}
		want := []Mutant{
			{
				Name: "state is taken without looking who was first", Items: []string{"O59", "P27"},
				File: "oauth/callback.go", Package: "./oauth", Run: "TestStateIsTakenOnce/O59 the first wins",
				Changes: []Change{{"\tone\n\n\ttwo", "\tthree"}, {"\tfour", ""}}, Source: "login.txt:3",
			},
			{Name: "nothing is checked", File: "b.go", Package: "./b", Run: "TestB", Hangs: true, Changes: []Change{{"\tcheck()", ""}}, Source: "login.txt:15"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("mutants (-want +got):\n%s", diff)
		}
	})
	for name, tt := range map[string]struct{ text, want string }{
		"no file":             {"mutant x\ntest ./a TestA\n-a\n", "x.txt:1: the mutant has no file"},
		"no name":             {"mutant\nfile a\ntest ./a TestA\n-a\n", "no name"},
		"no pattern":          {"mutant x\nfile a\ntest ./a\n-a\n", "no test"},
		"no change":           {"mutant x\nfile a\ntest ./a TestA\n", "no change"},
		"a plus alone":        {"mutant x\nfile a\ntest ./a TestA\n+a\n", "x.txt:4"},
		"an unknown word":     {"mutant x\nfiles a\n", "x.txt:2"},
		"two without a blank": {"mutant x\nmutant y\n", "x.txt:2"},
		"a block without one": {"file a\n", "x.txt:1"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse("x.txt", tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestReadFolderRefusesANameTwice(t *testing.T) {
	dir := t.TempDir()
	block := "mutant x\nfile a\ntest ./a TestA\n-a\n"
	for _, name := range []string{"a.txt", "b.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ReadFolder(dir); err == nil || !strings.Contains(err.Error(), "b.txt:1") || !strings.Contains(err.Error(), "a.txt:1") {
		t.Errorf("got %v", err)
	}
}

func TestApply(t *testing.T) {
	m := Mutant{File: "a.go", Changes: []Change{{"b", "x"}, {"x\nc", "y"}}}
	for text, want := range map[string]string{"a\nb\nc": "a\ny", "a\nc": "", "b\nb": "", "a\nb\nd": ""} {
		got, err := m.Apply(text)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q became %q, %v", text, got, err)
		}
	}
}
