package house

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	modfile "golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// proxyFlag is where other modules come from, instead of the module cache.
var proxyFlag = flag.String("proxy", "", "GOPROXY for the modules that this one needs")

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
		"GOFLAGS=-modcacherw -trimpath", "GOWORK=off", "GOTOOLCHAIN=local", "GOOS=", "GOARCH=",
	)}
	return n
}

// run runs commands as they stand in a document.
func (n *newcomer) run(commands []string) {
	n.t.Helper()
	for _, command := range commands {
		n.do(command)
	}
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

// firstProgram returns the first program of a document that is whole.
func firstProgram(t *testing.T, document string) string {
	t.Helper()
	program := regexp.MustCompile("(?s)```go\n(package main\n.*?)```").FindStringSubmatch(document)
	if program == nil {
		t.Fatal("no program")
	}
	return program[1]
}

// goproxy serves this module out of a folder, and all others out of the module cache, so that nothing is asked of a network.
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
	if *proxyFlag != "" {
		return fileURL(dir) + "," + *proxyFlag
	}
	// On a new machine, the cache has what this system's builds and tests need. The newcomer's go mod tidy asks for more: for
	// what other systems need, and for what the tests of other modules import. The same command here brings all of it.
	tidy := exec.CommandContext(t.Context(), "go", "mod", "tidy", "-diff")
	tidy.Dir = root
	if out, err := tidy.CombinedOutput(); err != nil {
		t.Fatalf("go mod tidy -diff: %v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	return fileURL(dir) + "," + fileURL(filepath.Join(strings.TrimSpace(string(out)), "cache", "download"))
}

func fileURL(dir string) string { return "file:///" + strings.TrimPrefix(filepath.ToSlash(dir), "/") }

// pack writes the module's zip file (https://go.dev/ref/mod#zip-files), as the go command makes it of a folder.
func pack(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := zip.CreateFromDir(f, modfile.Version{Path: module, Version: version}, root); err != nil {
		return err
	}
	return f.Close()
}

// The first commands of the documents, word for word, in an empty folder: as they leave it, after go mod tidy, and with
// vendor/.
func TestFirstCommands(t *testing.T) {
	proxy, cache := goproxy(t), t.TempDir()
	t.Run("P97 of README.md", func(t *testing.T) {
		n := newNewcomer(t, proxy, cache)
		document := readDocument(t, "README.md")
		n.run(commands(t, document))
		n.write("main.go", firstProgram(t, document))
		n.settle("go build -o app .")
	})
	t.Run("P97 of docs/lexicons.md", func(t *testing.T) {
		document := readDocument(t, "docs/lexicons.md")
		config := regexp.MustCompile("(?s)```json\n(.*?)```").FindStringSubmatch(document)
		if config == nil {
			t.Fatal("no config")
		}
		n := newNewcomer(t, proxy, cache)
		n.write("lexgen.json", config[1])
		n.write("lexicons/recipe.json", `{"lexicon":1,"id":"com.example.recipes.recipe","defs":{"main":{"type":"record","key":"tid","record":{
			"type":"object","required":["name"],"properties":{"name":{"type":"string"},"from":{"type":"ref","ref":"com.atproto.repo.strongRef"}}}}}}`)
		all := commands(t, document)
		n.run(all)
		generate := all[len(all)-1]
		if !strings.HasSuffix(generate, " generate") {
			t.Fatalf("the last command is %s", generate)
		}
		n.settle("go build ./...", generate, "go tool lexgen check")
	})
}

// settle runs commands, and again after go mod tidy, and again with vendor/.
func (n *newcomer) settle(commands ...string) {
	n.t.Helper()
	for _, first := range []string{"go version", "go mod tidy", "go mod vendor"} {
		n.run(append([]string{first}, commands...))
	}
}
