package house

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// claims are what SECURITY.md says is defended: each item of its lists, in one line.
func claims(text string) []string {
	_, text, _ = strings.Cut(text, "\n## What the module defends\n")
	text, _, _ = strings.Cut(text, "\n## ")
	var all []string
	open := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "- "):
			all, open = append(all, line[2:]), true
		case open && strings.HasPrefix(line, "  "):
			all[len(all)-1] += " " + strings.TrimSpace(line)
		default:
			open = false
		}
	}
	return all
}

// A claim ends with the names of its tests, as a folder and a function.
var proof = regexp.MustCompile("`([a-z0-9/]+) (Test[A-Za-z0-9_]+)`")

// missingProofs says which claims name no test, and which tests do not exist in the folders below dir.
func missingProofs(t *testing.T, dir string, claims []string) (missing []string) {
	t.Helper()
	for _, claim := range claims {
		_, tests, _ := strings.Cut(claim, "Tests: ")
		found := proof.FindAllStringSubmatch(tests, -1)
		if len(found) == 0 {
			missing = append(missing, claim)
		}
		for _, name := range found {
			files, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(name[1]), "*_test.go"))
			if err != nil {
				t.Fatal(err)
			}
			exists := false
			for _, file := range files {
				source, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				exists = exists || strings.Contains(string(source), "\nfunc "+name[2]+"(t *testing.T)")
			}
			if !exists {
				missing = append(missing, name[1]+" "+name[2])
			}
		}
	}
	return missing
}

func TestEveryClaimOfSecurityNamesItsTests(t *testing.T) {
	all := claims(readDocument(t, "SECURITY.md"))
	if len(all) < 40 {
		t.Errorf("only %d claims were found", len(all))
	}
	for _, m := range missingProofs(t, root, all) {
		t.Errorf("there is no such test, or no test is named: %s", m)
	}
}

func TestClaimsWithoutTestsAreNoticed(t *testing.T) {
	text := "# x\n- before\n\n## What the module defends\n\nWords.\n\n- One\n  of two lines. Tests: `oauth TestImport`,\n  `oauth TestOfNothing`.\n- Two, `oauth TestImport`.\n\n### More\n\n- Three. Tests: none.\n\n## Not\n\n- after\n"
	all := claims(text)
	if len(all) != 3 {
		t.Fatalf("the claims are %q", all)
	}
	missing := missingProofs(t, root, all)
	if len(missing) != 3 || missing[0] != "oauth TestOfNothing" || !strings.HasPrefix(missing[1], "Two") || !strings.HasPrefix(missing[2], "Three") {
		t.Errorf("missing are %q", missing)
	}
}

// documents are the texts for people.
func documents(t *testing.T) []string {
	t.Helper()
	names := []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "llms.txt", "e2e/README.md", "bench/README.md", "generated/README.md"}
	guides, err := fs.Glob(os.DirFS(root), "docs/*.md")
	if err != nil || len(guides) < 20 {
		t.Fatal(guides, err)
	}
	return append(names, guides...)
}

var (
	link   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fenced = regexp.MustCompile("(?s)```.*?```") // code, in which brackets mean something else
)

// brokenLinks returns the links of a text that lead nowhere, for a document in a folder of the repository: to a file that is not
// there, or to a heading that its file does not have.
func brokenLinks(t *testing.T, folder, text string) (broken []string) {
	t.Helper()
	for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		target, heading, _ := strings.Cut(m[1], "#")
		if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
			continue
		}
		there := text
		if target != "" {
			name := filepath.Join(root, folder, filepath.FromSlash(target))
			info, err := os.Stat(name)
			if err != nil {
				broken = append(broken, m[1])
				continue
			}
			if heading == "" || info.IsDir() {
				continue
			}
			source, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			there = string(source)
		}
		if heading != "" && !hasHeading(there, heading) {
			broken = append(broken, m[1])
		}
	}
	return broken
}

var notInAnchors = regexp.MustCompile(`[^\p{L}\p{N}\- ]`)

// hasHeading reports whether a document has the heading that an anchor stands for.
func hasHeading(text, anchor string) bool {
	for line := range strings.Lines(text) {
		title := strings.TrimLeft(line, "#")
		if title == line || !strings.HasPrefix(title, " ") {
			continue
		}
		if strings.ReplaceAll(notInAnchors.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), ""), " ", "-") == anchor {
			return true
		}
	}
	return false
}

func TestLinksOfDocumentsLeadSomewhere(t *testing.T) {
	for _, name := range documents(t) {
		for _, l := range brokenLinks(t, filepath.Dir(name), readDocument(t, name)) {
			t.Errorf("%s: the link %q leads nowhere", name, l)
		}
	}
}

func TestLinksThatLeadNowhereAreNoticed(t *testing.T) {
	text := "# A title, and `code`\n[a](README.md) [b](nothing.md) [c](#a-title-and-code) [d](#another) [e](https://example.com/x) [f](README.md#begin) [g](README.md#beginning) [h](docs)\n```go\na[i](nothing)\n```\n"
	if got, want := strings.Join(brokenLinks(t, ".", text), " "), "nothing.md #another README.md#beginning"; got != want {
		t.Errorf("broken are %q, not %q", got, want)
	}
}

// Whoever looks for a guide finds it: README.md has all of them, but for reports, and llms.txt as well.
func TestEveryGuideIsInTheLists(t *testing.T) {
	for _, list := range []string{"README.md", "llms.txt"} {
		text := readDocument(t, list)
		for _, name := range documents(t) {
			base := filepath.Base(name)
			if strings.HasPrefix(name, "docs/") && strings.ToUpper(base[:1]) != base[:1] && !strings.Contains(text, "]("+name+")") {
				t.Errorf("%s does not name %s", list, name)
			}
		}
	}
}
