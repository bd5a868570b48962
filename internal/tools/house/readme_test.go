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

func TestReadmeSnippetsCompile(t *testing.T) { compares(t, "README.md", "snippets_test.go", 10) }

func TestSnippetsOfGuidesCompile(t *testing.T) {
	compares(t, "docs/bots.md", "snippets_bots_test.go", 4)
	compares(t, "docs/repositories.md", "snippets_repositories_test.go", 3)
	compares(t, "docs/streams.md", "snippets_streams_test.go", 5)
}

// compares makes sure that the snippets of a document, which has so many at least, are in a file of this package.
func compares(t *testing.T, document, file string, least int) {
	t.Helper()
	text, err := os.ReadFile(root + "/" + document)
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	compiled := unindent(string(source))
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) < least {
		t.Fatalf("only %d snippets found in %s", len(blocks), document)
	}
	for _, block := range blocks {
		snippet := unindent(block[1])
		if strings.HasPrefix(snippet, "package ") {
			continue // a whole program: it is that of an example
		}
		if !strings.Contains(compiled, snippet) {
			t.Errorf("this snippet of %s is not in %s:\n%s", document, file, snippet)
		}
	}
}

// The whole program of README.md is the example, to the letter; its own test runs it.
func TestReadmeBeginsWithTheExample(t *testing.T) {
	example, err := os.ReadFile(root + "/examples/minimal/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if readme := readDocument(t, "README.md"); firstProgram(t, readme) != string(example) || strings.Count(readme, "\npackage main\n") != 1 {
		t.Error("the program of README.md is not that of examples/minimal")
	}
}

func TestDocumentsKeepToThemselves(t *testing.T) {
	for _, name := range []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/bots.md", "docs/cli.md", "docs/lexicons.md", "docs/releases.md", "docs/repositories.md", "docs/services.md", "docs/sessions.md", "docs/streams.md", "docs/web.md", "docs/SCENARIOS.md", "e2e/README.md"} {
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
