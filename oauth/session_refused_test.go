package oauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/store"
)

// said is what a token endpoint may answer to a refresh.
func said(status int, body string, header ...string) oauthtest.Answer {
	a := oauthtest.Answer{Status: status, Body: body, Header: make(http.Header)}
	for i := 0; i < len(header); i += 2 {
		a.Header.Set(header[i], header[i+1])
	}
	return a
}

func coded(status int, code string) oauthtest.Answer {
	return said(status, fmt.Sprintf(`{"error":%q,"error_description":"because"}`, code))
}

var (
	// deadInOtherWords are answers that may mean that a session is over.
	deadInOtherWords = map[string]oauthtest.Answer{
		"a mismatch of the client":      coded(400, `"client_id" mismatch`),
		"Session expired":               coded(400, "Session expired"),
		"Refresh token expired":         coded(401, "Refresh token expired"),
		"invalid_request":               coded(400, "invalid_request"),
		"invalid_token":                 coded(401, "invalid_token"),
		"invalid_grant under 401":       coded(401, "invalid_grant"),
		"invalid_grant under 403":       coded(403, "invalid_grant"),
		"access_denied under 403":       coded(403, "access_denied"),
		"a code under 422":              coded(422, "ExpiredToken"),
		"a code under 418":              coded(418, "gone"),
		"a code under 409":              coded(409, "conflict"),
		"words of XRPC":                 said(400, `{"error":"InvalidRequest","message":"invalid refresh token"}`),
		"words of XRPC under 401":       said(401, `{"error":"ExpiredToken","message":"Token has expired"}`),
		"no code":                       said(400, `{"message":"no"}`),
		"no words":                      said(400, ``),
		"a page under 400":              said(400, `<html>`, "Content-Type", "text/html"),
		"a page under 401":              said(401, `<html>`, "Content-Type", "text/html"),
		"a code of another type":        said(400, `{"error":{"code":7}}`),
		"a description of another type": said(403, `{"error":"no","error_description":7}`),
	}
	// alive are answers that say nothing about the session.
	aboutSomethingElse = map[string]oauthtest.Answer{
		"a firewall's page":  said(403, `<html>Forbidden</html>`, "Content-Type", "text/html"),
		"a 403 without code": said(403, `{"message":"no"}`),
		"a block for law":    said(451, `<html>`, "Content-Type", "text/html"),
	}
)

func init() {
	for _, status := range []int{408, 425, 429, 404, 405, 410, 500, 502, 503, 504, 520, 522, 524, 529, 499} {
		answer := said(status, `{}`)
		if status < 500 && status != 499 {
			answer = coded(status, "invalid_request")
		}
		aboutSomethingElse[fmt.Sprint(status)] = answer
	}
	for _, code := range []string{"invalid_client", "unauthorized_client", "invalid_scope", "unsupported_grant_type", "server_error", "slow_down",
		"temporarily_unavailable", "invalid_dpop_proof", "use_dpop_nonce"} {
		for _, status := range []int{400, 401, 403} {
			aboutSomethingElse[fmt.Sprint(status, " ", code)] = coded(status, code)
		}
	}
}

// A refusedSession is one whose server does not renew it.
type refusedSession struct {
	server *oauthtest.Server
	kept   *store.Memory
	client *oauth.Client
	*oauth.Session
	clock *movableClock
	ends  atomic.Int32
	log   logBuffer
}

func newRefusedSession(t *testing.T, answer oauthtest.Answer) *refusedSession {
	t.Helper()
	r := &refusedSession{kept: new(store.Memory), clock: new(movableClock)}
	r.server = sandbox(t, oauthtest.WithClock(r.clock.now), oauthtest.WithDeadSessions(answer))
	r.client = newClient(t, r.server, r.clock.configure, withStore(r.kept), r.log.configure, func(cfg *oauth.Config) {
		cfg.OnEnd = func(context.Context, *oauth.Session, *oauth.Error) { r.ends.Add(1) }
	})
	r.Session = login(t, r.server, r.client)
	return r
}

func (r *refusedSession) refreshes() int { return r.server.Stats().Grants["refresh_token"] }

// goesOn makes sure that nothing was ended.
func (r *refusedSession) goesOn(t *testing.T) {
	t.Helper()
	if n := count(t, r.kept.List(t.Context(), store.RecordSession, "")); n != 1 {
		t.Errorf("%d records of the session", n)
	}
	if n := r.ends.Load(); n != 0 {
		t.Errorf("OnEnd was called %d times", n)
	}
	if s, err := r.client.Resume(t.Context(), r.Key()); err != nil || s != r.Session {
		t.Errorf("resumed: %v", err)
	}
}

