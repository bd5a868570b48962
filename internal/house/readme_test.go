package house

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// unindent removes what gofmt puts in front of lines, so that a snippet reads the
// same inside a function and outside.
func unindent(code string) string {
	var lines []string
	for line := range strings.SplitSeq(code, "\n") {
		lines = append(lines, strings.TrimLeft(line, "\t"))
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n")
}

func TestReadmeSnippetsCompile(t *testing.T) {
	readme, err := os.ReadFile(root + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("snippets_test.go")
	if err != nil {
		t.Fatal(err)
	}
	compiled := unindent(string(source))
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(blocks) < 10 {
		t.Fatalf("only %d snippets found in README.md", len(blocks))
	}
	for _, block := range blocks {
		snippet := unindent(block[1])
		if !strings.Contains(compiled, snippet) {
			t.Errorf("this snippet of README.md is not in snippets_test.go:\n%s", snippet)
		}
	}
}

func TestDocumentsKeepToThemselves(t *testing.T) {
	for _, name := range []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/cli.md", "docs/lexicons.md", "e2e/README.md"} {
		text, err := os.ReadFile(root + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"/work/", "/root/", "../shared", "registry.npmjs", "proxy.golang", "TODO", "FIXME"} {
			if strings.Contains(string(text), word) {
				t.Errorf("%s mentions %q", name, word)
			}
		}
	}
	lock, err := os.ReadFile(root + "/e2e/realpds/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(lock), "\"resolved\"") {
		t.Error("the lock file names hosts")
	}
}
