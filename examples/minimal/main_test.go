package main

import (
	"encoding/json"
	"go/format"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// maxLines is what a whole program may take, its imports and its errors included.
const maxLines = 24

func TestItIsShort(t *testing.T) {
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	formatted, err := format.Source(source)
	if err != nil || string(formatted) != string(source) {
		t.Fatalf("main.go is not as gofmt writes it: %v", err)
	}
	lines := 0
	for line := range strings.Lines(string(source)) {
		if strings.TrimSpace(line) != "" {
			lines++
		}
	}
	if lines > maxLines {
		t.Errorf("main.go has %d lines, more than %d", lines, maxLines)
	}
	if calls, handled := strings.Count(string(source), "err := "), strings.Count(string(source), "if err != nil"); calls != 3 || handled != calls {
		t.Errorf("of %d errors %d are handled", calls, handled)
	}
}

// sandbox is what takes the place of a real server, a browser and a person.
const sandbox = `package main

import (
	"github.com/gimucco/atproto-go/oauth/loopback"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
)

func sandbox() []loopback.Option {
	server := oauthtest.NewServer()
	return []loopback.Option{loopback.WithDir("sessions"), loopback.WithConfig(server.Environment().Configure), loopback.WithBrowser(server.Browser("alice"))}
}
`

// The program as it stands, but for one line: it logs in at a sandbox.
func TestItPosts(t *testing.T) {
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	open := regexp.MustCompile(`loopback\.Open\(ctx, "minimal", "[^"]*"\)`)
	if len(open.FindAll(source, -1)) != 1 {
		t.Fatal("main.go does not open a session in one line")
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	overlay := map[string]map[string]string{"Replace": {}}
	for name, text := range map[string]string{
		"main.go":    open.ReplaceAllString(string(source), `loopback.Open(ctx, "minimal", "alice.test", sandbox()...)`),
		"sandbox.go": sandbox,
	} {
		file := filepath.Join(dir, name)
		overlay["Replace"][filepath.Join(here, name)] = file
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	replacements, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), replacements, 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "minimal.exe")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run := func() (string, error) {
		cmd := exec.CommandContext(t.Context(), program)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}

	t.Run("without the picture it says what is missing", func(t *testing.T) {
		if out, err := run(); err == nil || !strings.Contains(out, "cat.jpg") {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("with it, it posts", func(t *testing.T) {
		picture, err := os.Create(filepath.Join(dir, "cat.jpg"))
		if err != nil {
			t.Fatal(err)
		}
		if err := jpeg.Encode(picture, image.NewGray(image.Rect(0, 0, 4, 3)), nil); err != nil {
			t.Fatal(err)
		}
		if err := picture.Close(); err != nil {
			t.Fatal(err)
		}
		// The sandbox of the last time is gone, and so are its accounts.
		if err := os.RemoveAll(filepath.Join(dir, "sessions")); err != nil {
			t.Fatal(err)
		}
		out, err := run()
		if err != nil || !regexp.MustCompile(`alice\.test has posted at://did:plc:\w+/app\.bsky\.feed\.post/\w+`).MatchString(out) {
			t.Errorf("%v\n%s", err, out)
		}
	})
}