func TestDeadSessionsInOtherWords(t *testing.T) {
	for name, answer := range deadInOtherWords {
		t.Run("P56 "+name+" asks for a login once the access token is dead, too", func(t *testing.T) {
			r := newRefusedSession(t, answer)
			r.server.Fault(tokenPath, oauthtest.Fault{Times: -1, Status: answer.Status, Body: answer.Body, Header: answer.Header})
			// While it lives, nobody has to log in.
			if e := wantKind(t, r.Refresh(t.Context()), oauth.ErrToken); errors.Is(e, oauth.ErrReauthRequired) {
				t.Errorf("with a token that lives: %v", e)
			}
			if err := call(t.Context(), r.Session); err != nil {
				t.Errorf("with a token that lives: %v", err)
			}
			r.clock.setAhead(2 * time.Hour)
			e := wantKind(t, call(t.Context(), r.Session), oauth.ErrRefused)
			if !errors.Is(e, oauth.ErrReauthRequired) || e.Status != answer.Status || e.Retryable || e.RetryAfter < time.Minute-time.Second || e.RetryAfter > 2*time.Minute {
				t.Errorf("got %v, retry after %s", e, e.RetryAfter)
			}
			if e := wantKind(t, r.Refresh(t.Context()), oauth.ErrRefused); errors.Is(e, oauth.ErrRevoked) {
				t.Errorf("a refresh: %v", e)
			}
			r.goesOn(t)
			// The server had a fault, and has it no more.
			r.server.ClearFaults()
			r.clock.setAhead(2*time.Hour + 2*time.Minute)
			if err := call(t.Context(), r.Session); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
	for name, answer := range aboutSomethingElse {
		t.Run("P56 "+name+" logs nobody out", func(t *testing.T) {
			r := newRefusedSession(t, answer)
			r.server.Fault(tokenPath, oauthtest.Fault{Times: -1, Status: answer.Status, Body: answer.Body, Header: answer.Header})
			r.clock.setAhead(2 * time.Hour)
			err := call(t.Context(), r.Session)
			if e, ok := errors.AsType[*oauth.Error](err); !ok || errors.Is(err, oauth.ErrReauthRequired) || e.Kind != oauth.ErrToken {
				t.Errorf("got %v", err)
			}
			r.goesOn(t)
		})
	}
	t.Run("P56 the session is tried at most once a minute", func(t *testing.T) {
		r := newRefusedSession(t, deadInOtherWords["Session expired"])
		r.server.RevokeSessions(r.DID())
		for second := range 150 {
			r.clock.setAhead(2*time.Hour + time.Duration(second)*time.Second)
			wantKind(t, call(t.Context(), r.Session), oauth.ErrRefused)
		}
		if n := r.client.Stats().Failures; n > 3 || n < 2 {
			t.Errorf("%d refreshes in two and a half minutes", n)
		}
		r.goesOn(t)
	})
	t.Run("P56 where the token was just refused", func(t *testing.T) {
		r := newRefusedSession(t, deadInOtherWords["words of XRPC"])
		r.server.RevokeSessions(r.DID())
		for range 3 {
			e := wantKind(t, call(t.Context(), r.Session), oauth.ErrRefused)
			if e.Description != "invalid refresh token" || e.Code != "InvalidRequest" {
				t.Errorf("the server's words: %+v", e)
			}
		}
		if n := r.refreshes(); n != 1 {
			t.Errorf("%d refreshes", n)
		}
		r.goesOn(t)
	})
	t.Run("P56 a living token that a refresh ahead of time is refused for is used on", func(t *testing.T) {
		r := newRefusedSession(t, deadInOtherWords["no words"])
		r.server.Fault(tokenPath, oauthtest.Fault{Times: -1, Status: 400})
		r.clock.setAhead(time.Hour - 15*time.Second)
		for range 5 {
			if err := call(t.Context(), r.Session); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("P56 P62 after the answer to a refresh was lost", func(t *testing.T) {
		r := newRefusedSession(t, deadInOtherWords["a mismatch of the client"])
		r.server.Fault(tokenPath, oauthtest.Fault{Drop: true})
		if err := r.Refresh(t.Context()); err == nil {
			t.Fatal("no error")
		}
		r.clock.setAhead(2 * time.Minute)
		wantKind(t, call(t.Context(), r.Session), oauth.ErrRefused) // the server has rotated: the token is dead
		r.goesOn(t)
	})
	t.Run("P56 P62 after a gateway's answer", func(t *testing.T) {
		r := newRefusedSession(t, deadInOtherWords["no code"])
		fault := oauthtest.Gateway(524)
		fault.Late = true
		r.server.Fault(tokenPath, fault)
		wantKind(t, r.Refresh(t.Context()), oauth.ErrToken)
		r.clock.setAhead(2 * time.Minute)
		wantKind(t, call(t.Context(), r.Session), oauth.ErrRefused)
		r.goesOn(t)
	})
	t.Run("P56 in a process that knows nothing of what came before", func(t *testing.T) {
		r := newRefusedSession(t, deadInOtherWords["invalid_request"])
		r.server.RevokeSessions(r.DID())
		r.clock.setAhead(2 * time.Hour)
		other, err := newClient(t, r.server, r.clock.configure, withStore(r.kept)).Resume(t.Context(), r.Key())
		if err != nil {
			t.Fatal(err)
		}
		wantKind(t, call(t.Context(), other), oauth.ErrRefused)
		wantKind(t, call(t.Context(), r.Session), oauth.ErrRefused)
		r.goesOn(t)
	})
	t.Run("P56 O108 invalid_grant is an end, as ever", func(t *testing.T) {
		r := newRefusedSession(t, coded(400, "invalid_grant"))
		r.server.RevokeSessions(r.DID())
		if e := wantKind(t, call(t.Context(), r.Session), oauth.ErrRevoked); errors.Is(e, oauth.ErrRefused) {
			t.Errorf("got %v", e)
		}
		if n := count(t, r.kept.List(t.Context(), store.RecordSession, "")); n != 0 {
			t.Errorf("%d records", n)
		}
	})
}

func TestManySessionsRefusedAlike(t *testing.T) {
	const line = "refuses many sessions in the same way"
	for name, tt := range map[string]struct {
		answer   oauthtest.Answer
		sessions int
		between  time.Duration
		told     int
	}{
		"many within a minute":           {deadInOtherWords["Session expired"], 10, time.Second, 1},
		"many, for what is about us":     {coded(401, "invalid_client"), 10, time.Second, 1},
		"two are not many":               {deadInOtherWords["Session expired"], 2, time.Second, 0},
		"one now and then":               {deadInOtherWords["Session expired"], 5, 40 * time.Second, 0},
		"a server that is down":          {said(503, ``), 10, time.Second, 0},
		"the end of sessions is no news": {coded(400, "invalid_grant"), 10, time.Second, 0},
	} {
		t.Run("P56 "+name, func(t *testing.T) {
			clock := new(movableClock)
			server := sandbox(t, oauthtest.WithClock(clock.now), oauthtest.WithDeadSessions(tt.answer))
			var log logBuffer
			client := newClient(t, server, clock.configure, log.configure)
			var sessions []*oauth.Session
			for range tt.sessions {
				sessions = append(sessions, login(t, server, client))
			}
			server.RevokeSessions(sessions[0].DID())
			for i, s := range sessions {
				clock.setAhead(2*time.Hour + time.Duration(i)*tt.between)
				for range 2 {
					if err := call(t.Context(), s); err == nil {
						t.Error("no error")
					}
				}
			}
			got := log.String()
			if n := strings.Count(got, line); n != tt.told {
				t.Errorf("told %d times:\n%s", n, got)
			}
			for text := range strings.Lines(got) {
				if strings.Contains(text, line) && !(strings.Contains(text, "level=ERROR") && strings.Contains(text, "https://pds.test")) {
					t.Errorf("told as %s", text)
				}
			}
		})
	}
}

func TestWebKeepsTheCookieOfARefusedSession(t *testing.T) {
	t.Run("P56 the session is there for the next request", func(t *testing.T) {
		r := newRefusedSession(t, deadInOtherWords["no code"])
		web := &oauth.Web{Client: r.client}
		sealed, err := r.client.SealSessionKey(t.Context(), r.Key())
		if err != nil {
			t.Fatal(err)
		}
		r.server.RevokeSessions(r.DID())
		wantKind(t, call(t.Context(), r.Session), oauth.ErrRefused)
		req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://127.0.0.1:8765/", nil)
		req.AddCookie(&http.Cookie{Name: "atproto-session", Value: sealed})
		if s, err := web.Session(req); err != nil || s != r.Session {
			t.Errorf("got %v", err)
		}
	})
}
