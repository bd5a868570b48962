package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zalando/go-keyring"

	"github.com/gimucco/atproto-go/oauth/oauthtest"
)

func TestLoginInTheBrowser(t *testing.T) {
	t.Run("by handle; the session is good in the next process", func(t *testing.T) {
		u := newUser(t)
		r := u.do("login", "@alice.test")
		r.want(t, 0, "Logged in as alice.test ("+alice+")")
		if page := <-u.pages; !strings.HasPrefix(page, "200 ") {
			t.Errorf("the browser shows %s", page)
		}
		if !strings.Contains(r.stderr, "Log in on the page") || strings.Contains(r.stdout, "page") {
			t.Errorf("what to do belongs on standard error: %q and %q", r.stdout, r.stderr)
		}
		u.do("whoami").want(t, 0, "handle           alice.test", alice, "https://pds.test", "oauth", "transition:generic")
		var me self
		if err := json.Unmarshal([]byte(u.do("whoami", "--json").stdout), &me); err != nil || me.DID != alice || me.PDS != "https://pds.test" {
			t.Errorf("got %+v, %v", me, err)
		}
	})
	t.Run("at a server, where the account is chosen", func(t *testing.T) {
		u := newUser(t)
		u.signedIn = "bob"
		u.do("login", "--server", "pds.test").want(t, 0, "Logged in as bob.test")
		u.do("login", "https://pds.test").want(t, 0, "Logged in as bob.test")
	})
	t.Run("whoever refuses is told so", func(t *testing.T) {
		u := newUser(t)
		u.signedIn = ""
		r := u.do("login", "alice.test")
		r.want(t, 1, "atproto: ", "You did not agree to log in")
		u.do("accounts").want(t, 0, "Nobody is logged in: run atproto login HANDLE")
	})
	t.Run("a login takes the place of the session before, which ends", func(t *testing.T) {
		u := newUser(t).in("alice").in("alice")
		if n := u.server.RevokeSessions(alice); n != 1 {
			t.Errorf("%d sessions are alive", n)
		}
	})
	t.Run("of several accounts the first is the default one until another is made it", func(t *testing.T) {
		u := newUser(t).in("alice")
		u.signedIn = "bob"
		u.do("login", "bob.test").want(t, 0, "The default account is still alice.test")
		u.do("whoami").want(t, 0, "alice.test")
		u.do("whoami", "--account", "bob.test").want(t, 0, "bob.test")
		u.with("ATPROTO_ACCOUNT=BOB.test").do("whoami").want(t, 0, "bob.test")
		r := u.do("accounts", "--default", "@bob.test")
		r.want(t, 0, "* bob.test", "  alice.test")
		u.do("whoami").want(t, 0, "bob.test")
		var list []accountLine
		if err := json.Unmarshal([]byte(u.do("accounts", "--json").stdout), &list); err != nil || len(list) != 2 || list[0].Default || !list[1].Default {
			t.Errorf("got %+v, %v", list, err)
		}
		u.do("__complete", "whoami", "--account", "b").want(t, 0, "bob.test\n")
		u.do("__complete", "logout", "bob.test", "").want(t, 0, "alice.test\n")
	})
	t.Run("it asks for another scope, and a session goes on under it", func(t *testing.T) {
		u := newUser(t)
		u.do("login", "--scope", "atproto transition:generic transition:email", "alice.test").want(t, 0, "Logged in")
		u.do("whoami").want(t, 0, "transition:email", "e-mail           alice@")
	})
}

