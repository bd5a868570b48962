package oauth_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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
		"O132 the reference's words":         {&xrpc.Error{Name: xrpc.ErrScopeMissing, Message: `Missing required scope "blob:image/png"`}, "blob:image/png"},
		"O132 an unknown resource":           {&xrpc.Error{Name: xrpc.ErrScopeMissing, Message: `Missing required scope "future:x"`}, "future:x"},
		"O132 no scope in the words":         {&xrpc.Error{Name: xrpc.ErrScopeMissing, Message: `Not allowed`}, ""},
		"O132 an open quotation":             {&xrpc.Error{Name: xrpc.ErrScopeMissing, Message: `Missing required scope "blob:`}, ""},
		"O132 no token":                      {&xrpc.Error{Name: xrpc.ErrScopeMissing, Message: `Missing required scope "a b"`}, ""},
		"O132 a wrong token":                 {&xrpc.Error{Name: xrpc.ErrScopeMissing, Message: `Missing required scope "repo:x"`}, ""},
		"O132 another error":                 {&xrpc.Error{Name: xrpc.ErrForbidden, Message: `Missing required scope "blob:image/png"`}, ""},
		"O132 no answer":                     {errors.New(`Missing required scope "blob:image/png"`), ""},
		"O132 no error":                      {nil, ""},
		"P57 a word in place of a scope":     {&xrpc.Error{Name: xrpc.ErrScopeMissing, Message: `Missing required scope for this`}, ""},
		"P57 another status":                 {&xrpc.Error{Name: "Other", Message: `Missing required scope "blob:image/png"`, ResponseInfo: xrpc.ResponseInfo{Status: 400}}, ""},
		"P57 an audience that is no DID":     {&xrpc.Error{Name: xrpc.ErrScopeMissing, Message: `Missing required scope rpc:a.b.c?aud=x`}, ""},
		"P57 a broken query":                 {&xrpc.Error{Name: xrpc.ErrScopeMissing, Message: `Missing required scope rpc:a.b.c?aud=%zz`}, ""},
		"P57 letters that grow when lowered": {&xrpc.Error{Name: xrpc.ErrScopeMissing, Message: strings.Repeat("\u023a", 20) + `scope`}, ""},
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

