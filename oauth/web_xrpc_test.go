package oauth_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A passing is a site whose scripts may call some methods, and what answers in the place of
// the account's server.
type passing struct {
	*site
	api    *httptest.Server
	answer hook // nil: the sandbox
	sent   []*http.Request
	kept   *downStore
}

const appview = "did:web:api.bsky.app#bsky_appview"

func newPassing(t *testing.T) *passing {
	t.Helper()
	p := &passing{kept: &downStore{Store: new(store.Memory)}}
	p.site = newSite(t, func(cfg *oauth.Config, _ *oauth.Web) {
		withStore(p.kept)(cfg)
		withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if !strings.HasPrefix(req.URL.Path, "/xrpc/") {
				return next()
			}
			p.sent = append(p.sent, req)
			if p.answer != nil {
				return p.answer(req, next)
			}
			return next()
		})(cfg)
	})
	p.api = httptest.NewServer(p.web.XRPC(
		oauth.XRPCMethod{NSID: "com.atproto.server.getSession"},
		oauth.XRPCMethod{NSID: "com.atproto.sync.getBlob", MaxOutput: 1 << 10},
		oauth.XRPCMethod{NSID: "app.bsky.feed.getTimeline", Proxy: appview},
		oauth.XRPCMethod{NSID: "com.atproto.repo.createRecord", Procedure: true},
		oauth.XRPCMethod{NSID: "com.atproto.repo.uploadBlob", Procedure: true, MaxInput: 300 << 10},
	))
	t.Cleanup(p.api.Close)
	return p
}

// script makes a request as a script of the site does, with header fields in pairs.
func (p *passing) script(t *testing.T, method, path string, body io.Reader, header ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, p.api.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Sec-Fetch-Dest", "empty")
	for i := 0; i < len(header); i += 2 {
		if req.Header.Set(header[i], header[i+1]); header[i+1] == "" {
			req.Header.Del(header[i])
		}
	}
	resp, err := p.browser.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// named is status and error of an answer.
func named(t *testing.T, resp *http.Response) string {
	t.Helper()
	var words struct{ Error, Message string }
	if err := json.NewDecoder(resp.Body).Decode(&words); err != nil || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("status %d, %s: %v", resp.StatusCode, resp.Header.Get("Content-Type"), err)
	}
	return fmt.Sprint(resp.StatusCode, " ", words.Error)
}

const (
	getSession = "/xrpc/com.atproto.server.getSession"
	getBlob    = "/xrpc/com.atproto.sync.getBlob"
	uploadBlob = "/xrpc/com.atproto.repo.uploadBlob"
)