func TestLoginByAppPassword(t *testing.T) {
	withPassword := func(t *testing.T) *user {
		u := newUser(t)
		u.server.AddAppPassword(alice, "laptop", "abcd-efgh-ijkl-mnop")
		return u
	}
	t.Run("from the standard input, and no password is on disk", func(t *testing.T) {
		u := withPassword(t)
		u.typing("abcd-efgh-ijkl-mnop\r\n").do("login", "--app-password", "alice.test").want(t, 0, "Logged in as alice.test")
		u.do("whoami").want(t, 0, "alice.test", "app password")
		u.do("accounts").want(t, 0, "* alice.test", "app password")
		filepath.WalkDir(u.env["ATPROTO_CONFIG_DIR"], func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.Contains(readFile(t, name), "abcd-efgh") {
				t.Errorf("%s holds the password", name)
			}
			return err
		})
		u.do("logout").want(t, 0, "Logged out: alice.test")
		u.do("whoami").want(t, 1, "nobody is logged in: run atproto login HANDLE")
	})
	t.Run("at a server by name", func(t *testing.T) {
		withPassword(t).typing("abcd-efgh-ijkl-mnop").do("login", "--app-password", "--server", "https://pds.test", "alice.test").want(t, 0, "Logged in as alice.test")
	})
	t.Run("a session that its owner ended says what to run", func(t *testing.T) {
		u := withPassword(t)
		u.typing("abcd-efgh-ijkl-mnop\n").do("login", "--app-password", "alice.test").want(t, 0)
		u.server.RevokeAppPassword(alice, "laptop")
		u.server.Fault("/xrpc/com.atproto.server.getSession", oauthtest.Fault{Status: 400, Header: map[string][]string{"Content-Type": {"application/json"}}, Body: `{"error":"ExpiredToken","message":"x"}`, Times: -1})
		u.do("whoami").want(t, 1, "run atproto login --app-password alice.test")
	})
	for _, tt := range []struct {
		name, stdin string
		prepare     func(*user)
		args        []string
		want        string
	}{
		{"a wrong password", "wrong\n", nil, nil, "make one in the settings of the account"},
		{"none", "", nil, nil, "there is no app password: type it, or give it on the standard input"},
		{"an empty one", "\n", nil, nil, "there is no app password"},
		{"a whole file", strings.Repeat("x", 5000), nil, nil, "give it alone, on one line"},
		{"the account's own, with a code by e-mail", "secret of alice\n", func(u *user) { u.server.SetAuthFactor(alice, "123") }, nil, "give it by --auth-factor"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := withPassword(t)
			if tt.prepare != nil {
				tt.prepare(u)
			}
			u.typing(tt.stdin).do("login", "--app-password", "alice.test").want(t, 1, tt.want)
			u.do("accounts").want(t, 0, "Nobody is logged in")
		})
	}
	t.Run("with the code it goes on", func(t *testing.T) {
		u := withPassword(t)
		u.server.SetAuthFactor(alice, "123")
		u.typing("secret of alice\n").do("login", "--app-password", "--auth-factor", "123", "alice.test").want(t, 0, "Logged in")
	})
}

