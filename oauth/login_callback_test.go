package oauth_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func TestErrorsOfACallback(t *testing.T) {
	for _, tt := range []struct {
		name, code string
		kind       oauth.Kind
		retryable  bool
	}{
		{"O60 the user refused", "access_denied", oauth.ErrAccessDenied, false},
		{"O60 the server refused", "invalid_request", oauth.ErrAuthorization, false},
		{"O60 the server cannot now", "temporarily_unavailable", oauth.ErrAuthorization, true},
	} {
		t.Run(tt.name+", in its own words, with the application's state", func(t *testing.T) {
			server := sandbox(t)
			client := newClient(t, server)
			login, query := approved(t, server, client, oauth.WithAppState("page 7"))
			query.Del("code")
			query.Set("error", tt.code)
			query.Set("error_description", "because")
			query.Set("error_uri", "https://pds.test/why")
			_, err := client.Callback(t.Context(), query, login.Binding)
			e := wantKind(t, err, tt.kind)
			if e.Code != tt.code || e.Description != "because" || e.URI != "https://pds.test/why" || e.AppState != "page 7" || e.Retryable != tt.retryable {
				t.Errorf("got %+v", e)
			}
		})
	}
}

func TestServerOfACallback(t *testing.T) {
	t.Run("O63 the metadata of the stored issuer is fetched anew, and its endpoint used", func(t *testing.T) {
		server, w := sandbox(t), new(wire)
		var moved atomic.Bool
		client := newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if req.URL.Path == "/oauth/elsewhere" {
				return respond(req, 400, `{"error":"invalid_grant"}`), nil
			}
			resp, err := next()
			if err == nil && moved.Load() && req.URL.Path == serverDocument {
				resp = rewrite(resp, func(m map[string]any) { m["token_endpoint"] = "https://pds.test/oauth/elsewhere" })
			}
			return resp, err
		}), w.tap())
		login, query := approved(t, server, client)
		moved.Store(true)
		_, err := client.Callback(t.Context(), query, login.Binding)
		if e := wantKind(t, err, oauth.ErrToken); e.Code != "invalid_grant" {
			t.Errorf("got %v", err)
		}
		if len(w.to(tokenPath)) != 0 || len(w.to("/oauth/elsewhere")) == 0 {
			t.Error("the code was sent to the old endpoint")
		}
	})
	t.Run("O63 metadata that went bad ends the login before the code is sent", func(t *testing.T) {
		server, w := sandbox(t), new(wire)
		var bad atomic.Bool
		client := newClient(t, server, w.tap(), withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			resp, err := next()
			if err == nil && bad.Load() && req.URL.Path == serverDocument {
				resp = rewrite(resp, func(m map[string]any) { m["issuer"] = "https://evil.test" })
			}
			return resp, err
		}))
		login, query := approved(t, server, client)
		bad.Store(true)
		_, err := client.Callback(t.Context(), query, login.Binding)
		wantKind(t, err, oauth.ErrInvalidMetadata)
		if len(w.to(tokenPath)) != 0 {
			t.Error("the code was sent")
		}
	})
	t.Run("O61 O63 an issuer in the URL is not asked for anything", func(t *testing.T) {
		server, w := sandbox(t), new(wire)
		client := newClient(t, server, w.tap())
		login, query := approved(t, server, client)
		before := len(w.sent)
		query.Set("iss", "https://evil.test")
		_, err := client.Callback(t.Context(), query, login.Binding)
		wantKind(t, err, oauth.ErrIssuerMismatch)
		if len(w.sent) != before {
			t.Errorf("%d requests were sent, the last to %s", len(w.sent)-before, w.sent[len(w.sent)-1].host)
		}
	})
}

