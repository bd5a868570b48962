package oauth_test

import (
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/store"
)

const parPath = "/oauth/par"

// formNames are the fields of a pushed request by a public client.
var formNames = []string{
	"client_id", "code_challenge", "code_challenge_method", "login_hint", "redirect_uri", "response_mode", "response_type", "scope", "state",
}

func TestPushedRequest(t *testing.T) {
	t.Run("O45 is a form, by POST to the endpoint of the metadata", func(t *testing.T) {
		server, w := sandbox(t), new(wire)
		client := newClient(t, server, w.tap())
		if _, err := client.Authorize(t.Context(), "alice.test"); err != nil {
			t.Fatal(err)
		}
		sent := w.last(t, parPath)
		if sent.method != "POST" || sent.header.Get("Content-Type") != "application/x-www-form-urlencoded" || sent.host != "pds.test" {
			t.Errorf("%s to %s as %q", sent.method, sent.host, sent.header.Get("Content-Type"))
		}
	})
	t.Run("O45 no URL is made without an endpoint to push to", func(t *testing.T) {
		server := sandbox(t)
		client := newClient(t, server, rewriting(serverDocument, func(m map[string]any) { delete(m, "pushed_authorization_request_endpoint") }))
		login, err := client.Authorize(t.Context(), "alice.test")
		wantKind(t, err, oauth.ErrInvalidMetadata)
		if login != nil {
			t.Errorf("got %s", login.URL)
		}
	})
	t.Run("O46 O52 O72 of a public client has all that is demanded, and nothing more", func(t *testing.T) {
		server, w := sandbox(t), new(wire)
		client := newClient(t, server, w.tap())
		if _, err := client.Authorize(t.Context(), "alice.test"); err != nil {
			t.Fatal(err)
		}
		sent := w.last(t, parPath).form
		if diff := cmp.Diff(formNames, slices.Sorted(maps.Keys(sent))); diff != "" {
			t.Errorf("fields (-want +got):\n%s", diff)
		}
		for name, want := range map[string]string{
			"client_id": oauth.Localhost(redirectURI, "atproto transition:generic").ClientID, "response_type": "code",
			"redirect_uri": redirectURI, "scope": "atproto transition:generic", "code_challenge_method": "S256", "login_hint": "alice.test",
		} {
			if sent.Get(name) != want || len(sent[name]) != 1 {
				t.Errorf("%s is %q, want %q", name, sent[name], want)
			}
		}
	})
	t.Run("O46 O52 of a confidential client has an assertion besides", func(t *testing.T) {
		server, w := sandbox(t), new(wire)
		client := confidential(t, server, []oauth.ClientKey{{Signer: newKey(t, elliptic.P256())}}, w.tap())
		if _, err := client.Authorize(t.Context(), "alice.test"); err != nil {
			t.Fatal(err)
		}
		sent := w.last(t, parPath).form
		want := slices.Sorted(slices.Values(append([]string{"client_assertion", "client_assertion_type"}, formNames...)))
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(sent))); diff != "" {
			t.Errorf("fields (-want +got):\n%s", diff)
		}
		if sent.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || strings.Count(sent.Get("client_assertion"), ".") != 2 {
			t.Errorf("assertion %q of type %q", sent.Get("client_assertion"), sent.Get("client_assertion_type"))
		}
	})
}

