package house

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
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

func TestReadmeSnippetsCompile(t *testing.T) { compares(t, "README.md", 9, "snippets_test.go") }

func TestSnippetsOfGuidesCompile(t *testing.T) {
	compares(t, "docs/accounts.md", 3, "snippets_accounts_test.go")
	compares(t, "docs/bots.md", 4, "snippets_bots_test.go")
	compares(t, "docs/deployment.md", 4, "snippets_deployment_test.go")
	compares(t, "docs/login.md", 9, "snippets_login_test.go")
	compares(t, "docs/methods.md", 7, "snippets_methods_test.go")
	compares(t, "docs/migrating.md", 3, "snippets_migrating_test.go")
	compares(t, "docs/records.md", 2, "snippets_records_test.go")
	compares(t, "docs/repositories.md", 3, "snippets_repositories_test.go")
	compares(t, "docs/scopes.md", 4, "snippets_scopes_test.go")
	compares(t, "docs/services.md", 4, "snippets_services_test.go")
	compares(t, "docs/stores.md", 5, "snippets_stores_test.go")
	compares(t, "docs/streams.md", 5, "snippets_streams_test.go")
	compares(t, "docs/testing.md", 9, "snippets_testing_test.go")
	compares(t, "docs/web.md", 3, "snippets_web_test.go")
}

// The recipes are compiled by a module of their own, which has what they need.
func TestSnippetsOfRecipesAreThoseOfTheirModule(t *testing.T) {
	files, err := filepath.Glob(root + "/examples/recipes/*/*.go")
	if err != nil || len(files) < 7 {
		t.Fatal(files, err)
	}
	compares(t, "docs/recipes.md", 7, files...)
}

// compares makes sure that the snippets of a document, which has so many at least, are in one of the files.
func compares(t *testing.T, document string, least int, files ...string) {
	t.Helper()
	text, err := os.ReadFile(root + "/" + document)
	if err != nil {
		t.Fatal(err)
	}
	var compiled []string
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		compiled = append(compiled, unindent(string(source)))
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) < least {
		t.Fatalf("only %d snippets found in %s", len(blocks), document)
	}
	for _, block := range blocks {
		snippet := unindent(block[1])
		if strings.HasPrefix(snippet, "package ") {
			continue // a whole program: it is that of an example
		}
		if !slices.ContainsFunc(compiled, func(source string) bool { return strings.Contains(source, snippet) }) {
			t.Errorf("this snippet of %s is not in %s:\n%s", document, strings.Join(files, ", "), snippet)
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
	for _, name := range documents(t) {
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
