package oauth_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/store"
)

const (
	resourceDocument = "/.well-known/oauth-protected-resource"
	serverDocument   = "/.well-known/oauth-authorization-server"
)

func TestDiscoveryDocumentsAreChecked(t *testing.T) { // O35–O42, P25, P26
	set := func(field string, value any) func(map[string]any) {
		return func(m map[string]any) { m[field] = value }
	}
	drop := func(field string) func(map[string]any) {
		return func(m map[string]any) { delete(m, field) }
	}
	for _, tt := range []struct {
		name, document string
		change         func(map[string]any)
		ok             bool
	}{
		{"P26 another resource", resourceDocument, set("resource", "https://evil.test"), false},
		{"O36 no resource", resourceDocument, drop("resource"), false},
		{"O36 no server", resourceDocument, set("authorization_servers", []string{}), false},
		{"P26 two servers", resourceDocument, set("authorization_servers", []string{"https://pds.test", "https://evil.test"}), false},
		{"O36 a server with a path", resourceDocument, set("authorization_servers", []string{"https://pds.test/x"}), false},
		{"O36 a server with a slash", resourceDocument, set("authorization_servers", []string{"https://pds.test/"}), false},
		{"O36 a server with the default port", resourceDocument, set("authorization_servers", []string{"https://pds.test:443"}), false},
		{"O36 a server by http", resourceDocument, set("authorization_servers", []string{"http://pds.test"}), false},
		{"O36 a server with credentials", resourceDocument, set("authorization_servers", []string{"https://u@pds.test"}), false},
		{"P30 a server that is no string", resourceDocument, set("authorization_servers", []int{5}), false},
		{"O39 another issuer", serverDocument, set("issuer", "https://evil.test"), false},
		{"O39 the issuer with a slash", serverDocument, set("issuer", "https://pds.test/"), false},
		{"O39 the issuer in upper case", serverDocument, set("issuer", "https://PDS.test"), false},
		{"O40 no authorization endpoint", serverDocument, drop("authorization_endpoint"), false},
		{"P25 an authorization endpoint that is a script", serverDocument, set("authorization_endpoint", "javascript:alert(1)"), false},
		{"O41 an authorization endpoint by http", serverDocument, set("authorization_endpoint", "http://pds.test/oauth/authorize"), false},
		{"P25 an authorization endpoint with a query", serverDocument, set("authorization_endpoint", "https://pds.test/oauth/authorize?keep=this"), true},
		{"O40 no token endpoint", serverDocument, drop("token_endpoint"), false},
		{"O45 no PAR endpoint", serverDocument, drop("pushed_authorization_request_endpoint"), false},
		{"P24 a PAR endpoint by http", serverDocument, set("pushed_authorization_request_endpoint", "http://pds.test/oauth/par"), false},
		{"O40 PAR is not required", serverDocument, set("require_pushed_authorization_requests", false), false},
		{"O40 no code", serverDocument, set("response_types_supported", []string{"token"}), false},
		{"O40 no refresh", serverDocument, set("grant_types_supported", []string{"authorization_code"}), false},
		{"O40 no S256", serverDocument, set("code_challenge_methods_supported", []string{"plain"}), false},
		{"O40 no public clients", serverDocument, set("token_endpoint_auth_methods_supported", []string{"private_key_jwt"}), false},
		{"O40 no ES256 for assertions", serverDocument, set("token_endpoint_auth_signing_alg_values_supported", []string{"RS256"}), false},
		{"O40 assertions without signature", serverDocument, set("token_endpoint_auth_signing_alg_values_supported", []string{"ES256", "none"}), false},
		{"O40 no atproto", serverDocument, set("scopes_supported", []string{"openid"}), false},
		{"O40 no iss", serverDocument, drop("authorization_response_iss_parameter_supported"), false},
		{"O88 no ES256 for proofs", serverDocument, set("dpop_signing_alg_values_supported", []string{"ES384"}), false},
		{"O40 request_uri without registration", serverDocument, set("require_request_uri_registration", false), false},
		{"O40 no client documents", serverDocument, drop("client_id_metadata_document_supported"), false},
		{"O42 it does not speak for this PDS", serverDocument, set("protected_resources", []string{"https://other.test"}), false},
		{"O42 it does not say for whom it speaks", serverDocument, drop("protected_resources"), true},
		{"no revocation endpoint", serverDocument, drop("revocation_endpoint"), true},
		{"P30 a list that is none", serverDocument, set("scopes_supported", "atproto"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := sandbox(t)
			client := newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
				resp, err := next()
				if err == nil && req.URL.Path == tt.document {
					resp = rewrite(resp, tt.change)
				}
				return resp, err
			}))
			login, err := client.Authorize(t.Context(), "alice.test")
			if tt.ok {
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(tt.name, "with a query") && !strings.HasPrefix(login.URL, "https://pds.test/oauth/authorize?keep=this&") {
					t.Errorf("the query was lost: %s", login.URL)
				}
				return
			}
			if e := wantKind(t, err, oauth.ErrInvalidMetadata); !strings.Contains(e.Error(), tt.document) {
				t.Errorf("the error does not name the document: %v", e)
			}
			if n := server.Stats().Requests["/oauth/par"]; n != 0 {
				t.Errorf("%d requests were pushed all the same", n)
			}
		})
	}
}

