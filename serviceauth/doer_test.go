package serviceauth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/serviceauth"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A doerFunc is a Doer.
type doerFunc func(context.Context, *xrpc.Request) (*http.Response, error)

func (f doerFunc) Do(ctx context.Context, req *xrpc.Request) (*http.Response, error) {
	return f(ctx, req)
}

func respond(status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Status: strconv.Itoa(status), Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

// An account is one at a server that signs tokens, and a service that verifies them.
type account struct {
	t        *testing.T
	key      *serviceauth.Key
	clock    time.Time
	asked    []url.Values // of the server, for tokens
	served   []string     // what the service answered, by status
	verifier *serviceauth.Verifier
	body     []byte // what came last
	header   http.Header
}

func newAccount(t *testing.T) *account {
	a := &account{t: t, key: newKey(t, "K-256"), clock: now}
	a.verifier = &serviceauth.Verifier{
		Audiences: []string{feed}, Clock: a.now, Resolver: resolver(document(alice, map[string]*serviceauth.Key{"atproto": a.key})),
	}
	return a
}

func (a *account) now() time.Time { return a.clock }

// Do is the account's server.
func (a *account) Do(_ context.Context, req *xrpc.Request) (*http.Response, error) {
	query, err := url.ParseQuery(req.Query)
	if err != nil || req.NSID != "com.atproto.server.getServiceAuth" || req.Method != http.MethodGet {
		a.t.Errorf("%s %s?%s", req.Method, req.NSID, req.Query)
	}
	a.asked = append(a.asked, query)
	claims := serviceauth.Claims{Issuer: alice, Audience: query.Get("aud"), Method: syntax.NSID(query.Get("lxm"))}
	if seconds, err := strconv.ParseInt(query.Get("exp"), 10, 64); err == nil {
		claims.Expires = time.Unix(seconds, 0)
	}
	text, err := serviceauth.SignAt(a.key, claims, a.clock)
	if err != nil {
		return respond(400, `{"error":"BadExpiration"}`), nil
	}
	body, _ := json.Marshal(map[string]string{"token": text})
	return respond(200, string(body)), nil
}

// service answers who called.
func (a *account) service(ctx context.Context, req *xrpc.Request) (*http.Response, error) {
	out, err := xrpc.NewHTTPRequest(ctx, req.Method, &url.URL{Scheme: "https", Host: "feed.test", Path: "/xrpc/" + string(req.NSID)}, req.Header, req.Body)
	if err != nil {
		return nil, err
	}
	a.body, a.header = nil, out.Header
	if out.Body != nil {
		a.body, _ = io.ReadAll(out.Body)
		out.Body.Close()
	}
	text, _ := strings.CutPrefix(out.Header.Get("Authorization"), "Bearer ")
	claims, err := a.verifier.Verify(ctx, text, req.NSID)
	if err != nil {
		a.served = append(a.served, "401")
		return respond(401, `{"error":"BadJwt"}`), nil
	}
	a.served = append(a.served, "200")
	return respond(200, fmt.Sprintf(`{"did":%q}`, claims.Issuer)), nil
}

func (a *account) call(d xrpc.Doer, method syntax.NSID, body *xrpc.Body) (int, error) {
	a.t.Helper()
	verb := http.MethodGet
	if body != nil {
		verb = http.MethodPost
	}
	resp, err := d.Do(a.t.Context(), &xrpc.Request{Method: verb, NSID: method, Body: body, Header: http.Header{
		"Atproto-Proxy": {"did:web:x.test#y"}, "Authorization": {"DPoP secret"}, "authorization": {"DPoP secret"}, "Accept": {"application/json"},
	}})
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return resp.StatusCode, nil
}

func TestDoer(t *testing.T) {
	t.Run("X35 a token is asked for once a method, and used until shortly before its end", func(t *testing.T) {
		a := newAccount(t)
		d := serviceauth.NewDoer(a, feed, doerFunc(a.service), serviceauth.WithClock(a.now))
		for i, tt := range []struct {
			later  time.Duration
			method syntax.NSID
			asked  int
		}{
			{0, method, 1}, {0, method, 1}, {0, "app.bsky.feed.getPosts", 2}, {49 * time.Second, method, 2}, {50 * time.Second, method, 3}, {51 * time.Second, method, 3},
		} {
			a.clock = now.Add(tt.later)
			if status, err := a.call(d, tt.method, nil); status != 200 || err != nil {
				t.Fatalf("%d: %d, %v", i, status, err)
			}
			if len(a.asked) != tt.asked {
				t.Errorf("%d: the server was asked %d times, want %d", i, len(a.asked), tt.asked)
			}
		}
		if diff := cmp.Diff(url.Values{"aud": {feed}, "lxm": {string(method)}}, a.asked[0]); diff != "" {
			t.Error(diff)
		}
		if strings.Contains(fmt.Sprint(a.header), "secret") || a.header.Get("Atproto-Proxy") != "" || a.header.Get("Accept") != "application/json" {
			t.Errorf("sent: %v", a.header)
		}
	})
	t.Run("X35 a token of its own for each call, and one that lives longer", func(t *testing.T) {
		a := newAccount(t)
		a.verifier.Replays = &serviceauth.ReplayMemory{Clock: a.now}
		d := serviceauth.NewDoer(a, feed, doerFunc(a.service), serviceauth.WithClock(a.now), serviceauth.WithFreshTokens(), serviceauth.WithLife(30*time.Minute))
		for range 3 {
			if status, err := a.call(d, method, nil); status != 200 || err != nil {
				t.Fatalf("%d, %v", status, err)
			}
		}
		if diff := cmp.Diff(strconv.FormatInt(now.Add(30*time.Minute).Unix(), 10), a.asked[2].Get("exp")); diff != "" || len(a.asked) != 3 || len(a.served) != 3 {
			t.Errorf("asked %d times, served %v, %s", len(a.asked), a.served, diff)
		}
	})
	t.Run("X35 where a token is taken once, the second call costs one more", func(t *testing.T) {
		a := newAccount(t)
		a.verifier.Replays = &serviceauth.ReplayMemory{Clock: a.now}
		d := serviceauth.NewDoer(a, feed, doerFunc(a.service), serviceauth.WithClock(a.now))
		for range 2 {
			if status, err := a.call(d, method, xrpc.BytesBody([]byte("text"), "text/plain")); status != 200 || err != nil || string(a.body) != "text" {
				t.Fatalf("%d, %v, %q", status, err, a.body)
			}
		}
		if diff := cmp.Diff([]string{"200", "401", "200"}, a.served); diff != "" {
			t.Error(diff)
		}
		// A body that is used up is not sent in part.
		if status, err := a.call(d, method, xrpc.StreamBody(bytes.NewReader([]byte("text")), 4, "text/plain")); status != 401 || err != nil {
			t.Errorf("%d, %v", status, err)
		}
	})
	t.Run("X35 a service that refuses for ever is asked twice at most", func(t *testing.T) {
		a := newAccount(t)
		a.verifier.Audiences = []string{"did:web:other.test"}
		d := serviceauth.NewDoer(a, feed, doerFunc(a.service), serviceauth.WithClock(a.now))
		for range 2 {
			if status, err := a.call(d, method, nil); status != 401 || err != nil {
				t.Errorf("%d, %v", status, err)
			}
		}
		if len(a.served) > 3 {
			t.Errorf("served %v", a.served)
		}
	})
	t.Run("X35 the service is not called when there is no token", func(t *testing.T) {
		for name, tt := range map[string]struct {
			audience string
			answer   func() (*http.Response, error)
			want     string
		}{
			"the server refuses":            {feed, func() (*http.Response, error) { return respond(400, `{"error":"InvalidRequest","message":"no"}`), nil }, "InvalidRequest"},
			"the server is down":            {feed, func() (*http.Response, error) { return nil, errors.New("down") }, "down"},
			"an answer without one":         {feed, func() (*http.Response, error) { return respond(200, `{}`), nil }, "has no token"},
			"an answer that is none":        {feed, func() (*http.Response, error) { return respond(200, `"x"`), nil }, "has no token"},
			"a token with a line end in it": {feed, func() (*http.Response, error) { return respond(200, `{"token":"a\r\nHost: x"}`), nil }, "cannot be sent"},
			"an audience that is none":      {"https://feed.test", nil, "Wanted.Audience"},
		} {
			t.Run(name, func(t *testing.T) {
				d := serviceauth.NewDoer(doerFunc(func(context.Context, *xrpc.Request) (*http.Response, error) { return tt.answer() }), tt.audience,
					doerFunc(func(context.Context, *xrpc.Request) (*http.Response, error) {
						t.Error("the service was called")
						return respond(200, `{}`), nil
					}))
				_, err := d.Do(t.Context(), &xrpc.Request{Method: "GET", NSID: method})
				send, ok := errors.AsType[*xrpc.SendError](err)
				if !ok || send.Sent != xrpc.SentNo || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v", err)
				}
			})
		}
	})
	t.Run("a Doer shows no token", func(t *testing.T) {
		a := newAccount(t)
		d := serviceauth.NewDoer(a, feed, doerFunc(a.service), serviceauth.WithClock(a.now))
		if _, err := a.call(d, method, nil); err != nil {
			t.Fatal(err)
		}
		if text := fmt.Sprintf("%v %+v %#v %s", d, d, d, d); strings.Contains(text, "eyJ") {
			t.Error(text)
		}
	})
}

