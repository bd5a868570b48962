// Package longrun is what the long runs share: processes that are the test binary
// itself, a login, and a report of what came out.
package longrun

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/e2e/stores"
	"github.com/gimucco/atproto-go/internal/scenario"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
)

// A Job is what a process is started for.
type Job struct {
	Environment oauthtest.Environment
	Location    string             // of the storage
	Key         oauth.SessionKey   `json:",omitzero"` // one session, or
	Keys        []oauth.SessionKey // many
	Task        string             // in the words of the run
	Arguments   map[string]string  // likewise
}

const environmentJob = "LONGRUN_JOB"

// Main runs child with its job in the processes that Command starts, and the tests in
// all others. It is what TestMain calls.
func Main(m *testing.M, child func(*Job) error) {
	text := os.Getenv(environmentJob)
	if text == "" {
		os.Exit(m.Run())
	}
	job := new(Job)
	err := json.Unmarshal([]byte(text), job)
	if err == nil {
		err = child(job)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Command returns this program with a job.
func Command(ctx context.Context, job *Job) (*exec.Cmd, error) {
	text, err := json.Marshal(job)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), environmentJob+"="+string(text))
	return cmd, nil
}

const (
	redirectURI = "http://127.0.0.1:8765/callback"
	scope       = "atproto transition:generic"
)

// connections is how many a process has to a host.
const connections = 64

// handshakeLimit is long: a busy machine that shakes hands slowly is not what is looked at.
const handshakeLimit = time.Minute

// NewClient returns a client whose sessions are in store.
func NewClient(env *oauthtest.Environment, kept store.Store, change ...func(*oauth.Config)) (*oauth.Client, error) {
	cfg := oauth.Localhost(redirectURI, scope)
	env.Configure(&cfg)
	// Hundreds of goroutines call at once, again and again: as a program would that does
	// that, they share connections, or the server's queue for new ones runs over.
	transport := cfg.UnguardedTransport.(*http.Transport)
	transport.MaxConnsPerHost, transport.MaxIdleConnsPerHost = connections, connections
	transport.TLSHandshakeTimeout = handshakeLimit
	cfg.Store, cfg.Seal = kept, seal.Keys(bytes.Repeat([]byte{7}, 32))
	for _, c := range change {
		c(&cfg)
	}
	return oauth.NewClient(cfg)
}

// Resume opens the storage of a job and resumes its session.
func (job *Job) Resume(ctx context.Context, change ...func(*oauth.Config)) (*oauth.Session, error) {
	kept, err := stores.Open(ctx, job.Location)
	if err != nil {
		return nil, err
	}
	client, err := NewClient(&job.Environment, kept, change...)
	if err != nil {
		return nil, err
	}
	return client.Resume(ctx, job.Key)
}

// Login logs alice in and returns what a process needs to go on with the session.
func Login(ctx context.Context, b scenario.Backend, client *oauth.Client) (*oauth.Session, error) {
	alice := b.Environment().Account("alice")
	login, err := client.Authorize(ctx, string(alice.Handle))
	if err != nil {
		return nil, err
	}
	callback, err := b.Approve(ctx, login.URL, alice)
	if err != nil {
		return nil, err
	}
	result, err := client.Callback(ctx, callback.Query(), login.Binding)
	if err != nil {
		return nil, err
	}
	return result.Session, nil
}

// A Report is a page of docs/.
type Report struct {
	Title   string
	Intro   string // what was done
	Command string // how to do it again
	Seed    string // what chance went by, if it was asked

	started time.Time
	commit  string
	body    strings.Builder
}

// NewReport begins a report.
func NewReport(title, command string) *Report {
	return &Report{Title: title, Command: command, started: time.Now(), commit: commit()}
}

// Printf adds to the result.
func (r *Report) Printf(format string, args ...any) { fmt.Fprintf(&r.body, format, args...) }

// String returns the result.
func (r *Report) String() string { return r.body.String() }

// Write puts the page into a file; an empty name writes nothing.
func (r *Report) Write(file string) error {
	if file == "" {
		return nil
	}
	var page strings.Builder
	fmt.Fprintf(&page, "# %s\n\n%s\n\n    %s\n\n", r.Title, r.Intro, r.Command)
	fmt.Fprintf(&page, "| | |\n|---|---|\n")
	fmt.Fprintf(&page, "| commit | %s |\n", r.commit)
	fmt.Fprintf(&page, "| ended | %s, after %s |\n", time.Now().UTC().Format("2006-01-02 15:04 MST"), time.Since(r.started).Round(time.Second))
	fmt.Fprintf(&page, "| versions | %s on %s/%s, %d cores%s |\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), modules())
	if r.Seed != "" {
		fmt.Fprintf(&page, "| seed | %s |\n", r.Seed)
	}
	fmt.Fprintf(&page, "\n%s", r.body.String())
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(page.String()), 0o644)
}

// commit names the commit that ran, and says so if the tree was not clean.
func commit() string {
	head, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	name := strings.TrimSpace(string(head))
	// Reports are written one after the other and committed together.
	if changed, err := exec.Command("git", "status", "--porcelain", "--", ":(top)", ":(top,exclude)docs").Output(); err != nil || len(changed) > 0 {
		name += ", with changes"
	}
	return name
}

// modules lists the drivers that were linked in.
func modules() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	var all strings.Builder
	for _, m := range info.Deps {
		switch m.Path {
		case "github.com/jackc/pgx/v5", "github.com/go-sql-driver/mysql", "github.com/redis/go-redis/v9", "modernc.org/sqlite":
			fmt.Fprintf(&all, ", %s %s", m.Path, m.Version)
		}
	}
	return all.String()
}
