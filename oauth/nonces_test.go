package oauth_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc"
)

const sessionAnswer = `{"did":"did:plc:aaaaaaaaaaaaaaaaaaaaaaaa","handle":"alice.test"}`

// answeringCalls is a PDS that answers calls whatever their proofs say, with a nonce of
// its own.
func answeringCalls(nonce func(req *http.Request) string) func(*oauth.Config) {
	return withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
		if req.URL.Path != callPath {
			return next()
		}
		return respond(req, 200, sessionAnswer, "DPoP-Nonce", nonce(req)), nil
	})
}

func TestNoncesAreKeptApart(t *testing.T) {
	t.Run("O93 O96 that of the PDS goes to the PDS, that of the authorization server goes there", func(t *testing.T) {
		server, w := sandbox(t, oauthtest.WithIssuer("as.test"), oauthtest.WithPDS("pds.test")), new(wire)
		n := 0
		s := login(t, server, newClient(t, server, answeringCalls(func(*http.Request) string { n++; return fmt.Sprintf("pds-%d", n) }), w.tap()))
		for range 3 {
			if err := call(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			if err := s.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		want := []string{"", "pds-1", "pds-2"}
		for i, sent := range w.to(callPath) {
			if got := proofIn(t, sent).text("nonce"); got != want[i] {
				t.Errorf("call %d has nonce %q, want %q", i+1, got, want[i])
			}
		}
		for i, sent := range w.to(tokenPath) {
			if got := proofIn(t, sent).text("nonce"); strings.HasPrefix(got, "pds-") || got == "" {
				t.Errorf("token request %d has nonce %q", i+1, got)
			}
		}
		if n := len(w.to(tokenPath)); n != 4 {
			t.Errorf("%d token requests, want one for the login and one for each refresh", n)
		}
	})
	t.Run("O96 sessions at one server have nonces of their own, and a new one tries the newest", func(t *testing.T) {
		server, w := sandbox(t), new(wire)
		var mu sync.Mutex
		names := make(map[string]string) // by token
		client := newClient(t, server, answeringCalls(func(req *http.Request) string {
			mu.Lock()
			defer mu.Unlock()
			token := req.Header.Get("Authorization")
			if names[token] == "" {
				names[token] = fmt.Sprintf("nonce-of-session-%d", len(names)+1)
			}
			return names[token]
		}), w.tap())
		first, second := login(t, server, client), login(t, server, client)
		for i, step := range []struct {
			session *oauth.Session
			want    string
		}{
			{first, "*"}, {second, "*"},
			{first, "nonce-of-session-1"}, {second, "nonce-of-session-2"}, {first, "nonce-of-session-1"},
		} {
			if err := call(t.Context(), step.session); err != nil {
				t.Fatal(err)
			}
			if got := proofIn(t, w.last(t, callPath)).text("nonce"); got != step.want && step.want != "*" {
				t.Errorf("call %d has nonce %q, want %q", i+1, got, step.want)
			}
		}
	})
}

func TestNoncesAreLearned(t *testing.T) {
	for status, name := range map[int]string{200: "a success", 404: "an error", 503: "a server that is down"} {
		t.Run("O97 from "+name, func(t *testing.T) {
			server, w := sandbox(t), new(wire)
			n := 0
			s := login(t, server, newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
				if req.URL.Path != callPath {
					return next()
				}
				n++
				return respond(req, status, sessionAnswer, "DPoP-Nonce", fmt.Sprint("n", n)), nil
			}), w.tap()))
			for range 3 {
				call(t.Context(), s)
			}
			for i, sent := range w.to(callPath)[1:] {
				if got, want := proofIn(t, sent).text("nonce"), fmt.Sprint("n", i+1); got != want {
					t.Errorf("call %d has nonce %q, want %q", i+2, got, want)
				}
			}
		})
	}
	t.Run("O97 and an answer that comes late does not undo a newer one", func(t *testing.T) {
		server, w := sandbox(t), new(wire)
		arrived, goOn := make(chan struct{}), make(chan struct{})
		var n atomic.Int32
		s := login(t, server, newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if req.URL.Path != callPath {
				return next()
			}
			resp := respond(req, 200, sessionAnswer, "DPoP-Nonce", fmt.Sprint("n", n.Add(1)))
			if resp.Header.Get("DPoP-Nonce") == "n1" {
				close(arrived)
				<-goOn
			}
			return resp, nil
		}), w.tap()))
		late := make(chan error)
		go func() { late <- call(t.Context(), s) }()
		<-arrived
		if err := call(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		close(goOn)
		if err := <-late; err != nil {
			t.Fatal(err)
		}
		if err := call(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if got := proofIn(t, w.last(t, callPath)).text("nonce"); got != "n2" {
			t.Errorf("the third call has nonce %q, want that of the second", got)
		}
	})
	t.Run("O96 O97 P17 and kept in the store: the first call after a resume costs one request", func(t *testing.T) {
		server, kept, w := sandbox(t, oauthtest.WithIssuer("as.test"), oauthtest.WithPDS("pds.test")), new(store.Memory), new(wire)
		s := login(t, server, newClient(t, server, withStore(kept)))
		if err := call(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if err := s.Refresh(t.Context()); err != nil { // the write that takes the nonces along
			t.Fatal(err)
		}
		resumed, err := newClient(t, server, withStore(kept), w.tap()).Resume(t.Context(), s.Key())
		if err != nil {
			t.Fatal(err)
		}
		if err := call(t.Context(), resumed); err != nil {
			t.Fatal(err)
		}
		if err := resumed.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if calls, refreshes := len(w.to(callPath)), len(w.to(tokenPath)); calls != 1 || refreshes != 1 {
			t.Errorf("%d requests for one call, %d for one refresh", calls, refreshes)
		}
	})
	for _, tt := range []struct {
		name           string
		rotate, resume bool
	}{
		{"a nonce that stays", false, false},
		{"a nonce that stays, from the store", false, true},
		{"a nonce that changes with every answer", true, false},
		{"a nonce that changes with every answer, from the store", true, true},
	} {
		t.Run("P17 O97 ten calls cost eleven requests at most under "+tt.name, func(t *testing.T) {
			server := sandbox(t)
			kept := new(store.Memory)
			s := login(t, server, newClient(t, server, withStore(kept)))
			server.RotateNonceAlways(tt.rotate)
			if tt.resume {
				var err error
				if s, err = newClient(t, server, withStore(kept)).Resume(t.Context(), s.Key()); err != nil {
					t.Fatal(err)
				}
			}
			server.ResetStats()
			const calls = 10
			for range calls {
				if err := call(t.Context(), s); err != nil {
					t.Fatal(err)
				}
			}
			if n := server.Stats().Requests[callPath]; n > calls+1 {
				t.Errorf("%d requests for %d calls", n, calls)
			}
		})
	}
}

