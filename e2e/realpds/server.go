// Package realpds starts a real AT Protocol server for a test: @atproto/pds with its
// OAuth pages, accounts and a PLC directory, on loopback, with controls and faults.
// The README of the module says how the server behaves and how it differs from a
// deployment.
package realpds

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Server is a running PDS. It ends with the test that started it.
type Server struct {
	env     oauthtest.Environment
	plc     string // its directory as other servers reach it
	control string
	file    string // the server's own description, for the browser script
}

const (
	startTime   = 90 * time.Second
	stopTime    = 10 * time.Second
	controlTime = 10 * time.Second
)

// Start installs the server's packages if they are not there, starts the server and
// stops it when the test ends. args are passed to start.mjs. A part that is missing
// fails the test.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	dir := Dir(tb)
	install(tb, dir)
	file := filepath.Join(tb.TempDir(), "env.json")
	cmd := exec.Command(node(dir), append([]string{"start.mjs", "--stdin", "--out", file}, args...)...)
	cmd.Dir = dir
	var messages bytes.Buffer
	cmd.Stderr = &messages
	// The server ends when this pipe does, also if this process is killed.
	stdin, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		stdin.Close()
		timer := time.AfterFunc(stopTime, func() { cmd.Process.Kill() })
		defer timer.Stop()
		cmd.Wait()
		if tb.Failed() && messages.Len() > 0 {
			tb.Logf("the server said:\n%s", messages.Bytes())
		}
	})
	line := make(chan []byte, 1)
	go func() {
		defer close(line)
		scanner := bufio.NewScanner(stdout)
		scanner.Buffer(nil, 1<<20)
		if scanner.Scan() {
			line <- bytes.Clone(scanner.Bytes())
		}
		io.Copy(io.Discard, stdout)
	}()
	select {
	case description := <-line:
		s, err := describe(description)
		if err != nil {
			tb.Fatalf("the server did not start: %v\n%s", err, messages.Bytes())
		}
		s.file = file
		return s
	case <-time.After(startTime):
		tb.Fatalf("the server was not ready after %s\n%s", startTime, messages.Bytes())
		return nil
	}
}

// StartBeside starts a second server with an authorization server of its own: its host
// is hostname, its accounts are account and no others, and they are in first's directory.
// Its environment holds both servers, and the accounts of both.
func StartBeside(tb testing.TB, first *Server, hostname, account string) *Server {
	tb.Helper()
	s := Start(tb, "--hostname", hostname, "--accounts", account, "--plc-url", first.plc)
	hosts := maps.Clone(first.env.Hosts)
	for _, name := range []string{hostname, string(s.env.Accounts[0].Handle)} {
		hosts[name+":443"] = s.env.Hosts[name+":443"]
	}
	s.env.Hosts = hosts
	s.env.CA = append(s.env.CA, first.env.CA...)
	s.env.Accounts = append(s.env.Accounts, first.env.Accounts...)
	return s
}

// Dir returns the folder of the server's scripts.
func Dir(tb testing.TB) string {
	tb.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		tb.Fatal("this package does not know where it is")
	}
	return filepath.Dir(file)
}

// node returns the Node.js to run scripts with: the one that $REALPDS_NODE names, else
// the one that npm ci brought along, which does not depend on the machine's.
func node(dir string) string {
	if named := os.Getenv("REALPDS_NODE"); named != "" {
		return named
	}
	arch := runtime.GOARCH
	if arch == "amd64" {
		arch = "x64" // as Node.js calls it
	}
	brought := filepath.Join(dir, "node_modules", "node-"+runtime.GOOS+"-"+arch, "bin", "node")
	if _, err := os.Stat(brought); err == nil {
		return brought
	}
	return "node"
}

// install runs npm ci unless the packages of this lock file are there. Test binaries
// that run side by side take turns.
func install(tb testing.TB, dir string) {
	tb.Helper()
	lock, err := os.OpenFile(filepath.Join(dir, "package-lock.json"), os.O_RDONLY, 0)
	if err != nil {
		tb.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		tb.Fatal(err)
	}
	content, err := io.ReadAll(lock)
	if err != nil {
		tb.Fatal(err)
	}
	sum := sha256.Sum256(content)
	want := hex.EncodeToString(sum[:])
	stamp := filepath.Join(dir, "node_modules", ".installed-from")
	if got, err := os.ReadFile(stamp); err == nil && string(got) == want {
		return
	}
	tb.Log("installing the server's packages (npm ci)")
	cmd := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("npm ci: %v\n%s", err, out)
	}
	if err := os.WriteFile(stamp, []byte(want), 0o644); err != nil {
		tb.Fatal(err)
	}
}