func TestScopeAndRedirectOfALogin(t *testing.T) {
	const ordered = "repo:app.bsky.feed.post?action=create&action=delete"
	for _, tt := range []struct {
		name string
		opt  oauth.AuthorizeOption
		want string // what the message says; "": allowed
	}{
		{"O47 fewer scopes than declared", oauth.WithScope("atproto"), ""},
		{"O6 O47 a scope as it is declared", oauth.WithScope("atproto " + ordered), ""},
		{"O6 O47 a scope that means the same and is spelled otherwise", oauth.WithScope("atproto repo:app.bsky.feed.post?action=delete&action=create"), "is not in Config.Scope"},
		{"O47 a scope that is not declared", oauth.WithScope("atproto account:email"), "is not in Config.Scope"},
		{"O47 a scope without atproto", oauth.WithScope("transition:generic"), "atproto"},
		{"O50 another declared redirect", oauth.WithRedirectURI("http://127.0.0.1:9/callback"), ""},
		{"O50 a redirect that is not declared", oauth.WithRedirectURI("http://127.0.0.1:8765/other"), "is not among Config.RedirectURIs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := sandbox(t)
			client := newClient(t, server, func(cfg *oauth.Config) {
				local := oauth.Localhost(redirectURI, "atproto transition:generic "+ordered)
				cfg.ClientID, cfg.Scope = local.ClientID, local.Scope
				cfg.RedirectURIs = []string{redirectURI, "http://127.0.0.1:9/callback"}
			})
			_, err := client.Authorize(t.Context(), "alice.test", tt.opt)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if e := wantKind(t, err, oauth.ErrConfig); !strings.Contains(e.Error(), tt.want) {
				t.Errorf("got %v, want %q", e, tt.want)
			}
			if n := server.Stats().Requests[parPath]; n != 0 {
				t.Errorf("%d requests were pushed all the same", n)
			}
		})
	}
}