func TestBrowserOfACallback(t *testing.T) {
	server := sandbox(t)
	client := newClient(t, server)
	login, query := approved(t, server, client)
	for name, binding := range map[string]string{"another browser's": "x", "none": "", "the state itself": query.Get("state")} {
		t.Run("O64 with the binding of another login nothing happens: "+name, func(t *testing.T) {
			before := server.Stats().Requests[tokenPath]
			_, err := client.Callback(t.Context(), query, binding)
			wantKind(t, err, oauth.ErrBinding)
			if server.Stats().Requests[tokenPath] != before {
				t.Error("tokens were asked for")
			}
		})
	}
	t.Run("O64 the login is still there for its own browser", func(t *testing.T) {
		if _, err := client.Callback(t.Context(), query, login.Binding); err != nil {
			t.Error(err)
		}
	})
	t.Run("O64 the binding is random and goes into no URL", func(t *testing.T) {
		other, _ := approved(t, server, client)
		if len(login.Binding) != 43 || other.Binding == login.Binding || strings.Contains(login.URL, url.QueryEscape(login.Binding)) {
			t.Errorf("bindings %q and %q, URL %s", login.Binding, other.Binding, login.URL)
		}
	})
}

// A shifty resolver lets a handle change hands.
type shifty struct {
	identity.Resolver
	handle atomic.Pointer[syntax.DID] // whom alice.test names; nil: whom it should
}

func (s *shifty) ResolveHandle(ctx context.Context, h syntax.Handle) (syntax.DID, error) {
	if did := s.handle.Load(); did != nil && h == "alice.test" {
		return *did, nil
	}
	return s.Resolver.ResolveHandle(ctx, h)
}

func TestAccountOfALogin(t *testing.T) {
	server := sandbox(t)
	alice, bob := server.Environment().Account("alice"), server.Environment().Account("bob")
	names := &shifty{Resolver: server.Environment().Resolver()}
	client := newClient(t, server, func(cfg *oauth.Config) { cfg.Resolver = names })
	begin := func(t *testing.T) *oauth.Login {
		t.Helper()
		names.handle.Store(nil)
		login, err := client.Authorize(t.Context(), "alice.test")
		if err != nil {
			t.Fatal(err)
		}
		names.handle.Store(&bob.DID) // the name changes hands while the user is away
		return login
	}
	t.Run("O34 the session is that of the DID, though its handle has another by now", func(t *testing.T) {
		login := begin(t)
		callback, err := server.Approve(t.Context(), login.URL, alice)
		if err != nil {
			t.Fatal(err)
		}
		result, err := client.Callback(t.Context(), callback.Query(), login.Binding)
		if err != nil {
			t.Fatal(err)
		}
		if s := result.Session; s.Key().DID != alice.DID || s.DID() != alice.DID || s.Handle() != syntax.HandleInvalid {
			t.Errorf("key %v, DID %s, handle %s", s.Key(), s.DID(), s.Handle())
		}
	})
	t.Run("O34 O76 who has the handle now cannot end the login", func(t *testing.T) {
		login := begin(t)
		callback, err := server.Approve(t.Context(), login.URL, bob)
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Callback(t.Context(), callback.Query(), login.Binding)
		wantKind(t, err, oauth.ErrAccountMismatch)
	})
}

func TestRefusalsOfAnExchange(t *testing.T) {
	t.Run("the server's words and status are in the error", func(t *testing.T) {
		server := sandbox(t)
		client := newClient(t, server)
		server.Fault(tokenPath, oauthtest.Fault{Status: 400, Body: `{"error":"invalid_grant","error_description":"because","error_uri":"https://pds.test/why"}`})
		login, query := approved(t, server, client, oauth.WithAppState("page 7"))
		_, err := client.Callback(t.Context(), query, login.Binding)
		e := wantKind(t, err, oauth.ErrToken)
		got := []any{e.Code, e.Description, e.URI, e.Status, e.Retryable, e.AppState}
		if diff := cmp.Diff([]any{"invalid_grant", "because", "https://pds.test/why", 400, false, "page 7"}, got); diff != "" {
			t.Error(diff)
		}
	})
}
