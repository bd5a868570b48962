package house

import (
	"archive/zip"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// version is what this module is served as.
const version = "v0.0.1"

// A newcomer is an empty folder, and an environment in which the go command finds this
// module as it stands here, and others in the module cache, as if a proxy served them.
type newcomer struct {
	t   *testing.T
	dir string
	env []string
}

// newNewcomer returns a newcomer with a module cache that is not the user's, which must
// not get to know this version.
func newNewcomer(t *testing.T, proxy, cache string) *newcomer {
	n := &newcomer{t: t, dir: t.TempDir(), env: append(os.Environ(),
		"GOPROXY="+proxy, "GOMODCACHE="+cache, "GOSUMDB=off", "GONOSUMDB=", "GOPRIVATE=", "GONOPROXY=", "GOVCS=*:off",
		"GOFLAGS=-modcacherw", "GOWORK=off", "GOTOOLCHAIN=local", "GOOS=", "GOARCH=",
	)}
	return n
}

// do runs a command as it stands in a document.
func (n *newcomer) do(command string) {
	n.t.Helper()
	words := strings.Fields(command)
	cmd := exec.CommandContext(n.t.Context(), words[0], words[1:]...)
	cmd.Dir, cmd.Env = n.dir, n.env
	if out, err := cmd.CombinedOutput(); err != nil {
		n.t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

func (n *newcomer) write(name, text string) {
	n.t.Helper()
	name = filepath.Join(n.dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		n.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
}

// commands returns the block of commands of a document that begins with go mod init.
func commands(t *testing.T, document string) []string {
	t.Helper()
	block := regexp.MustCompile(`(?m)(?:^    .*\n)+`)
	for _, lines := range block.FindAllString(document, -1) {
		if all := strings.Split(strings.TrimSpace(lines), "\n"); strings.HasPrefix(all[0], "go mod init ") {
			return all
		}
	}
	t.Fatal("no commands that begin with go mod init")
	return nil
}

func readDocument(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// goproxy serves this module out of a folder, and all others out of the module cache.
func goproxy(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	versions := filepath.Join(dir, filepath.FromSlash(module), "@v")
	if err := os.MkdirAll(versions, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"list":            version + "\n",
		version + ".info": `{"Version":"` + version + `","Time":"2026-01-02T03:04:05Z"}`,
		version + ".mod":  readDocument(t, "go.mod"),
	} {
		if err := os.WriteFile(filepath.Join(versions, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := pack(filepath.Join(versions, version+".zip")); err != nil {
		t.Fatal(err)
	}
	// The go.mod of a module that only other systems need is in the cache once somebody
	// has asked for the whole graph.
	graph := exec.CommandContext(t.Context(), "go", "list", "-m", "all")
	graph.Dir = root
	if out, err := graph.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	return fileURL(dir) + "," + fileURL(filepath.Join(strings.TrimSpace(string(out)), "cache", "download"))
}

func fileURL(dir string) string { return "file:///" + strings.TrimPrefix(filepath.ToSlash(dir), "/") }

// pack writes the module's zip file (https://go.dev/ref/mod#zip-files).
func pack(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	z := zip.NewWriter(f)
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			_, other := os.Stat(filepath.Join(path, "go.mod"))
			if rel != "." && (other == nil || strings.HasPrefix(d.Name(), ".")) {
				return fs.SkipDir // a module of its own, or none of the module's
			}
			return nil
		}
		if !d.Type().IsRegular() || strings.HasPrefix(d.Name(), ".") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		w, err := z.Create(module + "@" + version + "/" + filepath.ToSlash(rel))
		if err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	})
	if err != nil {
		return err
	}
	return z.Close()
}

// The first commands of the documents, word for word, in an empty folder.
func TestFirstCommands(t *testing.T) { // P97
	proxy, cache := goproxy(t), t.TempDir()
	t.Run("README.md", func(t *testing.T) {
		n := newNewcomer(t, proxy, cache)
		for _, command := range commands(t, readDocument(t, "README.md")) {
			n.do(command)
		}
		n.write("main.go", program("generated/comatproto", "identity", "oauth", "oauth/oauthtest", "oauth/scope", "xrpc", "xrpc/lex", "xrpc/syntax"))
		n.do("go list -deps ./...") // fails where go build would, but for what the compiler says
	})
	t.Run("docs/lexicons.md", func(t *testing.T) {
		document := readDocument(t, "docs/lexicons.md")
		config := regexp.MustCompile("(?s)```json\n(.*?)```").FindStringSubmatch(document)
		if config == nil {
			t.Fatal("no config")
		}
		n := newNewcomer(t, proxy, cache)
		n.write("lexgen.json", config[1])
		n.write("lexicons/recipe.json", `{"lexicon":1,"id":"com.example.recipes.recipe","defs":{"main":{"type":"record","key":"tid","record":{
			"type":"object","required":["name"],"properties":{"name":{"type":"string"},"from":{"type":"ref","ref":"com.atproto.repo.strongRef"}}}}}}`)
		for _, command := range commands(t, document) {
			n.do(command)
		}
		n.do("go list -deps ./...") // fails where go build would, but for what the compiler says
	})
}

// program imports packages of this module.
func program(packages ...string) string {
	var b strings.Builder
	b.WriteString("package main\n\n")
	for _, p := range packages {
		fmt.Fprintf(&b, "import _ %q\n", module+"/"+p)
	}
	b.WriteString("\nfunc main() {}\n")
	return b.String()
}
