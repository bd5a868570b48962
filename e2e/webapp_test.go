package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/e2e/realpds"
)

// TestWebapp visits examples/webapp on its sandbox in a real browser, whose rules for
// cookies and redirects between sites are the ones that count.
func TestWebapp(t *testing.T) {
	program := filepath.Join(t.TempDir(), "webapp")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = filepath.Join("..", "examples", "webapp")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), program, "-addr", "127.0.0.1:0")
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	home := strings.TrimSpace(strings.TrimPrefix(line, "Open "))
	if resp, err := http.Get(home); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v, %v", home, resp, err)
	} else {
		resp.Body.Close()
	}

	out, err := realpds.BrowserScript(t, "visit-webapp.mjs", "--home", home).Output()
	if err != nil {
		exit, _ := errors.AsType[*exec.ExitError](err)
		t.Fatalf("%v\n%s", err, exit.Stderr)
	}
	type visit struct {
		Handle, Post string
		LoggedOut    bool
	}
	var got visit
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if diff := cmp.Diff(visit{"alice.test", "Hello from a browser", true}, got); diff != "" {
		t.Error(diff)
	}
}
