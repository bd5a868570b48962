package oauth_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// withScope makes a client that asks for another scope.
func withScope(text string) func(*oauth.Config) {
	return func(cfg *oauth.Config) {
		local := oauth.Localhost(redirectURI, text)
		cfg.ClientID, cfg.Scope = local.ClientID, local.Scope
	}
}

// write creates a record.
func write(t *testing.T, s *oauth.Session, collection syntax.NSID) error {
	t.Helper()
	record, err := lex.Raw([]byte(`{"$type":"` + string(collection) + `"}`))
	if err != nil {
		t.Fatal(err)
	}
	_, err = comatproto.NewClient(s).Repo.CreateRecord(t.Context(), &comatproto.RepoCreateRecordInput{
		Repo: syntax.AtIdentifier(s.DID()), Collection: collection, Record: record,
	})
	return err
}

func TestMissingScope(t *testing.T) {
	const collection = "com.example.note"
	t.Run("O132 a missing scope is named, and no reason to refresh", func(t *testing.T) {
		server := sandbox(t)
		s := login(t, server, newClient(t, server, withScope("atproto")))
		err := write(t, s, collection)
		if !errors.Is(err, xrpc.ErrScopeMissing) || errors.Is(err, oauth.ErrReauthRequired) {
			t.Fatalf("got %v", err)
		}
		need, ok := oauth.MissingScope(fmt.Errorf("post: %w", err))
		if !ok || need.String() != "repo:com.example.note?action=create" || s.Allows(need) {
			t.Errorf("it lacks %v", need)
		}
		if err := call(t.Context(), s); err != nil {
			t.Errorf("the session did not live on: %v", err)
		}
		if n := server.Stats().Grants["refresh_token"]; n != 0 {
			t.Errorf("%d refreshes", n)
		}
	})
	t.Run("O132 no refresh, whatever challenge comes with it", func(t *testing.T) {
		server := sandbox(t)
		refreshes, calls := 0, 0
		s := login(t, server, newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if isRefresh(req) {
				refreshes++
			}
			if req.URL.Path != "/xrpc/com.atproto.repo.createRecord" {
				return next()
			}
			calls++
			return respond(req, http.StatusForbidden, `{"error":"ScopeMissingError","message":"Missing required scope \"repo:a.b.c\""}`,
				"WWW-Authenticate", `DPoP error="invalid_token"`), nil
		})))
		err := write(t, s, collection)
		if !errors.Is(err, xrpc.ErrScopeMissing) || refreshes != 0 || calls != 1 {
			t.Errorf("%v after %d refreshes and %d calls", err, refreshes, calls)
		}
	})
	for name, tt := range map[string]struct {
		err  error
		want string // "": none
	}{
		"O132 the reference's words": {&xrpc.Error{Name: xrpc.ErrScopeMissing, Message: `Missing required scope "blob:image/png"`}, "blob:image/png"},
		"O132 an unknown resource":   {&xrpc.Error{Name: xrpc.ErrScopeMissing, Message: `Missing required scope "future:x"`}, "future:x"},
		"O132 no scope in the words": {&xrpc.Error{Name: xrpc.ErrScopeMissing, Message: `Not allowed`}, ""},
		"O132 an open quotation":     {&xrpc.Error{Name: xrpc.ErrScopeMissing, Message: `Missing required scope "blob:`}, ""},
		"O132 no token":              {&xrpc.Error{Name: xrpc.ErrScopeMissing, Message: `Missing required scope "a b"`}, ""},
		"O132 a wrong token":         {&xrpc.Error{Name: xrpc.ErrScopeMissing, Message: `Missing required scope "repo:x"`}, ""},
		"O132 another error":         {&xrpc.Error{Name: xrpc.ErrForbidden, Message: `Missing required scope "blob:image/png"`}, ""},
		"O132 no answer":             {errors.New(`Missing required scope "blob:image/png"`), ""},
		"O132 no error":              {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			need, ok := oauth.MissingScope(tt.err)
			if ok != (tt.want != "") || ok && need.String() != tt.want || !ok && need != nil {
				t.Errorf("%v, %t", need, ok)
			}
		})
	}
}

func permissionSet(permissions string) []byte {
	return []byte(`{"lexicon":1,"id":"com.example.auth","defs":{"main":{"type":"permission-set","title":"Notes","permissions":[` + permissions + `]}}}`)
}

func TestGrantedScope(t *testing.T) {
	const (
		aud    = "did:web:api.example.com#notes"
		notes  = `{"type":"permission","resource":"repo","collection":["com.example.note"]}`
		search = `{"type":"permission","resource":"rpc","inheritAud":true,"lxm":["com.example.search"]}`
		asked  = "atproto include:com.example.auth?aud=did:web:api.example.com%23notes"
	)
	t.Run("O85 the granted scope decides, not the one that was asked for", func(t *testing.T) {
		server := sandbox(t, oauthtest.WithPermissionSet(permissionSet(notes)))
		s := login(t, server, newClient(t, server, withScope(asked+" blob:image/*")))
		if got := s.Scope(); got != "repo:com.example.note atproto blob:image/*" {
			t.Errorf("granted %q", got)
		}
		include := scope.Include("com.example.auth", aud)
		if !s.Allows(scope.Repo("com.example.note"), scope.Blob("image/png")) || s.Allows(include) || s.Allows(scope.RPC(aud, "com.example.search")) {
			t.Error("Allows does not go by the grant")
		}
		if err := write(t, s, "com.example.note"); err != nil {
			t.Error(err)
		}
		server.PublishPermissionSet(permissionSet(search + "," + search))
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		// The same permission twice, which a client could not ask for.
		if got := s.Scope(); got != "rpc:com.example.search?aud=did:web:api.example.com%23notes rpc:com.example.search?aud=did:web:api.example.com%23notes atproto blob:image/*" {
			t.Errorf("granted %q after a refresh", got)
		}
		if s.Allows(scope.Repo("com.example.note")) || !s.Allows(scope.RPC(aud, "com.example.search"), scope.Atproto) {
			t.Error("Allows does not go by the newest grant")
		}
	})
	t.Run("O131 a set that nobody published is refused", func(t *testing.T) {
		server := sandbox(t)
		_, err := tryLogin(t.Context(), server, newClient(t, server, withScope(asked)))
		if e := wantKind(t, err, oauth.ErrAuthorization); e.Code != "invalid_scope" {
			t.Errorf("%v", err)
		}
	})
}