func TestWebXRPC(t *testing.T) {
	t.Run("O94 a script calls with the session of its user, and sees no token", func(t *testing.T) {
		p := newPassing(t)
		p.login(t, "alice", alice())
		resp := p.script(t, "GET", getSession, nil)
		var who struct{ Handle string }
		if err := json.NewDecoder(resp.Body).Decode(&who); err != nil || resp.StatusCode != 200 || who.Handle != "alice.test" {
			t.Fatalf("status %d, %v, %v", resp.StatusCode, who, err)
		}
		did := p.sandbox.Environment().Account("alice").DID
		input := fmt.Sprintf(`{"repo":%q,"collection":"app.bsky.feed.post","record":{"$type":"app.bsky.feed.post","text":"hi","createdAt":"2026-01-01T00:00:00Z"}}`, did)
		p.sandbox.RotateNonce() // so that the body has to be sent twice
		if resp := p.script(t, "POST", "/xrpc/com.atproto.repo.createRecord", strings.NewReader(input), "Content-Type", "application/json"); resp.StatusCode != 200 {
			t.Errorf("status %s", named(t, resp))
		}
	})
	t.Run("O94 cookies, credentials and origin stay here, and the proxied service is not the script's to choose", func(t *testing.T) {
		p := newPassing(t)
		p.login(t, "alice", alice())
		p.answer = func(req *http.Request, _ func() (*http.Response, error)) (*http.Response, error) {
			return respond(req, 200, `{}`), nil
		}
		p.sent = nil
		p.script(t, "GET", "/xrpc/app.bsky.feed.getTimeline?limit=3&x=a%2Fb", nil,
			"Accept", "application/json", "Accept-Language", "de", "Atproto-Accept-Labelers", "did:web:labels.example.com",
			"Authorization", "Bearer mine", "DPoP", "mine", "Origin", p.api.URL, "Referer", p.api.URL+"/secret", "Atproto-Proxy", "did:web:evil.example.com#x",
			"X-Forwarded-For", "10.0.0.1", "Connection", "close", "Host", "evil.example.com")
		if len(p.sent) != 1 {
			t.Fatalf("%d requests", len(p.sent))
		}
		got := p.sent[0]
		if got.URL.String() != "https://pds.test/xrpc/app.bsky.feed.getTimeline?limit=3&x=a%2Fb" || !strings.HasPrefix(got.Header.Get("Authorization"), "DPoP ") || got.Header.Get("Dpop") == "mine" {
			t.Errorf("%s, %v", got.URL, got.Header)
		}
		got.Header.Del("Authorization")
		got.Header.Del("Dpop")
		want := http.Header{
			"Accept": {"application/json"}, "Accept-Language": {"de"}, "Atproto-Accept-Labelers": {"did:web:labels.example.com"}, "Atproto-Proxy": {appview},
			"User-Agent": {"atproto-go (+https://github.com/gimucco/atproto-go)"}, // ours, not the browser's
		}
		if diff := cmp.Diff(want, got.Header); diff != "" {
			t.Error(diff)
		}
		p.script(t, "GET", getSession, nil, "Atproto-Proxy", appview)
		if got := p.sent[1].Header.Get("Atproto-Proxy"); got != "" {
			t.Errorf("a method without one goes on to %q", got)
		}
	})
	for _, tt := range []struct {
		name, method, path string
		header             []string
		want               string
	}{
		{"a method that is not listed", "GET", "/xrpc/com.atproto.repo.listRecords", nil, "501 MethodNotImplemented"},
		{"one that is listed and more", "GET", getSession + "/x", nil, "501 MethodNotImplemented"},
		{"no method", "GET", "/xrpc/", nil, "501 MethodNotImplemented"},
		{"credentials", "GET", "/xrpc/com.atproto.server.getServiceAuth", nil, "501 MethodNotImplemented"},
		{"a query by POST", "POST", getSession, nil, "405 InvalidRequest"},
		{"a procedure by GET", "GET", uploadBlob, nil, "405 InvalidRequest"},
		{"another site", "GET", getSession, []string{"Sec-Fetch-Site", "cross-site"}, "403 CrossSiteRequest"},
		{"another site that says what old browsers say", "GET", getSession, []string{"Sec-Fetch-Site", "cross-site", oauth.XRPCHeader, "1"}, "403 CrossSiteRequest"},
		{"another host of this domain", "GET", getSession, []string{"Sec-Fetch-Site", "same-site"}, "403 CrossSiteRequest"},
		{"what was typed into the address bar", "GET", getSession, []string{"Sec-Fetch-Site", "none"}, "403 CrossSiteRequest"},
		{"an old browser", "GET", getSession, []string{"Sec-Fetch-Site", "", "Sec-Fetch-Dest", ""}, "403 CrossSiteRequest"},
		{"an old browser, posting", "POST", uploadBlob, []string{"Sec-Fetch-Site", ""}, "403 CrossSiteRequest"},
		{"an old browser on another site", "POST", uploadBlob, []string{"Sec-Fetch-Site", "", oauth.XRPCHeader, "1", "Origin", "https://evil.example.com"}, "403 CrossSiteRequest"},
		{"an old browser on another site, by GET", "GET", getSession, []string{"Sec-Fetch-Site", "", oauth.XRPCHeader, "1", "Origin", "null"}, "403 CrossSiteRequest"},
		{"a script element", "GET", getBlob, []string{"Sec-Fetch-Dest", "script"}, "403 CrossSiteRequest"},
		{"a worker", "GET", getBlob, []string{"Sec-Fetch-Dest", "serviceworker"}, "403 CrossSiteRequest"},
		{"a style sheet", "GET", getBlob, []string{"Sec-Fetch-Dest", "style"}, "403 CrossSiteRequest"},
		{"a frame", "GET", getBlob, []string{"Sec-Fetch-Dest", "iframe"}, "403 CrossSiteRequest"},
		{"a preflight", "OPTIONS", getSession, nil, "405 InvalidRequest"},
		{"HEAD", "PUT", getSession, nil, "405 InvalidRequest"},
	} {
		t.Run("O64 nothing is passed on for "+tt.name, func(t *testing.T) {
			p := newPassing(t)
			p.login(t, "alice", alice())
			p.sent = nil
			resp := p.script(t, tt.method, tt.path, nil, tt.header...)
			if got := named(t, resp); got != tt.want || len(p.sent) != 0 {
				t.Errorf("%s, %d requests; want %s", got, len(p.sent), tt.want)
			}
			if resp.Header.Get("Access-Control-Allow-Origin") != "" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%v", resp.Header)
			}
		})
	}
	t.Run("an old browser says that it is a script of this site by a header of its own", func(t *testing.T) {
		p := newPassing(t)
		p.login(t, "alice", alice())
		if resp := p.script(t, "GET", getSession, nil, "Sec-Fetch-Site", "", "Sec-Fetch-Dest", "", oauth.XRPCHeader, "1", "Origin", p.api.URL); resp.StatusCode != 200 {
			t.Errorf("%s", named(t, resp))
		}
	})
}