func TestSign(t *testing.T) {
	for _, curve := range []string{"P-256", "K-256"} {
		key := newKey(t, curve)
		v := &serviceauth.Verifier{Audiences: []string{feed}, Resolver: resolver(document(alice, map[string]*serviceauth.Key{"atproto": key, "atproto_label": key})), KeyIDs: []string{"atproto", "atproto_label"}, RequireLowS: true}
		good := serviceauth.Claims{Issuer: alice, Audience: feed, Method: method}
		ids := make(map[string]bool)
		for range 20 { // half of all signatures would have the greater s
			text, err := serviceauth.Sign(key, good)
			if err != nil {
				t.Fatal(err)
			}
			got, err := v.Verify(t.Context(), text, method)
			if err != nil {
				t.Fatalf("X33 %s: %v", curve, err)
			}
			if life := got.Expires.Sub(got.IssuedAt); life != time.Minute || len(got.ID) < 22 || ids[got.ID] {
				t.Errorf("X33 %s: %+v", curve, got)
			}
			ids[got.ID] = true
		}
		label := good
		label.KeyID, label.Expires = "#atproto_label", time.Now().Add(30*time.Minute)
		text, err := serviceauth.Sign(key, label)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := v.Verify(t.Context(), text, method); err != nil || got.KeyID != "atproto_label" {
			t.Errorf("X33 %s: %+v, %v", curve, got, err)
		}
		for want, change := range map[string]func(*serviceauth.Claims){
			"Claims.Issuer":   func(c *serviceauth.Claims) { c.Issuer = "alice.test" },
			"Claims.Audience": func(c *serviceauth.Claims) { c.Audience = "feed.test" },
			"Claims.Method":   func(c *serviceauth.Claims) { c.Method = "" },
			"Claims.Expires":  func(c *serviceauth.Claims) { c.Expires = time.Now().Add(2 * time.Hour) },
			"is in -":         func(c *serviceauth.Claims) { c.Expires = time.Now().Add(-time.Hour) },
		} {
			c := good
			change(&c)
			if _, err := serviceauth.Sign(key, c); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", want, err)
			}
		}
	}
	if _, err := serviceauth.Sign(nil, serviceauth.Claims{}); err == nil {
		t.Error("signed without a key")
	}
}