func TestDiscoveryAnswersAreChecked(t *testing.T) {
	// Each changes an answer that is good but for this.
	body := func(change func(string) string) func(*http.Response) {
		return func(resp *http.Response) {
			data, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			changed := change(string(data))
			resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(changed)), int64(len(changed))
		}
	}
	status := func(code int) func(*http.Response) { return func(resp *http.Response) { resp.StatusCode = code } }
	for name, change := range map[string]func(*http.Response){
		"404":             status(404),
		"another success": status(203),
		"a redirect to what would be good": func(resp *http.Response) {
			resp.StatusCode = 302
			resp.Header.Set("Location", resp.Request.URL.String()+"?again")
		},
		"another type":    func(resp *http.Response) { resp.Header.Set("Content-Type", "text/html") },
		"an array":        body(func(s string) string { return "[" + s + "]" }),
		"not JSON":        body(func(s string) string { return "<html>" + s }),
		"something after": body(func(s string) string { return s + "{}" }),
		"too large":       body(func(s string) string { return s + strings.Repeat(" ", 600<<10) }),
		"nested for ever": body(func(s string) string { return `{"x":` + strings.Repeat("[", 100_000) + s }),
	} {
		for document, item := range map[string]string{resourceDocument: "O35", serverDocument: "O38"} {
			t.Run(item+" P30 "+name+", for "+document, func(t *testing.T) {
				server := sandbox(t)
				client := newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
					resp, err := next()
					if err == nil && req.URL.Path == document && req.URL.RawQuery == "" {
						change(resp)
					}
					return resp, err
				}))
				_, err := client.Authorize(t.Context(), "alice.test")
				wantKind(t, err, oauth.ErrInvalidMetadata)
			})
		}
	}
}

func TestTokenAnswersAreChecked(t *testing.T) { // O74–O80
	for _, tt := range []struct {
		name   string
		change func(map[string]any)
		kind   oauth.Kind
	}{
		{"O74 Bearer", func(m map[string]any) { m["token_type"] = "Bearer" }, oauth.ErrToken},
		{"O74 no type", func(m map[string]any) { delete(m, "token_type") }, oauth.ErrToken},
		{"O75 no sub", func(m map[string]any) { delete(m, "sub") }, oauth.ErrToken},
		{"O75 a handle", func(m map[string]any) { m["sub"] = "alice.test" }, oauth.ErrToken},
		{"P23 O76 another account", func(m map[string]any) { m["sub"] = "did:plc:zzzzzzzzzzzzzzzzzzzzzzzz" }, oauth.ErrAccountMismatch},
		{"O77 no scope", func(m map[string]any) { delete(m, "scope") }, oauth.ErrToken},
		{"O77 scope without atproto", func(m map[string]any) { m["scope"] = "transition:generic" }, oauth.ErrToken},
		{"no access token", func(m map[string]any) { delete(m, "access_token") }, oauth.ErrToken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := sandbox(t)
			kept := new(store.Memory)
			client := newClient(t, server, withStore(kept), withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
				resp, err := next()
				if err == nil && req.URL.Path == tokenPath && resp.StatusCode == 200 {
					resp = rewrite(resp, tt.change)
				}
				return resp, err
			}))
			_, err := tryLogin(t.Context(), server, client)
			wantKind(t, err, tt.kind)
			if n := server.Stats().Requests[revokePath]; n == 0 {
				t.Error("O80 the tokens were not revoked")
			}
			if n := count(t, kept.List(t.Context(), store.RecordSession, "")); n != 0 {
				t.Errorf("O80 %d sessions stored", n)
			}
		})
	}
}