func TestWebXRPCListsMethods(t *testing.T) {
	web := &oauth.Web{Client: newClient(t, sandbox(t))}
	makes := func(methods ...oauth.XRPCMethod) (ok bool) {
		defer func() { ok = recover() == nil }()
		web.XRPC(methods...)
		return
	}
	for _, nsid := range []syntax.NSID{
		"com.atproto.server.getServiceAuth", "com.atproto.server.createSession", "com.atproto.server.refreshSession", "com.atproto.server.createAppPassword",
		"com.atproto.server.createAccount", "com.atproto.server.deleteAccount", "com.atproto.server.resetPassword", "com.atproto.server.createInviteCode",
		"com.atproto.server.somethingNew", "com.atproto.identity.signPlcOperation", "com.atproto.identity.submitPlcOperation", "com.atproto.admin.getAccountInfo",
		"com.atproto.SERVER.getServiceAuth", "com.atproto.Server.createSession", "com.atproto.space.getDelegationToken", "com.atproto.space.getSpaceCredential", "org.example.getServiceAuth",
		"*", "com.atproto.*", "com.atproto.repo.*", "", "createRecord", "/com.atproto.repo.createRecord",
	} {
		if t.Run("O64 refused even when it is listed: "+string(nsid), func(t *testing.T) {
			if makes(oauth.XRPCMethod{NSID: nsid}) || makes(oauth.XRPCMethod{NSID: nsid, Procedure: true}) {
				t.Error("it makes a handler")
			}
		}); t.Failed() {
			break
		}
	}
	for name, methods := range map[string][]oauth.XRPCMethod{
		"a method twice":         {{NSID: "com.atproto.repo.createRecord", Procedure: true}, {NSID: "com.atproto.repo.createRecord"}},
		"a service that is none": {{NSID: "app.bsky.feed.getTimeline", Proxy: "did:web:api.bsky.app\r\nX: y"}},
		"a limit below 0":        {{NSID: "app.bsky.feed.getTimeline", MaxOutput: -1}},
	} {
		t.Run("refused is "+name, func(t *testing.T) {
			if makes(methods...) {
				t.Error("it makes a handler")
			}
		})
	}
	for _, nsid := range []syntax.NSID{
		"com.atproto.server.getSession", "com.atproto.repo.createRecord", "com.atproto.repo.uploadBlob", "com.atproto.identity.resolveHandle",
		"com.atproto.sync.getBlob", "app.bsky.feed.getAuthorFeed", "app.bsky.notification.registerPush", "chat.bsky.convo.sendMessage",
	} {
		if !makes(oauth.XRPCMethod{NSID: nsid}) {
			t.Errorf("%s is refused", nsid)
		}
	}
}