func TestMissingScopesInOtherWords(t *testing.T) {
	const (
		repo = "repo:com.example.note?action=create"
		rpc  = "rpc:com.example.search?aud=did:web:api.example.com"
	)
	words := func(status int, name, message string, challenge ...string) func(string) oauthtest.Answer {
		return func(needed string) oauthtest.Answer {
			fill := func(text string) string { return strings.ReplaceAll(text, "SCOPE", needed) }
			body, _ := json.Marshal(map[string]string{"error": name, "message": fill(message)})
			a := oauthtest.Answer{Status: status, Body: string(body), Header: make(http.Header)}
			for _, c := range challenge {
				a.Header.Add("WWW-Authenticate", fill(c))
			}
			return a
		}
	}
	type dialect struct {
		answer func(string) oauthtest.Answer
		named  bool
	}
	dialects := map[string]dialect{
		"a challenge with the scope":            {words(403, "Forbidden", "no", `DPoP error="insufficient_scope", scope="SCOPE"`), true},
		"a challenge with all that is needed":   {words(403, "Forbidden", "no", `DPoP algs="ES256", error="insufficient_scope", scope="atproto SCOPE"`), true},
		"a challenge without the scope":         {words(403, "", "", `DPoP error="insufficient_scope"`), false},
		"a challenge under 401":                 {words(401, "Unauthorized", "no", `DPoP error="insufficient_scope", scope="SCOPE"`), true},
		"a second challenge":                    {words(403, "Forbidden", "no", `Basic realm="x"`, `Bearer error="insufficient_scope", scope="SCOPE"`), true},
		"no quotes":                             {words(403, "ScopeMissingError", "Missing required scope SCOPE"), true},
		"a colon":                               {words(403, "ScopeMissingError", "Missing required scope: SCOPE"), true},
		"a colon and quotes":                    {words(403, "ScopeMissingError", `Missing required scope: "SCOPE"`), true},
		"single quotes and a stop":              {words(403, "ScopeMissingError", `Missing required scope 'SCOPE'.`), true},
		"backquotes, in the plural":             {words(403, "Forbidden", "missing required scopes: `SCOPE`"), true},
		"a stop without quotes":                 {words(403, "ScopeMissingError", "Missing required scope SCOPE."), true},
		"InsufficientScope under 403":           {words(403, "InsufficientScope", "Missing required scope SCOPE"), true},
		"InsufficientScope under 401":           {words(401, "InsufficientScope", "Missing required scope: SCOPE"), true},
		"InsufficientScope without the scope":   {words(403, "InsufficientScope", "no"), false},
		"the code of OAuth as a name":           {words(403, "insufficient_scope", "scope: SCOPE"), true},
		"a name of no meaning, and the message": {words(403, "Forbidden", "Missing required scope SCOPE"), true},
		"the same under 401":                    {words(401, "AuthenticationRequired", "Missing required scope: SCOPE"), true},
	}
	for name, d := range dialects {
		t.Run("P57 "+name, func(t *testing.T) {
			server := sandbox(t, oauthtest.WithMissingScopes(d.answer))
			s := login(t, server, newClient(t, server, withScope("atproto")))
			err := write(t, s, "com.example.note")
			if !errors.Is(err, xrpc.ErrScopeMissing) || errors.Is(err, oauth.ErrReauthRequired) {
				t.Fatalf("got %v", err)
			}
			need, ok := oauth.MissingScope(err)
			if ok != d.named || ok && need.String() != repo {
				t.Errorf("it lacks %v, %t", need, ok)
			}
			if err := call(t.Context(), s); err != nil || server.Stats().Grants["refresh_token"] != 0 {
				t.Errorf("then %v, %d refreshes", err, server.Stats().Grants["refresh_token"])
			}
		})
		t.Run("P57 a bare DID as audience: "+name, func(t *testing.T) {
			said := d.answer(rpc)
			e := &xrpc.Error{ResponseInfo: xrpc.ResponseInfo{Status: said.Status, Header: said.Header}}
			var body map[string]string
			json.Unmarshal([]byte(said.Body), &body)
			e.Name, e.Message = xrpc.ErrorName(body["error"]), body["message"]
			if !errors.Is(e, xrpc.ErrScopeMissing) {
				t.Fatalf("got %v", e)
			}
			need, ok := oauth.MissingScope(e)
			want := scope.Permission(scope.RPCPermission{Methods: []syntax.NSID{"com.example.search"}, Audience: "did:web:api.example.com"})
			if ok != d.named || ok && !cmp.Equal(need, want) {
				t.Errorf("it lacks %v, %t", need, ok)
			}
		})
	}
	t.Run("P57 other refusals are what they are", func(t *testing.T) {
		for _, e := range []*xrpc.Error{
			{Name: xrpc.ErrForbidden, ResponseInfo: xrpc.ResponseInfo{Status: 403}},
			{Name: "InvalidToken", Message: "Token is not valid for this scope", ResponseInfo: xrpc.ResponseInfo{Status: 401}},
			{Name: xrpc.ErrAuthenticationRequired, ResponseInfo: xrpc.ResponseInfo{Status: 401, Header: http.Header{"Www-Authenticate": {`DPoP error="invalid_token", scope="repo:a.b.c"`}}}},
			{Name: xrpc.ErrInvalidRequest, Message: "Missing required scope repo:a.b.c", ResponseInfo: xrpc.ResponseInfo{Status: 400}},
		} {
			if need, ok := oauth.MissingScope(e); ok || errors.Is(e, xrpc.ErrScopeMissing) {
				t.Errorf("%v lacks %v", e, need)
			}
		}
	})
}
