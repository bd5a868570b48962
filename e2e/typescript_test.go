package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/e2e/realpds"
)

// The TypeScript client at the sandbox that the command runs for all languages. Two opinions of the protocol meet here, of
// which one is not ours.
func TestTypeScriptAtTheSandbox(t *testing.T) {
	program := filepath.Join(t.TempDir(), "atproto")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/atproto")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	description, err := os.Create(filepath.Join(t.TempDir(), "sandbox.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer description.Close()
	sandbox := exec.CommandContext(t.Context(), program, "sandbox", "--json")
	sandbox.Stdout = description
	if err := sandbox.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		sandbox.Process.Signal(os.Interrupt)
		sandbox.Wait()
	}()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) { // a process of its own: there is nothing to wait for but what it writes
		if text, err := os.ReadFile(description.Name()); err == nil && json.Valid(text) {
			break
		}
		if time.Since(began) > 30*time.Second {
			t.Fatal("the sandbox has not described itself")
		}
	}
	out, err := realpds.Script(t, "sandbox-login.mjs", description.Name(), "alice.test").CombinedOutput()
	want := regexp.MustCompile(`^logged in as alice\.test
created at://did:plc:\w+/app\.bsky\.feed\.post/\w+
refreshed true
logged out true
$`)
	if err != nil || !want.Match(out) {
		t.Errorf("%v\n%s", err, out)
	}
}