func TestWebXRPCAnswers(t *testing.T) {
	for _, tt := range []struct {
		contentType, want string
		saved             bool
	}{
		{"application/json", "application/json", false},
		{"application/json; charset=utf-8", "application/json", false},
		{"image/png", "image/png", true},
		{"video/mp4", "video/mp4", true},
		{"text/plain; charset=utf-8", "text/plain; charset=utf-8", true},
		{"application/vnd.ipld.car", "application/vnd.ipld.car", true},
		{"text/html", "application/octet-stream", true},
		{"TEXT/HTML; charset=utf-8", "application/octet-stream", true},
		{"application/xhtml+xml", "application/octet-stream", true},
		{"image/svg+xml", "application/octet-stream", true},
		{"text/xml", "application/octet-stream", true},
		{"text/javascript", "application/octet-stream", true},
		{"application/javascript", "application/octet-stream", true},
		{"text/css", "application/octet-stream", true},
		{"application/pdf", "application/octet-stream", true},
		{"multipart/x-mixed-replace; boundary=x", "application/octet-stream", true},
		{"", "application/octet-stream", true},
		{"nonsense;;", "application/octet-stream", true},
	} {
		t.Run("O64 what is somebody's file is no page of this site: "+tt.contentType, func(t *testing.T) {
			p := newPassing(t)
			p.login(t, "alice", alice())
			p.answer = func(req *http.Request, _ func() (*http.Response, error)) (*http.Response, error) {
				return respond(req, 200, `<script>alert(1)</script>`, "Content-Type", tt.contentType, "Content-Disposition", "inline",
					"Set-Cookie", "atproto-session=stolen", "Location", "https://evil.example.com", "Access-Control-Allow-Origin", "*", "DPoP-Nonce", "n",
					"WWW-Authenticate", "DPoP", "Link", "</x>; rel=preload", "Refresh", "0; url=https://evil.example.com", "Clear-Site-Data", `"*"`,
					"Service-Worker-Allowed", "/", "Content-Security-Policy", "script-src *", "Atproto-Repo-Rev", "3k", "RateLimit-Remaining", "7"), nil
			}
			resp := p.script(t, "GET", getBlob, nil)
			resp.Header.Del("Date")
			want := http.Header{
				"Content-Type": {tt.want}, "Content-Length": {"25"}, "Atproto-Repo-Rev": {"3k"}, "Ratelimit-Remaining": {"7"},
				"X-Content-Type-Options": {"nosniff"}, "Cache-Control": {"no-store"}, "Content-Security-Policy": {"sandbox; default-src 'none'"},
				"Cross-Origin-Resource-Policy": {"same-origin"}, "Referrer-Policy": {"same-origin"},
			}
			if tt.saved {
				want.Set("Content-Disposition", "attachment")
			}
			resp.Header.Del("Content-Length")
			want.Del("Content-Length")
			if diff := cmp.Diff(want, resp.Header); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, tt := range []struct {
		name   string
		status int
		body   string
		want   string
	}{
		{"a refusal of the server is handed on", 400, `{"error":"InvalidSwap","message":"x"}`, "400 InvalidSwap"},
		{"P82 a redirect is not followed, nor handed on", 302, `{}`, "502 UpstreamFailure"},
		{"P82 307", 307, `{}`, "502 UpstreamFailure"},
		{"304", 304, ``, "502 UpstreamFailure"},
		{"an answer that is too large, and says so", 200, strings.Repeat("x", 1<<10+1), "502 UpstreamFailure"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPassing(t)
			p.login(t, "alice", alice())
			p.answer = func(req *http.Request, _ func() (*http.Response, error)) (*http.Response, error) {
				return respond(req, tt.status, tt.body, "Location", "https://evil.example.com"), nil
			}
			resp := p.script(t, "GET", getBlob, nil)
			if got := named(t, resp); got != tt.want || resp.Header.Get("Location") != "" {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
	t.Run("an answer that turns out to be too large is broken off, not cut off", func(t *testing.T) {
		p := newPassing(t)
		p.login(t, "alice", alice())
		p.answer = func(req *http.Request, _ func() (*http.Response, error)) (*http.Response, error) {
			resp := respond(req, 200, strings.Repeat("x", 1<<20))
			resp.ContentLength = -1
			return resp, nil
		}
		req, err := http.NewRequestWithContext(t.Context(), "GET", p.api.URL+getBlob, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		if resp, err := p.browser.Do(req); err == nil {
			data, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err == nil || len(data) > 1<<10 {
				t.Errorf("%d bytes, %v", len(data), err)
			}
		}
	})
	t.Run("P41 what has arrived is handed on before the rest is there", func(t *testing.T) {
		p := newPassing(t)
		p.login(t, "alice", alice())
		body, server := io.Pipe()
		p.answer = func(req *http.Request, _ func() (*http.Response, error)) (*http.Response, error) {
			resp := respond(req, 200, "", "Content-Type", "image/png")
			resp.Body, resp.ContentLength = body, -1
			return resp, nil
		}
		go server.Write([]byte("first"))
		resp := p.script(t, "GET", getBlob, nil)
		first := make([]byte, 5)
		if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != "first" {
			t.Fatalf("%q, %v", first, err)
		}
		go func() { server.Write([]byte("second")); server.Close() }()
		if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != "second" {
			t.Errorf("%q, %v", rest, err)
		}
	})
}

// endless hides how long a body is.
type endless struct{ io.Reader }

func TestWebXRPCInput(t *testing.T) {
	received := func(p *passing) *bytes.Buffer {
		got := new(bytes.Buffer)
		p.answer = func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if !strings.HasSuffix(req.URL.Path, "uploadBlob") {
				return next()
			}
			if _, err := got.ReadFrom(req.Body); err != nil {
				return nil, err
			}
			return respond(req, 200, `{}`), nil
		}
		return got
	}
	for name, body := range map[string]func(n int) io.Reader{
		"of known size":   func(n int) io.Reader { return strings.NewReader(strings.Repeat("x", n)) },
		"of unknown size": func(n int) io.Reader { return endless{strings.NewReader(strings.Repeat("x", n))} },
	} {
		for _, tt := range []struct {
			size int
			want string
		}{{1, ""}, {64 << 10, ""}, {64<<10 + 1, ""}, {300 << 10, ""}, {300<<10 + 1, "413 PayloadTooLarge"}, {4 << 20, "413 PayloadTooLarge"}} {
			t.Run(fmt.Sprintf("P41 a body %s, %d bytes", name, tt.size), func(t *testing.T) {
				p := newPassing(t)
				p.login(t, "alice", alice())
				got := received(p)
				req, err := http.NewRequestWithContext(t.Context(), "POST", p.api.URL+uploadBlob, body(tt.size))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Sec-Fetch-Site", "same-origin")
				req.Header.Set("Content-Type", "image/png")
				resp, err := p.browser.Do(req)
				if err != nil && tt.want == "" {
					t.Fatal(err)
				}
				if err != nil {
					return // the server hung up while the body was being sent
				}
				defer resp.Body.Close()
				if tt.want != "" {
					if got := named(t, resp); got != tt.want {
						t.Errorf("%s, want %s", got, tt.want)
					}
					return
				}
				if resp.StatusCode != 200 || got.Len() != tt.size {
					t.Errorf("status %d, %d bytes arrived", resp.StatusCode, got.Len())
				}
			})
		}
	}
	t.Run("a body in an encoding is refused", func(t *testing.T) {
		p := newPassing(t)
		p.login(t, "alice", alice())
		if got := named(t, p.script(t, "POST", uploadBlob, strings.NewReader("x"), "Content-Encoding", "gzip")); got != "400 InvalidRequest" {
			t.Error(got)
		}
	})
}

func TestWebXRPCWithoutASession(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(t *testing.T, p *passing)
		want  string
	}{
		"nobody is logged in": {func(t *testing.T, p *passing) { p.browser = newBrowser(t) }, "401 SessionLost"},
		"the cookie is made up": {func(t *testing.T, p *passing) {
			u, _ := url.Parse(p.URL)
			p.browser.Jar.SetCookies(u, []*http.Cookie{{Name: "atproto-session", Value: "AAAA", Path: "/"}})
		}, "401 SessionLost"},
		"it was revoked": {func(t *testing.T, p *passing) {
			p.sandbox.RevokeSessions(p.sandbox.Environment().Account("alice").DID)
		}, "401 SessionLost"},
		"P76 the store is down": {func(t *testing.T, p *passing) {
			p.web.Client = newClient(t, p.sandbox, withStore(p.kept), func(cfg *oauth.Config) {
				local := oauth.Localhost(p.URL+"/callback", "atproto transition:generic")
				cfg.ClientID, cfg.RedirectURIs = local.ClientID, local.RedirectURIs
			})
			p.kept.down.Store(true)
		}, "503 NotEnoughResources"},
		"the account's server is down": {func(t *testing.T, p *passing) {
			p.answer = func(*http.Request, func() (*http.Response, error)) (*http.Response, error) {
				return nil, errors.New("down")
			}
		}, "502 UpstreamFailure"},
		"the account's server fails": {func(t *testing.T, p *passing) {
			p.sandbox.Fault("/xrpc/", oauthtest.Fault{Status: 500, Body: `{"error":"InternalServerError"}`})
		}, "500 UpstreamFailure"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPassing(t)
			p.login(t, "alice", alice())
			tt.spoil(t, p)
			resp := p.script(t, "GET", getSession, nil)
			if got := named(t, resp); got != tt.want || len(resp.Cookies()) != 0 || resp.Header.Get("WWW-Authenticate") != "" {
				t.Errorf("%s, %v; want %s", got, resp.Header, tt.want)
			}
		})
	}
}