func TestWrongUsesOfAccounts(t *testing.T) {
	for _, tt := range []struct {
		args   string
		status int
		want   string
	}{
		{"login", 2, "say whose account: give a handle"},
		{"login alice", 2, "type the whole of it"},
		{"login a b", 2, "\"b\" is too much: atproto login takes one argument"},
		{"login --app-password", 2, "say whose account"},
		{"login --app-password --scope atproto alice.test", 2, "--scope is not for logins by --app-password"},
		{"login --app-password --no-browser alice.test", 2, "--no-browser is not for logins"},
		{"login --auth-factor 1 alice.test", 2, "--auth-factor is for logins by --app-password"},
		{"login --port 70000 alice.test", 2, "is no port: give one from 1 to 65535"},
		{"login --server pds.test/path", 2, "is not a server: give its https URL"},
		{"login --server http://pds.test", 2, "http, which is for servers on this machine only"},
		{"login --server https://pds.test alice.test", 2, "give a handle or --server, not both"},
		{"login --scope generic alice.test", 2, `--scope: "generic" lacks "atproto"`},
		{"login --scope atproto\x01 --server pds.test", 2, "--scope: "},
		{"login --scope transition:generic alice.test", 2, `write it as "atproto transition:generic"`},
		{"login nobody.test", 1, "no such account is found: DNS does not know the name"},
		{"logout", 1, "nobody is logged in: run atproto login HANDLE"},
		{"logout --all bob.test", 2, "leave it or the handles out"},
		{"logout --all", 0, ""},
		{"whoami", 1, "run atproto login HANDLE"},
		{"whoami bob.test", 2, "is too much: atproto "},
		{"accounts --default bob.test", 1, "nobody is logged in"},
		{"accounts bob.test", 2, "is too much: atproto "},
	} {
		t.Run(tt.args, func(t *testing.T) {
			r := newUser(t).do(strings.Fields(tt.args)...)
			r.want(t, tt.status, tt.want)
			if r.stdout != "" {
				t.Errorf("standard output: %s", r.stdout)
			}
		})
	}
	t.Run("who is not logged in is told who is", func(t *testing.T) {
		u := newUser(t).in("alice")
		u.do("whoami", "--account", "bob.test").want(t, 1, `"bob.test" is not logged in: run atproto login bob.test; logged in are alice.test`)
		u.do("logout", "bob.test").want(t, 1, "logged in are alice.test")
	})
	t.Run("no account is the default one after it is logged out and several are left", func(t *testing.T) {
		u := newUser(t).in("alice").in("bob")
		err := u.program(nil, nil).changeBook(t.Context(), func(b *book) error { b.Default = ""; return nil })
		if err != nil {
			t.Fatal(err)
		}
		u.do("whoami").want(t, 1, "no account is the default one: give --account", "alice.test, bob.test")
		u.do("logout", "alice.test").want(t, 0)
		u.do("whoami").want(t, 0, "bob.test")
	})
	t.Run("a file of accounts that is broken", func(t *testing.T) {
		u := newUser(t).in("alice")
		writeFile(t, u.env["ATPROTO_CONFIG_DIR"]+"/accounts.json", "{")
		u.do("accounts").want(t, 1, "take it away and log in again")
	})
	t.Run("a session that the server ended", func(t *testing.T) {
		u := newUser(t).in("alice")
		u.server.RevokeSessions(alice)
		u.do("whoami").want(t, 1, "the session of alice.test is over: run atproto login alice.test")
	})
}

// An overlap lets a call end while a refresh is under way, and counts the answers to that.
type overlap struct {
	http.RoundTripper
	begun, ended chan struct{}
}

func (o overlap) RoundTrip(req *http.Request) (*http.Response, error) {
	refresh := req.URL.Path == "/oauth/token"
	if refresh {
		o.begun <- struct{}{}
	}
	resp, err := o.RoundTripper.RoundTrip(req)
	switch {
	case refresh:
		o.ended <- struct{}{}
	case strings.HasSuffix(req.URL.Path, "getSession"):
		<-o.begun
	}
	return resp, err
}

func TestNewTokensAreNotLostWithTheProcess(t *testing.T) {
	u := newUser(t).in("alice")
	u.server.Advance(59*time.Minute + 30*time.Second) // of the hour that tokens live: they are renewed in the background
	u.server.Fault("/oauth/token", oauthtest.Fault{Delay: 300 * time.Millisecond})
	during := overlap{u.server.Environment().Transport(), make(chan struct{}, 9), make(chan struct{}, 9)}
	u.roundTripper = during
	u.do("whoami").want(t, 0, "alice.test")
	if len(during.ended) == 0 {
		t.Error("the command ends before its new tokens are there")
	}
	u.roundTripper = nil
	u.server.ResetStats()
	u.do("whoami").want(t, 0, "alice.test")
	if n := u.server.Stats().Grants["refresh_token"]; n != 0 {
		t.Errorf("%d refreshes: the new tokens were not stored", n)
	}
}

