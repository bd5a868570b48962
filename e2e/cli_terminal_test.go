package e2e

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math/rand"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/e2e/realpds"
)

var keepSession = flag.Bool("session", false, "write docs/cli-session.txt anew")

// sessionFile is a session at a terminal, as a reader of docs/cli.md sees it.
const sessionFile = "../docs/cli-session.txt"

// atTerminal runs the command in a terminal of 100 columns. It returns all that the terminal got, and gives each line to
// heard as it comes.
func (c *cli) atTerminal(heard func(line string), args ...string) (raw string, status int) {
	c.t.Helper()
	cmd := c.command("", args...)
	cmd.Stdin = nil
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 100})
	if err != nil {
		c.t.Fatal(err)
	}
	defer terminal.Close()
	var all, line bytes.Buffer
	for buf := make([]byte, 4096); ; {
		n, err := terminal.Read(buf)
		all.Write(buf[:n])
		for _, b := range buf[:n] {
			if b != '\n' {
				line.WriteByte(b)
				continue
			}
			heard(strings.TrimSpace(line.String()))
			line.Reset()
		}
		if err != nil { // EIO, where the other end has gone
			break
		}
	}
	cmd.Wait()
	return all.String(), cmd.ProcessState.ExitCode()
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")

// shown is what is left on the screen of what a terminal got.
func shown(raw string) string {
	var out strings.Builder
	for line := range strings.Lines(strings.ReplaceAll(escapes.ReplaceAllString(raw, ""), "\r\n", "\n")) {
		text := strings.TrimSuffix(line, "\n")
		if i := strings.LastIndexByte(text, '\r'); i >= 0 {
			text = text[i+1:] // what was written over what was there
		}
		out.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	return out.String()
}

// What differs from run to run.
var changing = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`did:plc:[a-z2-7]{24}`), "did:plc:…"},
	{regexp.MustCompile(`\bbaf[a-z2-7]{30,}`), "baf…"},
	{regexp.MustCompile(`([/ ])3[a-z2-7]{12}\b`), "${1}3…"},
	{regexp.MustCompile(`(https://\S+\?)\S+`), "${1}…"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:…"},
	{regexp.MustCompile(`\d+ bytes, revision`), "… bytes, revision"}, // signatures differ in length
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?Z?`), "…"},
}

// TestCLIAtATerminal does what a person does at a terminal, and keeps what that looks like.
func TestCLIAtATerminal(t *testing.T) {
	server := realpds.Start(t)
	c := newCLI(t, server)
	alice := server.Environment().Account("alice")

	cat := image.NewRGBA(image.Rect(0, 0, 450, 450))
	noise := rand.New(rand.NewSource(1))
	for i := range cat.Pix {
		cat.Pix[i] = byte(noise.Intn(256))
	}
	cat.Set(0, 0, color.White)
	var picture bytes.Buffer
	if err := png.Encode(&picture, cat); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.dir, "cat.png"), picture.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}

	// The person agrees on the page that the terminal shows.
	agree := func(line string) {
		if !strings.HasPrefix(line, server.Environment().Issuer+"/") {
			return
		}
		back, err := server.Approve(t.Context(), line, alice)
		if err != nil {
			t.Error(err)
			return
		}
		if resp, err := http.Get(back.String()); err == nil {
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}
	bar := regexp.MustCompile(`\r(Up|Down)loading .* +\d+% \|`)
	link := regexp.MustCompile(`\bbaf[a-z2-7]{30,}`)
	var session strings.Builder
	blob := ""
	for _, step := range []struct {
		args   string
		status int
		bar    bool // it shows how far it is
	}{
		{"login --no-browser alice.test", 0, false},
		{"whoami", 0, false},
		{`post "Hello from a terminal"`, 0, false},
		{"record list app.bsky.feed.post", 0, false},
		{"upload cat.png", 0, true},
		{`record put app.bsky.actor.profile/self --input profile.json`, 0, false},
		{"download BLOB --output again.png", 0, true},
		{"repo export alice.test alice.car", 0, false},
		{"repo ls alice.car", 0, false},
		{"scopes app.bsky.feed.getTimeline com.atproto.repo.uploadBlob", 0, false},
		{"whoam", 2, false},
		{"record get", 2, false},
		{"record get app.bsky.feed.post/none", 1, false},
		{"logout", 0, false},
		{"whoami", 1, false},
	} {
		args := words(strings.ReplaceAll(step.args, "BLOB", blob))
		raw, status := c.atTerminal(agree, args...)
		if status != step.status {
			t.Errorf("atproto %s: status %d\n%s", step.args, status, raw)
		}
		if drawn := bar.MatchString(raw); drawn != step.bar {
			t.Errorf("atproto %s: a progress bar %t: %q", step.args, drawn, raw)
		}
		if args[0] == "upload" {
			blob = link.FindString(raw)
			profile := fmt.Sprintf(`{"displayName":"Alice","avatar":{"$type":"blob","ref":{"$link":%q},"mimeType":"image/png","size":%d}}`, blob, picture.Len())
			if err := os.WriteFile(filepath.Join(c.dir, "profile.json"), []byte(profile), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		fmt.Fprintf(&session, "$ atproto %s\n%s", strings.ReplaceAll(step.args, "BLOB", "baf…"), shown(raw))
		if step.status != 0 {
			fmt.Fprintf(&session, "[exit status %d]\n", step.status)
		}
		session.WriteByte('\n')
	}
	if again, err := os.ReadFile(filepath.Join(c.dir, "again.png")); err != nil || !bytes.Equal(again, picture.Bytes()) {
		t.Errorf("%d bytes came back, %v", len(again), err)
	}
	text := session.String()
	for _, c := range changing {
		text = c.what.ReplaceAllString(text, c.with)
	}
	if *keepSession {
		if err := os.WriteFile(sessionFile, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(sessionFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("docs/cli-session.txt is not what the terminal shows; -session writes it anew (-file +terminal):\n%s", diff)
	}
}

// words splits a command line, in which double quotes hold words together.
func words(line string) []string {
	var all []string
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			all = append(all, part)
			continue
		}
		all = append(all, strings.Fields(part)...)
	}
	return all
}
