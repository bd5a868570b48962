package realpds

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/oauth/oauthtest"
)

// A Browser is headless Chromium at a server's own pages.
type Browser struct {
	server   *Server
	dir      string
	chromium string
	redirect string
	shots    string
}

// browserTime is how long a sign-in may take.
const browserTime = 90 * time.Second

// NewBrowser returns a browser that waits to be sent to redirectURI. It fails the
// test if Chromium is not installed; $CHROMIUM names one in an unusual place. If
// $SHOTS is set, it takes a screenshot of each page into that folder.
func NewBrowser(tb testing.TB, server *Server, redirectURI string) *Browser {
	tb.Helper()
	return &Browser{server: server, dir: Dir(tb), chromium: chromium(tb), redirect: redirectURI, shots: os.Getenv("SHOTS")}
}

// chromium finds the browser.
func chromium(tb testing.TB) string {
	tb.Helper()
	found, err := exec.LookPath(cmp.Or(os.Getenv("CHROMIUM"), "chromium"))
	if err != nil {
		tb.Fatalf("Chromium is needed: %v", err)
	}
	return found
}

// BrowserScript returns the command that runs a script of this folder which drives Chromium.
func BrowserScript(tb testing.TB, script string, args ...string) *exec.Cmd {
	tb.Helper()
	if shots := os.Getenv("SHOTS"); shots != "" {
		args = append(args, "--shots", shots)
	}
	cmd := Script(tb, script, args...)
	cmd.Env = append(os.Environ(), "CHROMIUM="+chromium(tb))
	return cmd
}

// Script returns the command that runs a script of this folder. It ends with the test, or after browserTime.
func Script(tb testing.TB, script string, args ...string) *exec.Cmd {
	tb.Helper()
	dir := Dir(tb)
	install(tb, dir)
	ctx, cancel := context.WithTimeout(tb.Context(), browserTime)
	tb.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, node(dir), append([]string{script}, args...)...)
	cmd.Dir = dir
	return cmd
}

// Approve signs in as account and agrees.
func (b *Browser) Approve(ctx context.Context, authorizeURL string, account oauthtest.Account) (*url.URL, error) {
	result, err := b.run(ctx, "--url", authorizeURL, "--identifier", string(account.Handle), "--password", account.Password)
	if err != nil {
		return nil, err
	}
	return url.Parse(result.Callback)
}

// Visit opens an application at home, whose login form has the field "identifier", signs in
// as account where that leads, agrees, and returns the text of the application's page that
// the browser ends up on.
func (b *Browser) Visit(ctx context.Context, home string, account oauthtest.Account) (page string, err error) {
	result, err := b.run(ctx, "--home", home, "--identifier", string(account.Handle), "--password", account.Password)
	return result.Page, err
}

// Deny signs in as account and refuses.
func (b *Browser) Deny(ctx context.Context, authorizeURL string, account oauthtest.Account) (*url.URL, error) {
	result, err := b.run(ctx, "--url", authorizeURL, "--identifier", string(account.Handle), "--password", account.Password, "--reject")
	if err != nil {
		return nil, err
	}
	return url.Parse(result.Callback)
}

// A visit is what approve-browser.mjs prints.
type visit struct {
	Callback string   `json:"callback"`
	Page     string   `json:"page"`
	Error    string   `json:"error"`
	Steps    []string `json:"steps"`
	Body     string   `json:"body"`
}

func (b *Browser) run(ctx context.Context, args ...string) (result visit, err error) {
	ctx, cancel := context.WithTimeout(ctx, browserTime)
	defer cancel()
	args = append([]string{"approve-browser.mjs", "--env", b.server.file, "--redirect", b.redirect}, args...)
	if b.shots != "" {
		args = append(args, "--shots", b.shots)
	}
	cmd := exec.CommandContext(ctx, node(b.dir), args...)
	cmd.Dir = b.dir
	cmd.Env = append(os.Environ(), "CHROMIUM="+b.chromium)
	var messages bytes.Buffer
	cmd.Stderr = &messages
	out, err := cmd.Output()
	if json.Unmarshal(out, &result) != nil || result.Callback == "" {
		return visit{}, errors.Join(err, fmt.Errorf("the browser was not sent back: %s\nsteps: %q\npage: %s\n%s", result.Error, result.Steps, result.Body, messages.Bytes()))
	}
	return result, nil
}

// A Step is one of walk-browser.mjs, which says what there is.
type Step struct {
	Do         string `json:"do"`
	URL        string `json:"url,omitempty"`
	At         string `json:"at,omitempty"` // selector
	With       string `json:"with,omitempty"`
	Data       []byte `json:"data,omitempty"` // of a file
	Name       string `json:"name,omitempty"`
	Type       string `json:"type,omitempty"`
	Identifier string `json:"identifier,omitempty"`
	Password   string `json:"password,omitempty"`
	Back       string `json:"back,omitempty"`
	Code       string `json:"code,omitempty"`
	N          int    `json:"n,omitempty"`
}

// Walk takes steps in a browser of its own, and returns what they note. hosts are names that
// are at other addresses for it than server says; server is nil where there is none.
func Walk(tb testing.TB, server *Server, hosts map[string]string, steps ...Step) []string {
	tb.Helper()
	return WalkTo(tb, tb.TempDir(), server, hosts, steps...)
}

// WalkTo is Walk that takes its pictures into a folder.
func WalkTo(tb testing.TB, folder string, server *Server, hosts map[string]string, steps ...Step) []string {
	tb.Helper()
	encoded, err := json.Marshal(steps)
	if err != nil {
		tb.Fatal(err)
	}
	args := []string{"--steps", string(encoded)}
	if server != nil {
		args = append(args, "--env", server.file)
	}
	var moved []string
	for host, address := range hosts {
		moved = append(moved, host+"="+address)
	}
	args = append(args, "--map", strings.Join(moved, ","), "--pictures", folder)
	out, err := BrowserScript(tb, "walk-browser.mjs", args...).Output()
	var result struct {
		Noted           []string `json:"noted"`
		Error, At, Body string
	}
	if broken := json.Unmarshal(out, &result); broken != nil || err != nil {
		var messages []byte
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			messages = exit.Stderr
		}
		tb.Fatalf("%v, %v: %s at %s\nnoted: %q\npage: %s\n%s", err, broken, result.Error, result.At, result.Noted, result.Body, messages)
	}
	return result.Noted
}