// describe reads what start.mjs prints when the server is ready.
func describe(line []byte) (*Server, error) {
	var d struct {
		Issuer    string            `json:"issuer"`
		PublicURL string            `json:"publicUrl"`
		PLC       string            `json:"plcUrl"`
		CAFile    string            `json:"caFile"`
		Hosts     map[string]string `json:"hostmap"`
		Control   string            `json:"control"`
		Accounts  map[string]struct {
			Handle   syntax.Handle `json:"handle"`
			DID      syntax.DID    `json:"did"`
			Password string        `json:"password"`
			Email    string        `json:"email"`
		} `json:"accounts"`
	}
	if err := json.Unmarshal(line, &d); err != nil {
		return nil, fmt.Errorf("%w: %q", err, line)
	}
	ca, err := os.ReadFile(d.CAFile)
	if err != nil {
		return nil, err
	}
	s := &Server{control: d.Control, plc: d.PLC, env: oauthtest.Environment{
		Issuer: d.Issuer, PDS: d.PublicURL, PLC: "https://plc.directory", CA: ca, Hosts: d.Hosts,
	}}
	for _, a := range d.Accounts {
		s.env.Accounts = append(s.env.Accounts, oauthtest.Account{Handle: a.Handle, DID: a.DID, Password: a.Password, Email: a.Email})
	}
	return s, nil
}

// Environment describes the server.
func (s *Server) Environment() *oauthtest.Environment { return &s.env }

// call asks the control endpoint.
func (s *Server) call(ctx context.Context, path string, query url.Values, body []byte, into any) error {
	ctx, cancel := context.WithTimeout(ctx, controlTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.control+path+"?"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	// Node closes a connection that was idle for five seconds, perhaps as this request goes out on it; and a
	// POST is not sent again.
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("control %s: HTTP %d: %s", path, resp.StatusCode, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

// SetTokenLifetime sets how long access tokens live that are issued from now on; the
// server refuses less than 250 ms.
func (s *Server) SetTokenLifetime(ctx context.Context, d time.Duration) error {
	return s.call(ctx, "/token-max-age", url.Values{"ms": {strconv.FormatInt(d.Milliseconds(), 10)}}, nil, nil)
}

// RotateNonce makes every DPoP nonce known to clients stale.
func (s *Server) RotateNonce(ctx context.Context) error {
	return s.call(ctx, "/rotate-nonce", nil, nil, nil)
}

// RevokeSessions ends every OAuth session of an account.
func (s *Server) RevokeSessions(ctx context.Context, did syntax.DID) error {
	return s.call(ctx, "/revoke-all", url.Values{"did": {string(did)}}, nil, nil)
}

// Fail makes the next n requests to paths that begin with path fail with status, or,
// if status is 0, carries them out and loses the answers.
func (s *Server) Fail(ctx context.Context, path string, status, n int) error {
	query := url.Values{"path": {path}, "n": {strconv.Itoa(n)}, "kind": {"drop"}}
	if status != 0 {
		query.Set("kind", "status")
		query.Set("status", strconv.Itoa(status))
	}
	return s.call(ctx, "/fault", query, nil, nil)
}

// Slow makes the next n requests to paths that begin with path wait for d before they
// are carried out.
func (s *Server) Slow(ctx context.Context, path string, d time.Duration, n int) error {
	return s.call(ctx, "/fault", url.Values{
		"path": {path}, "n": {strconv.Itoa(n)}, "kind": {"slow"}, "ms": {strconv.FormatInt(d.Milliseconds(), 10)},
	}, nil, nil)
}

// ApproveLate is Approve for a user who takes longer than the authorization request
// lives.
func (s *Server) ApproveLate(ctx context.Context, authorizeURL string, account oauthtest.Account) (*url.URL, error) {
	if err := s.call(ctx, "/expire-requests", nil, nil, nil); err != nil {
		return nil, err
	}
	return s.Approve(ctx, authorizeURL, account)
}

// TokenRequests returns how many requests the token endpoint got, by grant type.
func (s *Server) TokenRequests(ctx context.Context) (map[string]int, error) {
	var stats struct {
		Grants map[string]int `json:"grants"`
	}
	err := s.call(ctx, "/stats", nil, nil, &stats)
	return stats.Grants, err
}

// Publish serves a document under an https URL on app.realpds-client.net, the host of
// clients.
func (s *Server) Publish(ctx context.Context, target string, document []byte) error {
	return s.call(ctx, "/doc", url.Values{"url": {target}}, document, nil)
}

// PublishPermissionSet makes the server know a permission set, in the place of one that
// it would find on the network.
func (s *Server) PublishPermissionSet(ctx context.Context, document []byte) error {
	return s.call(ctx, "/permission-set", nil, document, nil)
}

// ClearClientCache makes the server fetch the documents of clients anew.
func (s *Server) ClearClientCache(ctx context.Context) error {
	return s.call(ctx, "/clear-client-cache", nil, nil, nil)
}
