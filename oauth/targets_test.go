package oauth_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gimucco/atproto-go/oauth"
)

// What a session's credentials are asked to go to, in all the ways that a URL can be written.
func TestTargetsOfRawRequests(t *testing.T) {
	server := sandbox(t)
	var sent atomic.Int32
	var last atomic.Pointer[url.URL]
	s := login(t, server, newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
		if req.Header.Get("Authorization") == "" {
			return next()
		}
		sent.Add(1)
		last.Store(req.URL)
		return respond(req, 200, `{}`), nil
	})))
	home, err := url.Parse(s.Host())
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]string{ // "": refused, and nothing is sent
		"/xrpc/a.b.c":                                   "/xrpc/a.b.c",
		"/xrpc/a.b.c?x=1&y=%2F":                         "/xrpc/a.b.c?x=1&y=%2F",
		"/xrpc/a.b.c#fragment":                          "/xrpc/a.b.c",
		"/xrpc/%2e%2e/%2F":                              "/xrpc/%2e%2e/%2F",
		"/..//evil.example.com/":                        "/..//evil.example.com/",
		`/\evil.example.com/`:                           "/%5Cevil.example.com/",
		"/@evil.example.com/":                           "/@evil.example.com/",
		s.Host() + "/xrpc/a.b.c":                        "/xrpc/a.b.c",
		strings.ToUpper(s.Host()) + "/xrpc/a.b.c":       "/xrpc/a.b.c",
		s.Host() + ":443/xrpc/a.b.c":                    "/xrpc/a.b.c",
		"//" + home.Host + "/xrpc/a.b.c":                "", // without a scheme, and no origin
		"http://" + home.Host + "/xrpc/a.b.c":           "",
		s.Host() + ":8443/xrpc/a.b.c":                   "",
		s.Host() + ".evil.example.com/xrpc/a.b.c":       "",
		s.Host() + "@evil.example.com/xrpc/a.b.c":       "",
		"https://user:pw@" + home.Host + "/xrpc/a.b.c":  "",
		"https://evil.example.com/xrpc/a.b.c":           "",
		"//evil.example.com/xrpc/a.b.c":                 "",
		"///evil.example.com/xrpc/a.b.c":                "///evil.example.com/xrpc/a.b.c",
		"https:evil.example.com/xrpc/a.b.c":             "",
		"https:/evil.example.com/xrpc/a.b.c":            "",
		"https:///evil.example.com/xrpc/a.b.c":          "",
		`\\evil.example.com\xrpc`:                       "",
		"xrpc/a.b.c":                                    "",
		"?x=1":                                          "",
		"":                                              "",
		"*":                                             "",
		"javascript:alert(1)":                           "",
		"file:///etc/passwd":                            "",
		"https://[::1]/xrpc/a.b.c":                      "",
		"https://169.254.169.254/latest/meta-data/":     "",
		"/xrpc/a.b.c\r\nHost: evil.example.com":         "",
		"/xrpc/\x00":                                    "",
		"https://" + home.Host + "\t.evil.example.com/": "",
		" https://evil.example.com/":                    "",
	} {
		t.Run("P79 O102 "+target, func(t *testing.T) {
			before := sent.Load()
			resp, err := s.AuthenticatedRequest(t.Context(), "GET", target, nil)
			if want == "" {
				wantKind(t, err, oauth.ErrOrigin)
				if sent.Load() != before {
					t.Errorf("it went to %s", last.Load())
				}
				if len(err.Error()) > 600 || strings.ContainsAny(err.Error(), "\r\n\x00") {
					t.Errorf("the error is %q", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if got := last.Load(); got.Host != home.Host || got.Scheme != home.Scheme || got.RequestURI() != want || got.Opaque != "" {
				t.Errorf("it went to %s", got)
			}
		})
	}
	for name, u := range map[string]*url.URL{
		"an authority":                {Scheme: "https", Host: home.Host, Opaque: "//evil.example.com/x"},
		"a URL":                       {Scheme: "https", Host: home.Host, Opaque: "https://evil.example.com/x"},
		"a path":                      {Scheme: "https", Host: home.Host, Opaque: "/x"},
		"a host":                      {Scheme: "https", Host: home.Host, Opaque: "evil.example.com"},
		"an authority and a path too": {Scheme: "https", Host: home.Host, Opaque: "//evil.example.com", Path: "/xrpc/a.b.c"},
		"no host beside it":           {Scheme: "https", Opaque: "//evil.example.com/x"},
	} {
		t.Run("P79 an opaque part sends nothing: "+name, func(t *testing.T) {
			before := sent.Load()
			req := (&http.Request{Method: "GET", URL: u, Header: http.Header{}}).WithContext(t.Context())
			_, err := s.HTTPClient().Transport.RoundTrip(req)
			wantKind(t, err, oauth.ErrOrigin)
			if _, err := s.HTTPClient().Do(req); err == nil || sent.Load() != before {
				t.Errorf("got %v, %d requests", err, sent.Load()-before)
			}
		})
	}
	t.Run("P79 the Host header of a request is not taken", func(t *testing.T) {
		req := (&http.Request{Method: "GET", URL: &url.URL{Scheme: home.Scheme, Host: home.Host, Path: "/xrpc/a.b.c"}, Host: "evil.example.com", Header: http.Header{"Host": {"evil.example.com"}}}).WithContext(t.Context())
		resp, err := s.HTTPClient().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if last.Load().Host != home.Host {
			t.Errorf("sent to %s", last.Load())
		}
	})
}

// Where users are sent after a login, in all the ways that a stranger can write it.
func TestReturnAddresses(t *testing.T) {
	s := newSite(t, func(_ *oauth.Config, web *oauth.Web) { web.Home = "/home" })
	site, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	for to, want := range map[string]string{ // what a browser ends up at, on this site
		"/notes":                           "/notes",
		"/notes?page=7&x=//evil":           "/notes?page=7&x=//evil",
		"/a/../b":                          "/b",
		"/%2Fevil.example.com":             "/%2Fevil.example.com",
		"/..//evil.example.com":            "/evil.example.com",
		"/@evil.example.com":               "/@evil.example.com",
		"https://evil.example.com":         "/home",
		"HTTPS://evil.example.com/":        "/home",
		"//evil.example.com":               "/home",
		"///evil.example.com":              "/home",
		"////evil.example.com":             "/home",
		`/\evil.example.com`:               "/home",
		`\/evil.example.com`:               "/home",
		`\\evil.example.com`:               "/home",
		`/a\..\..\\evil.example.com`:       "/home",
		"/\t/evil.example.com":             "/home",
		"/\n/evil.example.com":             "/home",
		"\t//evil.example.com":             "/home",
		" //evil.example.com":              "/home",
		"/x\r\nSet-Cookie: a=b":            "/home",
		"https:evil.example.com":           "/home",
		"https:/evil.example.com":          "/home",
		"javascript:alert(1)":              "/home",
		"data:text/html,x":                 "/home",
		"evil.example.com":                 "/home",
		"?x=1":                             "/home",
		"#x":                               "/home",
		s.URL + ".evil.example.com/":       "/home",
		"//" + site.Host + "@evil.example": "/home",
		"":                                 "/home",
	} {
		t.Run("P79 leads nowhere else: "+to, func(t *testing.T) {
			location := s.login(t, "alice", alice("return_to", to))
			target, err := site.Parse(location)
			if err != nil || target.Host != site.Host || target.Scheme != site.Scheme || target.RequestURI() != want || strings.ContainsAny(location, "\\\r\n\t") {
				t.Errorf("leads to %q, %v", location, err)
			}
		})
	}
}