func TestStateOfALogin(t *testing.T) {
	t.Run("O48 is 256 random bits, new each time", func(t *testing.T) {
		server, w := sandbox(t), new(wire)
		kept := new(store.Memory)
		client := newClient(t, server, w.tap(), withStore(kept))
		seen := make(map[string]bool)
		for range 20 {
			if _, err := client.Authorize(t.Context(), "alice.test", oauth.WithAppState("page 7")); err != nil {
				t.Fatal(err)
			}
			state := w.last(t, parPath).form.Get("state")
			raw, err := base64.RawURLEncoding.DecodeString(state)
			if err != nil || len(raw) != 32 || seen[state] {
				t.Errorf("state %q: %d bytes, seen before: %v, %v", state, len(raw), seen[state], err)
			}
			seen[state] = true
		}
		for key, err := range kept.List(t.Context(), store.RecordState, "") {
			if err != nil || seen[key.ID] {
				t.Errorf("a state is stored as it travels: %s, %v", key.ID, err)
			}
		}
	})
	t.Run("O49 goes with a verifier of its own, by S256", func(t *testing.T) {
		server, w := sandbox(t), new(wire)
		client := newClient(t, server, w.tap())
		verifiers := make(map[string]bool)
		for range 3 {
			login(t, server, client)
			challenge, verifier := w.last(t, parPath).form.Get("code_challenge"), w.last(t, tokenPath).form.Get("code_verifier")
			sum := sha256.Sum256([]byte(verifier))
			if challenge != base64.RawURLEncoding.EncodeToString(sum[:]) {
				t.Errorf("the challenge %q is not that of %q", challenge, verifier)
			}
			if len(verifier) < 43 || len(verifier) > 128 || verifiers[verifier] {
				t.Errorf("verifier %q", verifier)
			}
			verifiers[verifier] = true
		}
	})
	t.Run("O54 goes with a key that signs every proof of the session from then on", func(t *testing.T) {
		server, w := sandbox(t), new(wire)
		s := login(t, server, newClient(t, server, w.tap()))
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := call(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		keys := make(map[string]bool) // headers of proofs: they hold the key
		for _, path := range []string{parPath, tokenPath, callPath} {
			for _, sent := range w.to(path) {
				header, _, _ := strings.Cut(sent.header.Get("DPoP"), ".")
				keys[header] = true
			}
		}
		if len(keys) != 1 || keys[""] {
			t.Errorf("%d keys", len(keys))
		}
	})
}

func TestLoginHint(t *testing.T) {
	server, w := sandbox(t), new(wire)
	client := newClient(t, server, w.tap())
	did := string(server.Environment().Account("alice").DID)
	for _, tt := range []struct{ name, typed, want string }{
		{"a handle", "alice.test", "alice.test"},
		{"a handle with an at sign", "@alice.test", "alice.test"},
		{"P65 a handle in its owner's spelling", " Alice.Test ", "alice.test"},
		{"P64 a handle as a page has it", "@\u202aalice.test\u202c", "alice.test"},
		{"P65 a profile", "https://bsky.app/profile/Alice.test", "alice.test"},
		{"P65 an at:// URI", "at://alice.test", "alice.test"},
		{"a DID", did, did},
		{"P65 a DID in a URI", "at://" + did + "/", did},
	} {
		t.Run("O25 O51 is the account that was typed: "+tt.name, func(t *testing.T) {
			if _, err := client.Authorize(t.Context(), tt.typed); err != nil {
				t.Fatal(err)
			}
			if got := w.last(t, parPath).form.Get("login_hint"); got != tt.want {
				t.Errorf("sent %q, want %q", got, tt.want)
			}
		})
	}
	for _, typed := range []string{"alice", "ali\u200bce.test", "@alice@mastodon.example", "https://other.example/alice"} {
		t.Run("P64 P65 refused, with what to type instead: "+typed, func(t *testing.T) {
			_, err := client.Authorize(t.Context(), typed)
			wantKind(t, err, oauth.ErrUnresolved)
			if input, ok := errors.AsType[*identity.InputError](err); !ok || input.Advice == "" {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("P65 a handle that was typed as a URL", func(t *testing.T) {
		_, err := client.Authorize(t.Context(), "https://alice.test")
		if err == nil || !strings.Contains(err.Error(), "if it is a handle, type it without https://") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("O51 no mail address is sent", func(t *testing.T) {
		before := len(w.to(parPath))
		_, err := client.Authorize(t.Context(), "alice@mail.test")
		wantKind(t, err, oauth.ErrUnresolved)
		if len(w.to(parPath)) != before {
			t.Error("it is")
		}
	})
}

func TestParametersOfALogin(t *testing.T) {
	server, w := sandbox(t), new(wire)
	client := newClient(t, server, w.tap())
	t.Run("O53 locales and others are sent", func(t *testing.T) {
		_, err := client.Authorize(t.Context(), "alice.test", oauth.WithLocales("de-CH", "fr"),
			oauth.WithParameter("display", "popup"), oauth.WithParameter("response_mode", "fragment"))
		if err != nil {
			t.Fatal(err)
		}
		sent := w.last(t, parPath).form
		got := map[string]string{"ui_locales": sent.Get("ui_locales"), "display": sent.Get("display"), "response_mode": sent.Get("response_mode")}
		if diff := cmp.Diff(map[string]string{"ui_locales": "de-CH fr", "display": "popup", "response_mode": "fragment"}, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("O53 an answer in the fragment ends a login too", func(t *testing.T) {
		login, err := client.Authorize(t.Context(), "alice.test", oauth.WithParameter("response_mode", "fragment"))
		if err != nil {
			t.Fatal(err)
		}
		callback, err := server.Approve(t.Context(), login.URL, server.Environment().Account("alice"))
		if err != nil {
			t.Fatal(err)
		}
		values, err := url.ParseQuery(callback.EscapedFragment())
		if err != nil || callback.RawQuery != "" {
			t.Fatalf("sent back to %s, %v", callback, err)
		}
		if _, err := client.Callback(t.Context(), values, login.Binding); err != nil {
			t.Error(err)
		}
	})
	for _, tt := range []struct {
		name string
		opts []oauth.AuthorizeOption
	}{
		{"O53 a locale that is none", []oauth.AuthorizeOption{oauth.WithLocales("de", "not a language")}},
		{"O53 a parameter without a name", []oauth.AuthorizeOption{oauth.WithParameter("", "x")}},
		{"O53 a parameter twice", []oauth.AuthorizeOption{oauth.WithParameter("display", "page"), oauth.WithParameter("display", "popup")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(w.to(parPath))
			_, err := client.Authorize(t.Context(), "alice.test", tt.opts...)
			wantKind(t, err, oauth.ErrConfig)
			if len(w.to(parPath)) != before {
				t.Error("it was sent")
			}
		})
	}
	for _, name := range append([]string{
		"client_secret", "client_assertion", "client_assertion_type", "nonce", "claims", "id_token_hint", "request", "request_uri",
		"dpop_jkt", "prompt", "ui_locales",
	}, formNames...) {
		if name == "response_mode" {
			continue // it is for them to set
		}
		t.Run("O52 O53 "+name+" is not for applications to set", func(t *testing.T) {
			_, err := client.Authorize(t.Context(), "alice.test", oauth.WithParameter(name, "x"))
			if e := wantKind(t, err, oauth.ErrConfig); !strings.Contains(e.Error(), name) {
				t.Errorf("got %v", e)
			}
		})
	}
}

func TestAnswersToAPushedRequest(t *testing.T) {
	good := func(status int) func(*http.Request) *http.Response {
		return func(r *http.Request) *http.Response {
			return respond(r, status, `{"request_uri":"urn:x","expires_in":300}`, "DPoP-Nonce", "n")
		}
	}
	body := func(body string) func(*http.Request) *http.Response {
		return func(r *http.Request) *http.Response { return respond(r, 201, body, "DPoP-Nonce", "n") }
	}
	for _, tt := range []struct {
		name   string
		answer func(*http.Request) *http.Response
		ok     bool
	}{
		{"O55 created", good(201), true},
		{"O55 another success", good(200), true},
		{"O55 a refusal", good(400), false},
		{"O55 a redirect", good(302), false},
		{"O55 no request_uri", body(`{"expires_in":300}`), false},
		{"O55 an empty request_uri", body(`{"request_uri":"","expires_in":300}`), false},
		{"O55 a request_uri that is no string", body(`{"request_uri":7,"expires_in":300}`), false},
		{"P127 a long lifetime", body(`{"request_uri":"urn:x","expires_in":4294967297}`), true},
		{"O55 P61 no lifetime", body(`{"request_uri":"urn:x"}`), true},
		{"O55 P61 a lifetime of nothing", body(`{"request_uri":"urn:x","expires_in":0}`), true},
		{"O55 P61 a lifetime in quotes", body(`{"request_uri":"urn:x","expires_in":"300"}`), true},
		{"O55 P61 a lifetime with a fraction", body(`{"request_uri":"urn:x","expires_in":299.5}`), true},
		{"O55 P61 a lifetime beyond all numbers", body(`{"request_uri":"urn:x","expires_in":1e999}`), true},
		{"O55 P61 a lifetime that is none", body(`{"request_uri":"urn:x","expires_in":{"seconds":[300]}}`), true},
		{"O55 P30 not JSON", body(`<html>`), false},
		{"O55 P30 an array", body(`[]`), false},
		{"O55 another type", func(r *http.Request) *http.Response {
			return respond(r, 201, `{"request_uri":"urn:x","expires_in":300}`, "DPoP-Nonce", "n", "Content-Type", "text/html")
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server, kept := sandbox(t), new(store.Memory)
			client := newClient(t, server, withStore(kept), withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
				if req.URL.Path == parPath {
					return tt.answer(req), nil
				}
				return next()
			}))
			login, err := client.Authorize(t.Context(), "alice.test")
			if tt.ok {
				if err != nil || !strings.Contains(login.URL, "request_uri=urn%3Ax") {
					t.Errorf("got %v, %v", login, err)
				}
				return
			}
			wantKind(t, err, oauth.ErrAuthorization)
			if n := count(t, kept.List(t.Context(), store.RecordState, "")); n != 0 {
				t.Errorf("P27 %d states were left behind", n)
			}
		})
	}
}

func TestRefusalsOfAPushedRequest(t *testing.T) {
	type refused struct {
		Code, Description, URI string
		Status                 int
		Retryable              bool
		RetryAfter             time.Duration
	}
	of := func(code string) string {
		return `{"error":"` + code + `","error_description":"because","error_uri":"https://pds.test/why"}`
	}
	for _, tt := range []struct {
		name   string
		fault  oauthtest.Fault
		want   refused
		advice bool // that the server may not take development clients
	}{
		{"O58 invalid_request", oauthtest.Fault{Status: 400, Body: of("invalid_request")}, refused{"invalid_request", "because", "https://pds.test/why", 400, false, 0}, false},
		{"O58 invalid_scope", oauthtest.Fault{Status: 400, Body: of("invalid_scope")}, refused{"invalid_scope", "because", "https://pds.test/why", 400, false, 0}, false},
		{"O24 O58 invalid_client_metadata", oauthtest.Fault{Status: 400, Body: of("invalid_client_metadata")}, refused{"invalid_client_metadata", "because", "https://pds.test/why", 400, false, 0}, true},
		{"O24 O58 invalid_client", oauthtest.Fault{Status: 401, Body: of("invalid_client")}, refused{"invalid_client", "because", "https://pds.test/why", 401, false, 0}, true},
		{"O58 too many requests", oauthtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"7"}}}, refused{"", "", "", 429, true, 7 * time.Second}, false},
		{"O58 the page of a proxy", oauthtest.Fault{Status: 502, Body: "<html>"}, refused{"", "", "", 502, true, 0}, false},
		{"O58 P30 words of another type", oauthtest.Fault{Status: 400, Body: `{"error":{"code":7}}`}, refused{"", "", "", 400, false, 0}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := sandbox(t)
			server.Fault(parPath, tt.fault)
			_, err := newClient(t, server).Authorize(t.Context(), "alice.test")
			e := wantKind(t, err, oauth.ErrAuthorization)
			if diff := cmp.Diff(tt.want, refused{e.Code, e.Description, e.URI, e.Status, e.Retryable, e.RetryAfter}); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if strings.Contains(e.Error(), "development clients") != tt.advice {
				t.Errorf("says %v", e)
			}
		})
	}
	t.Run("O24 published clients get no such advice", func(t *testing.T) {
		server := sandbox(t)
		client := confidential(t, server, nil)
		server.Fault(parPath, oauthtest.Fault{Status: 400, Body: of("invalid_client_metadata")})
		_, err := client.Authorize(t.Context(), "alice.test")
		if e := wantKind(t, err, oauth.ErrAuthorization); e.Code != "invalid_client_metadata" || strings.Contains(e.Error(), "development clients") {
			t.Errorf("says %v", e)
		}
	})
}

func TestURLOfALogin(t *testing.T) {
	for _, tt := range []struct{ name, endpoint, want string }{
		{"O56 has client_id and request_uri, and nothing more", "https://pds.test/oauth/authorize", "https://pds.test/oauth/authorize?"},
		{"O56 P25 keeps the query of the endpoint", "https://pds.test/oauth/authorize?a=b&c=%2F", "https://pds.test/oauth/authorize?a=b&c=%2F&"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := sandbox(t)
			client := newClient(t, server, rewriting(serverDocument, func(m map[string]any) { m["authorization_endpoint"] = tt.endpoint }),
				withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
					if req.URL.Path == parPath {
						return respond(req, 201, `{"request_uri":"urn:a?b&c","expires_in":300}`, "DPoP-Nonce", "n"), nil
					}
					return next()
				}))
			login, err := client.Authorize(t.Context(), "alice.test", oauth.WithAppState("page 7"))
			if err != nil {
				t.Fatal(err)
			}
			want := tt.want + url.Values{"client_id": {oauth.Localhost(redirectURI, "atproto transition:generic").ClientID}, "request_uri": {"urn:a?b&c"}}.Encode()
			if login.URL != want {
				t.Errorf("got  %s\nwant %s", login.URL, want)
			}
		})
	}
}

func TestWhatIsStoredOfALogin(t *testing.T) {
	t.Run("O57 another process can end it, whatever its own defaults are", func(t *testing.T) {
		server, kept, w := sandbox(t), new(store.Memory), new(wire)
		const other = "http://127.0.0.1:9/callback"
		login, err := newClient(t, server, withStore(kept), func(cfg *oauth.Config) {
			cfg.RedirectURIs = []string{redirectURI, other}
		}).Authorize(t.Context(), "alice.test", oauth.WithAppState("page 7"), oauth.WithScope("atproto"), oauth.WithRedirectURI(other))
		if err != nil {
			t.Fatal(err)
		}
		callback, err := server.Approve(t.Context(), login.URL, server.Environment().Account("alice"))
		if err != nil {
			t.Fatal(err)
		}
		result, err := newClient(t, server, withStore(kept), w.tap()).Callback(t.Context(), callback.Query(), login.Binding)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.last(t, tokenPath).form.Get("redirect_uri"); got != other || result.AppState != "page 7" || result.Session.Scope() != "atproto" {
			t.Errorf("redirect_uri %q, app state %q, scope %q", got, result.AppState, result.Session.Scope())
		}
	})
	t.Run("O57 it lasts for an hour", func(t *testing.T) {
		for ahead, want := range map[time.Duration]bool{time.Hour - 2*time.Second: true, time.Hour: false} {
			server, kept := sandbox(t), new(store.Memory)
			login, err := newClient(t, server, withStore(kept)).Authorize(t.Context(), "alice.test")
			if err != nil {
				t.Fatal(err)
			}
			callback, err := server.Approve(t.Context(), login.URL, server.Environment().Account("alice"))
			if err != nil {
				t.Fatal(err)
			}
			_, err = newClient(t, server, withStore(kept), withClock(ahead)).Callback(t.Context(), callback.Query(), login.Binding)
			// Within the hour the state is found; what the sandbox says to a proof from
			// the future is another matter.
			if found := !errors.Is(err, oauth.ErrStateUnknown); found != want {
				t.Errorf("after %s: %v", ahead, err)
			}
		}
	})
	t.Run("O57 P124 it ends by the time in its sealed part, whatever the store makes of it", func(t *testing.T) {
		for ahead, want := range map[time.Duration]bool{30 * time.Minute: true, 61 * time.Minute: false} {
			for _, column := range []time.Duration{1, store.Forever} {
				server, kept := sandbox(t), new(flakyStore)
				kept.Store = new(store.Memory)
				kept.from(func(_ int, r *store.Record) error {
					if r.Keep != time.Hour {
						t.Errorf("it is kept for %s", r.Keep)
					}
					r.Keep = column
					return nil
				}, nil)
				login, err := newClient(t, server, withStore(kept)).Authorize(t.Context(), "alice.test")
				if err != nil {
					t.Fatal(err)
				}
				kept.from(nil, nil)
				callback, err := server.Approve(t.Context(), login.URL, server.Environment().Account("alice"))
				if err != nil {
					t.Fatal(err)
				}
				_, err = newClient(t, server, withStore(kept), withClock(ahead)).Callback(t.Context(), callback.Query(), login.Binding)
				if found := !errors.Is(err, oauth.ErrStateUnknown); found != want {
					t.Errorf("after %s: %v", ahead, err)
				}
			}
		}
	})
	t.Run("O57 nothing of it can be read in the store", func(t *testing.T) {
		server, kept, w := sandbox(t), new(store.Memory), new(wire)
		login, err := newClient(t, server, withStore(kept), w.tap()).Authorize(t.Context(), "alice.test", oauth.WithAppState("page 7"))
		if err != nil {
			t.Fatal(err)
		}
		for key, err := range kept.List(t.Context(), store.RecordState, "") {
			if err != nil {
				t.Fatal(err)
			}
			r, err := kept.Get(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			for _, secret := range []string{"page 7", "verifier", login.Binding, w.last(t, parPath).form.Get("state"), `"d":`} {
				if strings.Contains(string(r.Data), secret) || strings.Contains(key.ID, secret) {
					t.Errorf("the record holds %q", secret)
				}
			}
		}
	})
	t.Run("O57 P27 nobody is sent off before it is stored", func(t *testing.T) {
		server := sandbox(t)
		login, err := newClient(t, server, withStore(brokenStore{new(store.Memory), store.RecordState})).Authorize(t.Context(), "alice.test")
		if e := wantKind(t, err, oauth.ErrStore); login != nil || !errors.Is(e, errDown) {
			t.Errorf("got %v, %v", login, err)
		}
	})
}

func TestChallengeWithoutANonce(t *testing.T) {
	t.Run("is a refusal, and not tried again", func(t *testing.T) {
		server, w := sandbox(t), new(wire)
		client := newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if req.URL.Path == parPath {
				return respond(req, 400, `{"error":"use_dpop_nonce"}`), nil
			}
			return next()
		}), w.tap())
		_, err := client.Authorize(t.Context(), "alice.test")
		if e := wantKind(t, err, oauth.ErrAuthorization); e.Code != "use_dpop_nonce" || len(w.to(parPath)) != 1 {
			t.Errorf("got %v after %d requests", e, len(w.to(parPath)))
		}
	})
}
