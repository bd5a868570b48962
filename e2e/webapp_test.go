package e2e

import (
	"encoding/json"
	"errors"
	"net/http"
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/e2e/realpds"
)

// TestWebapp visits examples/webapp on its sandbox in a real browser, whose rules for
// cookies and redirects between sites are the ones that count.
func TestWebapp(t *testing.T) {
	home := startExample(t, "../examples/webapp")
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