func TestChallengesForANonce(t *testing.T) {
	const inBody, message = `{"error":"use_dpop_nonce"}`, "for the caller"
	for _, tt := range []struct {
		name   string
		status int
		body   string
		header []string
		again  bool
	}{
		{"P19 O98 in the header, with 401", 401, `{}`, []string{"WWW-Authenticate", `DPoP algs="ES256", error="use_dpop_nonce"`}, true},
		{"O98 in the header, with 400", 400, `{}`, []string{"WWW-Authenticate", `DPoP error=use_dpop_nonce`}, true},
		{"O98 among other challenges", 401, `{}`, []string{"WWW-Authenticate", `Basic realm="x, y", DPoP error="use_dpop_nonce"`}, true},
		{"O98 in the body, with 400", 400, inBody, nil, true},
		{"O98 in the body, with 401", 401, inBody, []string{"Content-Type", "application/json; charset=utf-8"}, true},
		{"O98 in the body, with another status", 403, inBody, nil, false},
		{"O98 in a body that is no JSON", 400, inBody, []string{"Content-Type", "text/plain"}, false},
		{"O98 P30 in a body that is broken", 400, `{"error":"use_dpop_nonce"`, nil, false},
		{"O98 P30 in a body that is huge", 400, `{"error":"use_dpop_nonce","x":"` + strings.Repeat("x", 1<<20) + `"}`, nil, false},
		{"O98 for something else", 400, `{"error":"InvalidRequest","message":"use_dpop_nonce"}`, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server, w := sandbox(t), new(wire)
			first := true
			s := login(t, server, newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
				if req.URL.Path != callPath || !first {
					return next()
				}
				first = false
				return respond(req, tt.status, tt.body, append([]string{"DPoP-Nonce", "wanted"}, tt.header...)...), nil
			}), w.tap()))
			resp, err := s.AuthenticatedRequest(t.Context(), "GET", callPath, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			sent := w.to(callPath)
			if !tt.again {
				body, err := io.ReadAll(resp.Body)
				if len(sent) != 1 || resp.StatusCode != tt.status || string(body) != tt.body || err != nil {
					t.Errorf("%d requests, HTTP %d with %d bytes of %d, %v", len(sent), resp.StatusCode, len(body), len(tt.body), err)
				}
				return
			}
			// "wanted" is none of the sandbox's, which asks once more, for one of its own.
			if len(sent) != 2 || proofIn(t, sent[1]).text("nonce") != "wanted" || proofIn(t, sent[0]).text("jti") == proofIn(t, sent[1]).text("jti") {
				t.Errorf("%d requests", len(sent))
			}
		})
	}
	t.Run("O98 without a nonce to use there is nothing to try", func(t *testing.T) {
		server, w := sandbox(t), new(wire)
		s := login(t, server, newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if req.URL.Path != callPath {
				return next()
			}
			return respond(req, 401, `{"error":"use_dpop_nonce","message":"`+message+`"}`, "WWW-Authenticate", `DPoP error="use_dpop_nonce"`), nil
		}), w.tap()))
		if err := call(t.Context(), s); err == nil || !strings.Contains(err.Error(), message) || len(w.to(callPath)) != 1 {
			t.Errorf("%d requests, %v", len(w.to(callPath)), err)
		}
	})
	for _, status := range []int{400, 401} {
		t.Run(fmt.Sprintf("O98 P18 of the authorization server, with %d", status), func(t *testing.T) {
			server, w := sandbox(t), new(wire)
			var challenge atomic.Bool
			s := login(t, server, newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
				if !isRefresh(req) || !challenge.CompareAndSwap(true, false) {
					return next()
				}
				resp, err := next() // refused before it is looked at, and with a nonce that is good
				if err != nil {
					return nil, err
				}
				resp.Body.Close()
				return respond(req, status, inBody, "DPoP-Nonce", resp.Header.Get("DPoP-Nonce")), nil
			}), w.tap()))
			server.RotateNonce()
			challenge.Store(true)
			if err := s.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			sent := w.to(tokenPath)
			if len(sent) != 3 || proofIn(t, sent[1]).text("nonce") == proofIn(t, sent[2]).text("nonce") || proofIn(t, sent[1]).text("jti") == proofIn(t, sent[2]).text("jti") {
				t.Errorf("%d token requests", len(sent))
			}
		})
	}
	t.Run("O98 P30 in a body that does not end, which is not waited for long", func(t *testing.T) {
		server, kept := sandbox(t), new(store.Memory)
		key := login(t, server, newClient(t, server, withStore(kept))).Key()
		synctest.Test(t, func(t *testing.T) {
			body, held := io.Pipe()
			defer held.Close()
			s, err := newClient(t, server, withStore(kept), withHook(func(req *http.Request, _ func() (*http.Response, error)) (*http.Response, error) {
				resp := respond(req, 401, ``, "DPoP-Nonce", "wanted")
				resp.Body, resp.ContentLength = body, -1
				return resp, nil
			})).Resume(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			started := time.Now()
			resp, err := s.AuthenticatedRequest(t.Context(), "GET", callPath, nil)
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(started); took != 5*time.Second {
				t.Errorf("it took %s", took)
			}
			if _, err := io.ReadAll(resp.Body); err == nil {
				t.Error("the body ended well")
			}
			resp.Body.Close()
		})
	})
}