func TestLogout(t *testing.T) {
	t.Run("ends the session at the server, too", func(t *testing.T) {
		u := newUser(t).in("alice").in("bob")
		u.do("logout", "--all").want(t, 0, "Logged out: alice.test\nLogged out: bob.test\n")
		if n := u.server.RevokeSessions(alice); n != 0 {
			t.Errorf("%d sessions are alive", n)
		}
		u.do("accounts").want(t, 0, "Nobody is logged in")
	})
	t.Run("a server that cannot be told", func(t *testing.T) {
		u := newUser(t).in("alice")
		u.server.Fault("/", oauthtest.Fault{Refuse: true, Times: -1})
		u.do("logout").want(t, 1, "logged out here, but its server could not be told")
		u.do("accounts").want(t, 0, "Nobody is logged in")
	})
	t.Run("a key that is lost", func(t *testing.T) {
		u := newUser(t).in("alice")
		if err := os.Remove(u.env["ATPROTO_CONFIG_DIR"] + "/seal.key"); err != nil {
			t.Fatal(err)
		}
		u.do("whoami").want(t, 1, "cannot be opened")
		u.do("logout").want(t, 1, "logged out here, but its server could not be told")
		u.do("accounts").want(t, 0, "Nobody is logged in")
	})
}

func TestLoginThatCannotBeEntered(t *testing.T) {
	u := newUser(t)
	// What is locked cannot be a folder.
	if err := os.MkdirAll(u.env["ATPROTO_CONFIG_DIR"]+"/accounts.json.lock", 0o700); err != nil {
		t.Fatal(err)
	}
	u.do("login", "alice.test").want(t, 1, "the account cannot be entered")
	if n := u.server.RevokeSessions(alice); n != 0 {
		t.Errorf("%d sessions are alive that nobody can use", n)
	}
}

func TestNobodyElseCanReadTheFolder(t *testing.T) {
	u := newUser(t).in("alice")
	dir := u.env["ATPROTO_CONFIG_DIR"]
	modes := make(map[string]fs.FileMode)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v", name, info.Mode())
		}
		if filepath.Dir(name) == dir {
			modes[d.Name()] = info.Mode().Perm()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]fs.FileMode{"accounts.json": 0o600, "accounts.json.lock": 0o600, "seal.key": 0o600, "sessions": 0o700}
	if diff := cmp.Diff(want, modes); diff != "" {
		t.Error(diff)
	}
}

func TestKeyring(t *testing.T) {
	t.Run("keeps the key instead of a file", func(t *testing.T) {
		keyring.MockInit()
		u := newUser(t)
		u.do("login", "--keyring", "alice.test").want(t, 0, "Logged in")
		if _, err := os.Stat(u.env["ATPROTO_CONFIG_DIR"] + "/seal.key"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("there is a key in a file: %v", err)
		}
		u.do("whoami").want(t, 0, "alice.test")
		u.in("bob").do("whoami", "-a", "bob.test").want(t, 0, "bob.test") // no flag: where the others are
		if err := keyring.Delete(keyringService, keyringUser); err != nil {
			t.Fatal(err)
		}
		u.do("whoami").want(t, 1, "the keyring has no key of the sessions any more", "atproto logout --all")
		u.do("logout", "--all").want(t, 1, "logged out here")
		u.with("ATPROTO_KEYRING=1").in("alice").do("whoami").want(t, 0, "alice.test")
	})
	t.Run("is not mixed with a file", func(t *testing.T) {
		keyring.MockInit()
		newUser(t).in("alice").do("login", "--keyring", "bob.test").want(t, 1, "run atproto logout --all before you log in with --keyring")
	})
	t.Run("has something else under the name", func(t *testing.T) {
		keyring.MockInit()
		if err := keyring.Set(keyringService, keyringUser, "short"); err != nil {
			t.Fatal(err)
		}
		newUser(t).do("login", "--keyring", "alice.test").want(t, 1, "is not the key of the sessions: take it away")
	})
	t.Run("is not there", func(t *testing.T) {
		keyring.MockInitWithError(errors.New("no bus"))
		newUser(t).do("login", "--keyring", "alice.test").want(t, 1, "atproto: the keyring cannot be read", "log in without --keyring", "no bus")
	})
}
