package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/e2e/realpds"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
)

// A cli is the command atproto, as people build it, with a folder for settings, in a folder
// of its own, in the network of a server.
type cli struct {
	t       *testing.T
	server  *realpds.Server
	program string
	dir     string
	env     []string
}

func newCLI(t *testing.T, server *realpds.Server) *cli {
	t.Helper()
	c := &cli{t: t, server: server, dir: t.TempDir()}
	c.program = filepath.Join(t.TempDir(), "atproto")
	build := exec.Command("go", "build", "-o", c.program, "./cmd/atproto")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	env := server.Environment()
	description, err := json.Marshal(map[string]any{"pds": env.PDS, "issuer": env.Issuer, "plc": env.PLC, "hosts": env.Hosts, "ca": string(env.CA)})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "environment.json")
	if err := os.WriteFile(file, description, 0o600); err != nil {
		t.Fatal(err)
	}
	c.env = append(os.Environ(), "ATPROTO_ENVIRONMENT="+file, "ATPROTO_CONFIG_DIR="+c.settings(), "SSH_CONNECTION=")
	return c
}

func (c *cli) settings() string { return filepath.Join(c.dir, "settings") }

func (c *cli) command(stdin string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	c.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, c.program, args...)
	cmd.Dir, cmd.Env, cmd.Stdin = c.dir, c.env, strings.NewReader(stdin)
	return cmd
}

// do runs the command and returns what it prints.
func (c *cli) do(stdin string, args ...string) string {
	c.t.Helper()
	cmd := c.command(stdin, args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		c.t.Fatalf("atproto %s: %v\n%s%s", strings.Join(args, " "), err, out, errs.String())
	}
	return string(out)
}

// says fails the test unless the command prints these texts.
func (c *cli) says(printed string, texts ...string) {
	c.t.Helper()
	for _, text := range texts {
		if !strings.Contains(printed, text) {
			c.t.Errorf("it does not say %q:\n%s", text, printed)
		}
	}
}

// login logs an account in: what the command prints for people is opened and agreed to.
func (c *cli) login(account oauthtest.Account) {
	c.t.Helper()
	cmd := c.command("", "login", "--no-browser", string(account.Handle))
	said, err := cmd.StderrPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	var lines []string
	for scanner := bufio.NewScanner(said); scanner.Scan(); {
		line := strings.TrimSpace(scanner.Text())
		lines = append(lines, line)
		if strings.HasPrefix(line, c.server.Environment().Issuer+"/") {
			back, err := c.server.Approve(c.t.Context(), line, account)
			if err != nil {
				c.t.Fatal(err)
			}
			resp, err := http.Get(back.String())
			if err != nil {
				c.t.Fatal(err)
			}
			page, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			c.says(string(page), "You are logged in as "+string(account.Handle))
		}
	}
	if err := cmd.Wait(); err != nil {
		c.t.Fatalf("%v\n%s", err, strings.Join(lines, "\n"))
	}
	c.says(out.String(), "Logged in as "+string(account.Handle))
}