func TestAnswersWithoutANonce(t *testing.T) {
	dropping := func(drop func(*http.Request) bool) func(*oauth.Config) {
		return withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			dropped := drop(req)
			resp, err := next()
			if err == nil && dropped && resp.StatusCode < 300 {
				resp.Header.Del("DPoP-Nonce")
			}
			return resp, err
		})
	}
	to := func(path string) func(*http.Request) bool {
		return func(req *http.Request) bool { return req.URL.Path == path }
	}
	for name, drop := range map[string]func(*http.Request) bool{
		"a pushed request": to(parPath), "tokens": to(tokenPath), "a refresh": isRefresh, "a logout": to(revokePath),
	} {
		t.Run("O100 P54 are used and logged: "+name, func(t *testing.T) {
			server := sandbox(t)
			var log logBuffer
			s := login(t, server, newClient(t, server, log.configure, dropping(drop)))
			for range 2 {
				if err := s.Refresh(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if err := call(t.Context(), s); err != nil {
				t.Error(err)
			}
			if err := s.Logout(t.Context()); err != nil {
				t.Error(err)
			}
			if got := log.String(); strings.Count(got, "no DPoP-Nonce") != 1 || !strings.Contains(got, "https://pds.test") {
				t.Errorf("logged:\n%s", got)
			}
		})
	}
	t.Run("P54 a server that gives some is not told of", func(t *testing.T) {
		server := sandbox(t)
		var log logBuffer
		s := login(t, server, newClient(t, server, log.configure))
		if _, err := comatproto.NewClient(s).Server.DescribeServer(t.Context()); err != nil { // where no proof is looked at
			t.Fatal(err)
		}
		if err := s.Logout(t.Context()); err != nil {
			t.Error(err)
		}
		if got := log.String(); strings.Contains(got, "no DPoP-Nonce") {
			t.Errorf("logged:\n%s", got)
		}
	})
}

func TestServersWithoutNonces(t *testing.T) {
	for name, opts := range map[string][]oauthtest.Option{
		"one server": nil, "two servers": {oauthtest.WithIssuer("as.test")},
	} {
		t.Run("P54 "+name+": login, calls, uploads, refresh and logout work, with one warning each", func(t *testing.T) {
			server := sandbox(t, append(opts, oauthtest.WithoutNonces())...)
			var log logBuffer
			kept := new(store.Memory)
			configure := []func(*oauth.Config){log.configure, withStore(kept)}
			s := login(t, server, newClient(t, server, configure...))
			for range 2 {
				if err := write(t, s, "com.example.note"); err != nil {
					t.Fatal(err)
				}
				if err := s.Refresh(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if n, err := upload(t, s, xrpc.StreamBody(strings.NewReader("some bytes"), 10, "text/plain")); err != nil || n != 10 {
				t.Errorf("uploaded %d bytes, %v", n, err)
			}
			if err := s.Logout(t.Context()); err != nil {
				t.Error(err)
			}
			if n := server.RevokeSessions(s.DID()); n != 0 {
				t.Errorf("%d sessions live at the server", n)
			}
			got := log.String()
			for _, place := range []string{server.Environment().Issuer, server.Environment().PDS} {
				if n := strings.Count(got, "server="+place+"\n"); n != 1 {
					t.Errorf("%d warnings about %s:\n%s", n, place, got)
				}
			}
		})
	}
	t.Run("P54 that it gives none is remembered, by all sessions, for an hour", func(t *testing.T) {
		clock := new(movableClock)
		server := sandbox(t, oauthtest.WithoutNonces(), oauthtest.WithClock(clock.now))
		server.SetTokenLifetime(24 * time.Hour)
		client := newClient(t, server, clock.configure)
		sessions := []*oauth.Session{login(t, server, client), login(t, server, client)}
		probes := func() int { return server.Stats().Requests[callPath] }
		for range 3 {
			for _, s := range sessions {
				if _, err := upload(t, s, xrpc.StreamBody(strings.NewReader("x"), 1, "text/plain")); err != nil {
					t.Fatal(err)
				}
			}
			clock.setAhead(50 * time.Minute)
		}
		if n := probes(); n != 1 {
			t.Errorf("six uploads took %d requests more", n)
		}
		clock.setAhead(2 * time.Hour)
		if _, err := upload(t, sessions[0], xrpc.StreamBody(strings.NewReader("x"), 1, "text/plain")); err != nil || probes() != 2 {
			t.Errorf("after an hour: %v, %d requests more", err, probes())
		}
	})
	for name, answer := range map[string]func(*http.Request) *http.Response{
		"a gateway's":   func(r *http.Request) *http.Response { return respond(r, 502, "<html>", "Content-Type", "text/html") },
		"a firewall's":  func(r *http.Request) *http.Response { return respond(r, 403, "<html>", "Content-Type", "text/html") },
		"a rate limit":  func(r *http.Request) *http.Response { return respond(r, 429, `{"error":"RateLimitExceeded"}`) },
		"another's 501": func(r *http.Request) *http.Response { return respond(r, 501, `{"error":"MethodNotImplemented"}`) },
	} {
		t.Run("P54 P15 but not by an answer that proves nothing: "+name, func(t *testing.T) {
			clock := new(movableClock)
			server := sandbox(t, oauthtest.WithClock(clock.now))
			hidden := true
			s := login(t, server, newClient(t, server, clock.configure, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
				// The upload does not arrive either: its answer would bring a nonce, and undo what was believed.
				if hidden && (req.URL.Path == callPath || req.URL.Path == uploadPath) {
					return answer(req), nil
				}
				return next()
			})))
			clock.setAhead(2 * time.Minute) // the nonce of the login is old
			upload(t, s, xrpc.StreamBody(strings.NewReader("x"), 1, "text/plain"))
			hidden = false
			server.RotateNonce()
			clock.setAhead(4 * time.Minute)
			if n, err := upload(t, s, xrpc.StreamBody(strings.NewReader("some bytes"), 10, "text/plain")); err != nil || n != 10 {
				t.Errorf("uploaded %d bytes, %v", n, err)
			}
		})
	}
}