func TestAccountIsVerifiedAfterTheExchange(t *testing.T) { // O79, P22
	server := sandbox(t)
	var moved atomic.Bool
	client := newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
		resp, err := next()
		if err == nil && moved.Load() && req.URL.Path == resourceDocument {
			resp = rewrite(resp, func(m map[string]any) { m["authorization_servers"] = []string{"https://elsewhere.test"} })
		}
		return resp, err
	}))
	login, err := client.Authorize(t.Context(), "alice.test")
	if err != nil {
		t.Fatal(err)
	}
	callback, err := server.Approve(t.Context(), login.URL, server.Environment().Account("alice"))
	if err != nil {
		t.Fatal(err)
	}
	moved.Store(true)
	_, err = client.Callback(t.Context(), callback.Query(), login.Binding)
	wantKind(t, err, oauth.ErrIssuerChanged)
	if n := server.Stats().Requests[revokePath]; n == 0 {
		t.Error("the tokens were not revoked")
	}
}

func TestStateIsTakenOnce(t *testing.T) {
	server := sandbox(t)
	client := newClient(t, server)
	t.Run("O59 P27 of eight callbacks at once one wins", func(t *testing.T) {
		// All have read the state before one of them deletes it.
		kept := &meetingStore{Store: new(store.Memory)}
		client := newClient(t, server, withStore(kept))
		login, query := approved(t, server, client)
		var won, unknown atomic.Int32
		var callbacks sync.WaitGroup
		kept.meeting.Add(8)
		for range 8 {
			callbacks.Go(func() {
				switch _, err := client.Callback(t.Context(), query, login.Binding); {
				case err == nil:
					won.Add(1)
				case errors.Is(err, oauth.ErrStateUnknown):
					unknown.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		callbacks.Wait()
		if won.Load() != 1 || unknown.Load() != 7 {
			t.Errorf("%d won, %d found it taken", won.Load(), unknown.Load())
		}
	})
	t.Run("O59 a state that nobody gave out is refused, and nothing is asked", func(t *testing.T) {
		login, query := approved(t, server, client)
		query.Set("state", query.Get("state")+"x")
		before := server.Stats().Requests
		_, err := client.Callback(t.Context(), query, login.Binding)
		wantKind(t, err, oauth.ErrStateUnknown)
		if diff := cmp.Diff(before, server.Stats().Requests); diff != "" {
			t.Errorf("requests (-before +after):\n%s", diff)
		}
	})
	t.Run("O59 P27 one that was refused is used up", func(t *testing.T) {
		login, query := approved(t, server, client)
		refused := url.Values{"state": query["state"], "iss": query["iss"], "error": {"access_denied"}}
		_, err := client.Callback(t.Context(), refused, login.Binding)
		wantKind(t, err, oauth.ErrAccessDenied)
		_, err = client.Callback(t.Context(), query, login.Binding)
		wantKind(t, err, oauth.ErrStateUnknown)
	})
}

// A meetingStore lets those who read a state wait for each other.
type meetingStore struct {
	store.Store
	meeting sync.WaitGroup // of as many as there are readers
}

func (s *meetingStore) Get(ctx context.Context, key store.RecordKey) (*store.Record, error) {
	r, err := s.Store.Get(ctx, key)
	if key.Kind == store.RecordState {
		s.meeting.Done()
		s.meeting.Wait()
	}
	return r, err
}

// approved begins a login, lets alice agree, and returns it with the query she comes back with.
func approved(tb testing.TB, server *oauthtest.Server, client *oauth.Client, opts ...oauth.AuthorizeOption) (*oauth.Login, url.Values) {
	tb.Helper()
	login, err := client.Authorize(tb.Context(), "alice.test", opts...)
	if err != nil {
		tb.Fatal(err)
	}
	callback, err := server.Approve(tb.Context(), login.URL, server.Environment().Account("alice"))
	if err != nil {
		tb.Fatal(err)
	}
	return login, callback.Query()
}

func TestFailedLoginLeavesNothingBehind(t *testing.T) { // P27
	t.Run("P27 a refused request leaves no state", func(t *testing.T) {
		server := sandbox(t)
		kept := new(store.Memory)
		client := newClient(t, server, withStore(kept))
		server.Fault("/oauth/par", oauthtest.Fault{Status: 500})
		_, err := client.Authorize(t.Context(), "alice.test")
		wantKind(t, err, oauth.ErrAuthorization)
		if n := count(t, kept.List(t.Context(), store.RecordState, "")); n != 0 {
			t.Errorf("%d states", n)
		}
	})
	t.Run("O84 a session that cannot be stored is revoked", func(t *testing.T) {
		server := sandbox(t)
		_, err := tryLogin(t.Context(), server, newClient(t, server, withStore(brokenStore{new(store.Memory), store.RecordSession})))
		wantKind(t, err, oauth.ErrStore)
		if n := server.Stats().Requests[revokePath]; n == 0 {
			t.Error("the tokens were not revoked")
		}
	})
	t.Run("O83 a code is not sent again when the answer is lost", func(t *testing.T) {
		server := sandbox(t)
		client := newClient(t, server)
		server.Fault(tokenPath, oauthtest.Fault{Drop: true})
		_, err := tryLogin(t.Context(), server, client)
		wantKind(t, err, oauth.ErrNetwork)
		if n := server.Stats().Grants["authorization_code"]; n != 1 {
			t.Errorf("the code was sent %d times", n)
		}
		login(t, server, client) // and the user can try again
	})
}

// A brokenStore cannot write records of a kind.
type brokenStore struct {
	store.Store
	kind store.RecordKind
}

func (s brokenStore) Put(ctx context.Context, r *store.Record) error {
	if r.Key.Kind == s.kind {
		return errDown
	}
	return s.Store.Put(ctx, r)
}

func TestCallbackParameters(t *testing.T) {
	server := sandbox(t)
	client := newClient(t, server)
	for name, tt := range map[string]struct {
		change func(url.Values)
		kind   oauth.Kind
	}{
		"O62 no state":                      {func(q url.Values) { q.Del("state") }, oauth.ErrInvalidCallback},
		"O62 state twice":                   {func(q url.Values) { q.Add("state", "x") }, oauth.ErrInvalidCallback},
		"O62 code twice":                    {func(q url.Values) { q.Add("code", "x") }, oauth.ErrInvalidCallback},
		"O62 a JWT in place of them":        {func(q url.Values) { q.Set("response", "x") }, oauth.ErrInvalidCallback},
		"O62 no code":                       {func(q url.Values) { q.Del("code") }, oauth.ErrInvalidCallback},
		"O62 iss twice":                     {func(q url.Values) { q.Add("iss", q.Get("iss")) }, oauth.ErrInvalidCallback},
		"O62 error twice":                   {func(q url.Values) { q["error"] = []string{"a", "a"} }, oauth.ErrInvalidCallback},
		"O62 nothing at all":                {func(q url.Values) { clear(q) }, oauth.ErrInvalidCallback},
		"O61 an iss with a slash more":      {func(q url.Values) { q.Set("iss", q.Get("iss")+"/") }, oauth.ErrIssuerMismatch},
		"O61 no iss":                        {func(q url.Values) { q.Del("iss") }, oauth.ErrIssuerMismatch},
		"O61 P27 an error with another iss": {func(q url.Values) { q.Set("error", "access_denied"); q.Set("iss", "https://evil.test") }, oauth.ErrIssuerMismatch},
		"O60 a server error":                {func(q url.Values) { q.Set("error", "server_error") }, oauth.ErrAuthorization},
		"O60 a refusal":                     {func(q url.Values) { q.Set("error", "access_denied") }, oauth.ErrAccessDenied},
	} {
		t.Run(name, func(t *testing.T) {
			login, err := client.Authorize(t.Context(), "alice.test", oauth.WithAppState("kept"))
			if err != nil {
				t.Fatal(err)
			}
			callback, err := server.Approve(t.Context(), login.URL, server.Environment().Account("alice"))
			if err != nil {
				t.Fatal(err)
			}
			query := callback.Query()
			tt.change(query)
			before := server.Stats().Requests[tokenPath]
			_, err = client.Callback(t.Context(), query, login.Binding)
			e := wantKind(t, err, tt.kind)
			if server.Stats().Requests[tokenPath] != before {
				t.Error("tokens were asked for all the same")
			}
			if known := e.Kind != oauth.ErrInvalidCallback || name == "O62 no code"; known && e.AppState != "kept" {
				t.Errorf("the app state was lost: %v", e)
			}
		})
	}
}

func TestEachLoginHasAKeyOfItsOwn(t *testing.T) { // O54, O101
	server := sandbox(t)
	keys := make(map[string]int)
	client := newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
		if proof := req.Header.Get("DPoP"); proof != "" {
			header, _, _ := strings.Cut(proof, ".")
			keys[header]++
		}
		return next()
	}))
	for range 3 {
		s := login(t, server, client)
		if err := call(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(keys) != 3 {
		t.Errorf("%d keys for 3 logins", len(keys))
	}
}
