package scenario

import (
	"errors"
	"maps"
	"net"
	"net/url"
	"testing"

	"github.com/gimucco/atproto-go/oauth"
)

// badInput tests what goes wrong on the way to a session. Each time there is a typed error that
// names the problem, and the user can simply try again.
func badInput(t *testing.T, b Backend) {
	ctx := t.Context()
	alice := b.Environment().Account("alice")

	check := func(t *testing.T, err error, kind oauth.Kind) *oauth.Error {
		t.Helper()
		if !errors.Is(err, kind) {
			t.Fatalf("got %v, want %q", err, kind)
		}
		e, ok := errors.AsType[*oauth.Error](err)
		if !ok {
			t.Fatalf("not an *oauth.Error: %v", err)
		}
		return e
	}
	begin := func(t *testing.T, client *oauth.Client) *oauth.Login {
		t.Helper()
		login, err := client.Authorize(ctx, string(alice.Handle), oauth.WithAppState("kept"))
		if err != nil {
			t.Fatal(err)
		}
		return login
	}
	approve := func(t *testing.T, login *oauth.Login) url.Values {
		t.Helper()
		callback, err := b.Approve(ctx, login.URL, alice)
		if err != nil {
			t.Fatal(err)
		}
		return callback.Query()
	}
	again := func(t *testing.T, client *oauth.Client) {
		t.Helper()
		Login(t, b, client, alice)
	}

	t.Run("an unknown handle", func(t *testing.T) {
		client := NewClient(t, b)
		for _, handle := range []string{"nobody.test", "nobody.example", "not a handle", "", "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"} {
			_, err := client.Authorize(ctx, handle)
			if !errors.Is(err, oauth.ErrUnresolved) && !errors.Is(err, oauth.ErrNetwork) {
				t.Errorf("%q: %v", handle, err)
			}
			if e, _ := errors.AsType[*oauth.Error](err); e == nil {
				t.Errorf("%q: %v", handle, err)
			}
		}
		again(t, client)
	})
	t.Run("the server is down", func(t *testing.T) {
		client := NewClient(t, b)
		if err := b.Fail(ctx, "/.well-known/oauth-authorization-server", 503, 1); err != nil {
			t.Fatal(err)
		}
		_, err := client.Authorize(ctx, string(alice.Handle))
		if e := check(t, err, oauth.ErrNetwork); !e.Retryable {
			t.Errorf("not marked as worth another try: %v", err)
		}
		if err := b.Fail(ctx, "/oauth/par", 503, 1); err != nil {
			t.Fatal(err)
		}
		_, err = client.Authorize(ctx, string(alice.Handle))
		if e := check(t, err, oauth.ErrAuthorization); !e.Retryable || e.Status != 503 {
			t.Errorf("not marked as worth another try: %v", err)
		}
		again(t, client)
	})
	t.Run("the server cannot be reached", func(t *testing.T) {
		closed, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		closed.Close()
		u, err := url.Parse(b.Environment().PDS)
		if err != nil {
			t.Fatal(err)
		}
		env := *b.Environment()
		env.Hosts = maps.Clone(env.Hosts)
		for name, change := range map[string]func(host string){
			"nobody listens": func(host string) { env.Hosts[host] = closed.Addr().String() },
			"no such host":   func(host string) { delete(env.Hosts, host) },
		} {
			change(net.JoinHostPort(u.Hostname(), "443"))
			client := NewClient(t, b, env.Configure)
			_, err = client.Authorize(ctx, string(alice.Handle))
			if e := check(t, err, oauth.ErrNetwork); !e.Retryable {
				t.Errorf("%s: not marked as worth another try: %v", name, err)
			}
		}
		again(t, NewClient(t, b))
	})
	t.Run("O60 P27 the user refuses", func(t *testing.T) {
		client := NewClient(t, b)
		login := begin(t, client)
		callback, err := b.Deny(ctx, login.URL)
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Callback(ctx, callback.Query(), login.Binding)
		if e := check(t, err, oauth.ErrAccessDenied); e.AppState != "kept" || e.Code != "access_denied" {
			t.Errorf("app state %q, code %q", e.AppState, e.Code)
		}
		_, err = client.Callback(ctx, callback.Query(), login.Binding)
		check(t, err, oauth.ErrStateUnknown)
		again(t, client)
	})
	t.Run("a login that is never finished", func(t *testing.T) {
		client := NewClient(t, b)
		begin(t, client)
		begin(t, client)
		again(t, client)
	})
	t.Run("O59 O62 a callback that nobody asked for", func(t *testing.T) {
		client := NewClient(t, b)
		_, err := client.Callback(ctx, url.Values{"state": {"made-up"}, "iss": {b.Environment().Issuer}, "code": {"made-up"}}, "made-up")
		check(t, err, oauth.ErrStateUnknown)
		_, err = client.Callback(ctx, url.Values{}, "")
		check(t, err, oauth.ErrInvalidCallback)
	})
	t.Run("O64 a callback in another browser", func(t *testing.T) {
		client := NewClient(t, b)
		login := begin(t, client)
		query := approve(t, login)
		_, err := client.Callback(ctx, query, "the cookie of somebody else")
		check(t, err, oauth.ErrBinding)
		if _, err := client.Callback(ctx, query, login.Binding); err != nil {
			t.Errorf("the right browser afterwards: %v", err)
		}
	})
	t.Run("O59 a callback that comes twice", func(t *testing.T) {
		client := NewClient(t, b)
		login := begin(t, client)
		query := approve(t, login)
		result, err := client.Callback(ctx, query, login.Binding)
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Callback(ctx, query, login.Binding)
		check(t, err, oauth.ErrStateUnknown)
		if err := result.Session.Refresh(ctx); err != nil {
			t.Errorf("the session of the first: %v", err)
		}
	})
	t.Run("O61 a callback from another issuer", func(t *testing.T) {
		for name, change := range map[string]func(url.Values){
			"other":   func(q url.Values) { q.Set("iss", "https://evil.test") },
			"missing": func(q url.Values) { q.Del("iss") },
		} {
			client := NewClient(t, b)
			login := begin(t, client)
			query := approve(t, login)
			change(query)
			before, err := b.TokenRequests(ctx)
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.Callback(ctx, query, login.Binding)
			check(t, err, oauth.ErrIssuerMismatch)
			after, err := b.TokenRequests(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if after["authorization_code"] != before["authorization_code"] {
				t.Errorf("%s: the code was sent all the same", name)
			}
		}
	})
	t.Run("O118 an expired request_uri", func(t *testing.T) {
		client := NewClient(t, b)
		login := begin(t, client)
		callback, err := b.ApproveLate(ctx, login.URL, alice)
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Callback(ctx, callback.Query(), login.Binding)
		if e := check(t, err, oauth.ErrAccessDenied); e.AppState != "kept" || e.Description == "" {
			t.Errorf("app state %q, description %q", e.AppState, e.Description)
		}
		again(t, client)
	})
	t.Run("a used request_uri", func(t *testing.T) {
		client := NewClient(t, b)
		login := begin(t, client)
		approve(t, login)
		// The first code is not exchanged, so the second login must not get one.
		callback, err := b.Approve(ctx, login.URL, alice)
		if err != nil {
			t.Fatal(err)
		}
		if callback.Query().Has("code") {
			t.Errorf("sent back with a second code: %s", callback)
		}
		_, err = client.Callback(ctx, callback.Query(), login.Binding)
		if e := check(t, err, oauth.ErrAccessDenied); e.AppState != "kept" {
			t.Errorf("app state %q", e.AppState)
		}
		again(t, client)
	})
	t.Run("a request_uri of another client", func(t *testing.T) {
		client := NewClient(t, b)
		login := begin(t, client)
		u, err := url.Parse(login.URL)
		if err != nil {
			t.Fatal(err)
		}
		query := u.Query()
		query.Set("client_id", "http://localhost?scope=atproto")
		u.RawQuery = query.Encode()
		callback, err := b.Approve(ctx, u.String(), alice)
		if err == nil && callback.Query().Has("code") {
			t.Errorf("sent back with a code: %s", callback)
		}
		again(t, client)
	})
	t.Run("O76 another account than the one asked for", func(t *testing.T) {
		client := NewClient(t, b)
		login := begin(t, client)
		callback, err := b.Approve(ctx, login.URL, b.Environment().Account("bob"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Callback(ctx, callback.Query(), login.Binding)
		check(t, err, oauth.ErrAccountMismatch)
		again(t, client)
	})
}
