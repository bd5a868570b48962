package loopback_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/loopback"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
)

func newClient(tb testing.TB, server *oauthtest.Server, change ...func(*oauth.Config)) *oauth.Client {
	tb.Helper()
	cfg := oauth.Localhost("http://127.0.0.1/callback", "atproto transition:generic")
	server.Environment().Configure(&cfg)
	for _, c := range change {
		c(&cfg)
	}
	client, err := oauth.NewClient(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return client
}

func sandbox(tb testing.TB) *oauthtest.Server {
	tb.Helper()
	server := oauthtest.NewServer()
	tb.Cleanup(server.Close)
	return server
}

// A person agrees on the page that opens, and goes where the server sends the browser.
type person struct {
	server *oauthtest.Server
	name   string
	pages  chan string // what the browser shows in the end
}

func newPerson(server *oauthtest.Server, name string) *person {
	return &person{server: server, name: name, pages: make(chan string, 10)}
}

// callback agrees and returns where the browser is sent.
func (p *person) callback(page string) (*url.URL, error) {
	return p.server.Approve(context.Background(), page, p.server.Environment().Account(p.name))
}

func (p *person) open(page string) error {
	go func() {
		callback, err := p.callback(page)
		if err != nil {
			p.pages <- err.Error()
			return
		}
		p.pages <- get(callback.String())
	}()
	return nil
}

func get(target string) string {
	resp, err := http.Get(target)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return fmt.Sprint(resp.StatusCode, " ", string(body))
}

func ExampleLogin() {
	server := oauthtest.NewServer()
	defer server.Close()
	config := oauth.Localhost("http://127.0.0.1/callback", "atproto transition:generic")
	server.Environment().Configure(&config)
	client, err := oauth.NewClient(config)
	if err != nil {
		panic(err)
	}
	// With a real server, leave out the options; the person's browser then opens.
	session, err := loopback.Login(context.Background(), client, "alice.test", loopback.WithBrowser(server.Browser("alice")), loopback.WithOutput(io.Discard))
	if err != nil {
		panic(err)
	}
	fmt.Println(session.Handle())
	// Output: alice.test
}

func TestLogin(t *testing.T) {
	t.Run("the browser comes back, and says that it is done", func(t *testing.T) {
		server := sandbox(t)
		alice := newPerson(server, "alice")
		var out strings.Builder
		session, err := loopback.Login(t.Context(), newClient(t, server), "alice.test", loopback.WithBrowser(alice.open), loopback.WithOutput(&out))
		if err != nil {
			t.Fatal(err)
		}
		if me, err := comatproto.NewClient(session).Server.GetSession(t.Context()); err != nil || me.Handle != "alice.test" {
			t.Errorf("got %v, %v", me, err)
		}
		if page := <-alice.pages; !strings.HasPrefix(page, "200 ") || !strings.Contains(page, "logged in as alice.test") {
			t.Errorf("the browser shows %s", page)
		}
		if !strings.Contains(out.String(), server.Environment().Issuer) {
			t.Errorf("the person reads %q", &out)
		}
	})
	t.Run("whoever refuses is told so, and so is the program", func(t *testing.T) {
		server := sandbox(t)
		pages := make(chan string, 1)
		open := func(page string) error {
			go func() {
				denied, err := server.Deny(context.Background(), page)
				if err != nil {
					pages <- err.Error()
					return
				}
				pages <- get(denied.String())
			}()
			return nil
		}
		_, err := loopback.Login(t.Context(), newClient(t, server), "alice.test", loopback.WithBrowser(open), loopback.WithOutput(io.Discard))
		if !errors.Is(err, oauth.ErrAccessDenied) {
			t.Errorf("got %v", err)
		}
		if page := <-pages; !strings.Contains(page, "did not succeed") || strings.HasPrefix(page, "200") {
			t.Errorf("the browser shows %s", page)
		}
	})
	t.Run("what is no answer of this person does not end the login", func(t *testing.T) {
		server := sandbox(t)
		alice := newPerson(server, "alice")
		open := func(page string) error {
			go func() {
				callback, err := alice.callback(page)
				if err != nil {
					alice.pages <- err.Error()
					return
				}
				at := "http://" + callback.Host
				for _, odd := range []string{
					at + "/", at + "/favicon.ico", at + callback.Path, at + callback.Path + "?state=x&code=y", at + callback.Path + "?error=access_denied&state=other&iss=x",
					"http://localhost:" + callback.Port() + callback.Path + "?" + callback.RawQuery, // by another name
				} {
					if answer := get(odd); strings.HasPrefix(answer, "200") {
						alice.pages <- odd + ": " + answer
						return
					}
				}
				if resp, err := http.Head(callback.String()); err != nil || resp.StatusCode != http.StatusMethodNotAllowed {
					alice.pages <- fmt.Sprint("HEAD: ", resp, err)
					return
				}
				alice.pages <- get(callback.String())
			}()
			return nil
		}
		session, err := loopback.Login(t.Context(), newClient(t, server), "alice.test", loopback.WithBrowser(open), loopback.WithOutput(io.Discard))
		if page := <-alice.pages; err != nil || session.Handle() != "alice.test" || !strings.HasPrefix(page, "200 ") {
			t.Errorf("%v, the browser shows %s", err, page)
		}
	})
	t.Run("nothing listens any more when it has ended", func(t *testing.T) {
		server := sandbox(t)
		alice := newPerson(server, "alice")
		var where string
		open := func(page string) error {
			go func() {
				callback, err := alice.callback(page)
				if err == nil {
					where = callback.Host
					alice.pages <- get(callback.String())
				}
			}()
			return nil
		}
		if _, err := loopback.Login(t.Context(), newClient(t, server), "alice.test", loopback.WithBrowser(open), loopback.WithOutput(io.Discard)); err != nil {
			t.Fatal(err)
		}
		<-alice.pages
		if c, err := net.DialTimeout("tcp", where, time.Second); err == nil {
			c.Close()
			t.Error("the port is open")
		}
	})
	t.Run("it ends with its context", func(t *testing.T) {
		server := sandbox(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := errors.New("Ctrl-C")
		open := func(string) error { cancel(gone); return nil }
		if _, err := loopback.Login(ctx, newClient(t, server), "alice.test", loopback.WithBrowser(open), loopback.WithOutput(io.Discard)); !errors.Is(err, gone) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a client of the web cannot log in so", func(t *testing.T) {
		server := sandbox(t)
		client := newClient(t, server, func(cfg *oauth.Config) {
			cfg.ClientID, cfg.RedirectURIs = "https://app.example.com/client-metadata.json", []string{"https://app.example.com/callback"}
		})
		if _, err := loopback.Login(t.Context(), client, "alice.test", loopback.WithOutput(io.Discard)); !errors.Is(err, loopback.ErrNoRedirect) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a port that is taken is named", func(t *testing.T) {
		server := sandbox(t)
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		port := taken.Addr().(*net.TCPAddr).Port
		if _, err := loopback.Login(t.Context(), newClient(t, server), "alice.test", loopback.WithPort(port)); err == nil || !strings.Contains(err.Error(), fmt.Sprint(port)) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("who does not exist is told before anything opens", func(t *testing.T) {
		server := sandbox(t)
		open := func(string) error { t.Error("a page was opened"); return nil }
		if _, err := loopback.Login(t.Context(), newClient(t, server), "nobody.test", loopback.WithBrowser(open)); !errors.Is(err, oauth.ErrUnresolved) {
			t.Errorf("got %v", err)
		}
	})
}

func TestLoginOverSSH(t *testing.T) {
	t.Setenv("SSH_CONNECTION", "192.0.2.7 50000 198.51.100.4 22")
	server := sandbox(t)
	alice := newPerson(server, "alice")
	in, typed := io.Pipe()
	out := new(reader)
	go func() {
		page := out.waitFor("https://")
		callback, err := alice.callback(page)
		if err != nil {
			t.Error(err)
			in.Close()
			return
		}
		fmt.Fprintf(typed, "\nhello\nhttp://127.0.0.1/callback?state=other&code=x&iss=y\n  %s  \n", callback)
	}()
	session, err := loopback.Login(t.Context(), newClient(t, server), "alice.test", loopback.WithInput(in), loopback.WithOutput(out))
	if err != nil || session.Handle() != "alice.test" {
		t.Fatalf("%v, %v", session, err)
	}
	for _, line := range []string{"ssh -N -L ", " 198.51.100.4\n", "paste its address", "This is not the address of the last page"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("the person does not read %q in\n%s", line, out)
		}
	}
}

// A reader is a person who reads what is written.
type reader struct {
	mu   sync.Mutex
	text strings.Builder
}

func (r *reader) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *reader) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// waitFor waits for a word that begins so.
func (r *reader) waitFor(start string) string {
	for {
		for word := range strings.FieldsSeq(r.String()) {
			if strings.HasPrefix(word, start) && strings.HasSuffix(r.String(), "\n\n") {
				return word
			}
		}
		time.Sleep(time.Millisecond)
	}
}

func TestResumeOrLogin(t *testing.T) {
	server, kept := sandbox(t), new(store.Memory)
	asked := 0
	// A program that starts has another client, and the same store.
	start := func(t *testing.T, identifier, who string) (*oauth.Session, error) {
		t.Helper()
		client := newClient(t, server, func(cfg *oauth.Config) { cfg.Store, cfg.Seal = kept, seal.Keys(make([]byte, 32)) })
		p := newPerson(server, who)
		return loopback.ResumeOrLogin(t.Context(), client, identifier, loopback.WithOutput(io.Discard), loopback.WithBrowser(func(page string) error {
			asked++
			return p.open(page)
		}))
	}
	var first *oauth.Session
	for _, step := range []struct {
		name, identifier, who string
		asked                 int
		err                   error
	}{
		{"without a session somebody has to be named", "", "alice", 0, errAny},
		{"the first time the person is asked", "alice.test", "alice", 1, nil},
		{"the next time the session is resumed", "alice.test", "alice", 1, nil},
		{"as it is typed", "@Alice.Test", "alice", 1, nil},
		{"the one account needs no name", "", "alice", 1, nil},
		{"another account is asked for", "bob.test", "bob", 2, nil},
		{"then one of them has to be named", "", "alice", 2, loopback.ErrWhichAccount},
		{"and both are there", "bob.test", "bob", 2, nil},
	} {
		t.Run(step.name, func(t *testing.T) {
			s, err := start(t, step.identifier, step.who)
			if asked != step.asked {
				t.Errorf("asked %d times", asked)
			}
			if step.err != nil {
				if err == nil || step.err != errAny && !errors.Is(err, step.err) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil || string(s.Handle()) != step.who+".test" {
				t.Fatalf("got %v, %v", s, err)
			}
			if first == nil {
				first = s
			}
		})
	}
	t.Run("after a logout the person is asked again", func(t *testing.T) {
		if err := first.Logout(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s, err := start(t, string(first.DID()), "alice"); err != nil || asked != 3 || s.DID() != first.DID() {
			t.Errorf("%v, %v, asked %d times", s, err, asked)
		}
	})
}

// errAny stands for any error.
var errAny = errors.New("any")