// TestCLI does with the command what people do with it, on the real server.
func TestCLI(t *testing.T) {
	server := realpds.Start(t)
	c := newCLI(t, server)
	alice, bob := server.Environment().Account("alice"), server.Environment().Account("bob")

	c.login(alice)
	c.says(c.do("", "whoami"), string(alice.Handle), string(alice.DID), server.Environment().PDS, "transition:generic")
	uri := strings.TrimSpace(c.do("", "post", "Hello from the command line", "--lang", "en"))
	c.says(c.do("", "record", "get", uri), `"text": "Hello from the command line"`)
	c.says(c.do("from a pipe\n", "post", "--reply-to", uri, "--quote", uri, "--json"), `"uri":"at://`)
	c.says(c.do("", "record", "list", "app.bsky.feed.post"), uri, "from a pipe")
	c.says(c.do("", "record", "list"), "app.bsky.feed.post")

	picture := strings.Repeat("\x89PNG\r\n\x1a\n", 1000)
	if err := os.WriteFile(filepath.Join(c.dir, "cat.png"), []byte(picture), 0o600); err != nil {
		t.Fatal(err)
	}
	blob := c.do("", "upload", "cat.png")
	var uploaded struct {
		Ref struct {
			Link string `json:"$link"`
		} `json:"ref"`
	}
	if err := json.Unmarshal([]byte(blob), &uploaded); err != nil {
		t.Fatalf("%v: %s", err, blob)
	}
	c.do(`{"displayName":"Alice","avatar":`+blob+`}`, "record", "put", "app.bsky.actor.profile/self", "--input", "-")
	c.do("", "download", uploaded.Ref.Link, "--output", "again.png")
	if again, err := os.ReadFile(filepath.Join(c.dir, "again.png")); err != nil || string(again) != picture {
		t.Errorf("%d bytes came back, %v", len(again), err)
	}
	var profile struct{ CID string }
	if err := json.Unmarshal([]byte(c.do("", "record", "get", "app.bsky.actor.profile/self", "--json")), &profile); err != nil {
		t.Fatal(err)
	}
	c.do(`{"displayName":"Al"}`, "record", "put", "app.bsky.actor.profile/self", "--input", "-", "--swap", profile.CID)
	if out, err := c.command(`{"displayName":"Eve"}`, "record", "put", "app.bsky.actor.profile/self", "--input", "-", "--swap", profile.CID).CombinedOutput(); err == nil {
		t.Errorf("a swap of what is not there any more: %s", out)
	}

	c.says(c.do("", "call", "com.atproto.server.getSession", "--json"), `"did":"`+string(alice.DID)+`"`)
	c.says(c.do("", "call", "com.atproto.repo.describeRepo", "--host", "pds.test", "--param", "repo="+string(alice.Handle)), `"handleIsCorrect": true`)

	c.do("", "repo", "export", string(alice.Handle), "alice.car")
	c.says(c.do("", "repo", "ls", "alice.car"), "app.bsky.actor.profile/self", strings.TrimPrefix(uri, "at://"+string(alice.DID)+"/"))
	c.do("", "repo", "unpack", "alice.car", "unpacked")
	if text, err := os.ReadFile(filepath.Join(c.dir, "unpacked", "app.bsky.actor.profile", "self.json")); err != nil || !strings.Contains(string(text), `"displayName": "Al"`) {
		t.Errorf("got %s, %v", text, err)
	}
	c.says(c.do("", "stream", "commits", "--host", "pds.test", "--cursor", "0", "--collection", "app.bsky.feed.post", "--did", string(alice.DID), "--limit", "4"), `"Hello from the command line"`)
	c.says(c.do("", "resolve", string(alice.Handle)), string(alice.DID), "verified both ways")
	c.says(c.do("", "resolve", string(alice.Handle), "--document"), "AtprotoPersonalDataServer")

	c.says(c.do(bob.Password+"\n", "login", "--app-password", string(bob.Handle)), "Logged in as "+string(bob.Handle))
	c.says(c.do("", "whoami", "--account", string(bob.Handle)), string(bob.DID), "app password")
	c.says(c.do("", "accounts"), "* "+string(alice.Handle), "  "+string(bob.Handle))
	c.do("", "post", "from bob", "--account", string(bob.Handle))
	err := filepath.WalkDir(c.settings(), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		for _, secret := range []string{alice.Password, bob.Password} {
			if strings.Contains(string(text), secret) {
				t.Errorf("%s holds a password", name)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	c.do("", "record", "delete", uri)
	if out, err := c.command("", "record", "get", uri).CombinedOutput(); err == nil || !strings.Contains(string(out), "there is no such record") {
		t.Errorf("it was deleted, and yet: %s", out)
	}
	c.says(c.do("", "logout", "--all"), "Logged out: "+string(alice.Handle), "Logged out: "+string(bob.Handle))
	if out, err := c.command("", "whoami").CombinedOutput(); err == nil || !strings.Contains(string(out), "nobody is logged in") {
		t.Errorf("logged out, and yet: %s", out)
	}
}
