package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/e2e/realpds"
	"github.com/gimucco/atproto-go/internal/scenario"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A knownMethod is a query or procedure of the lexicons.
type knownMethod struct {
	nsid syntax.NSID
	verb string
}

// comAtproto returns the queries and procedures of com.atproto.
func comAtproto(t *testing.T) []knownMethod {
	t.Helper()
	var all []knownMethod
	lexicons := os.DirFS("../lexicons")
	err := fs.WalkDir(lexicons, "com/atproto", func(name string, d fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".json" {
			return err
		}
		document, err := fs.ReadFile(lexicons, name)
		if err != nil {
			return err
		}
		var lexicon struct {
			ID   syntax.NSID `json:"id"`
			Defs struct {
				Main struct {
					Type string `json:"type"`
				} `json:"main"`
			} `json:"defs"`
		}
		if err := json.Unmarshal(document, &lexicon); err != nil {
			return err
		}
		switch lexicon.Defs.Main.Type {
		case "query":
			all = append(all, knownMethod{lexicon.ID, http.MethodGet})
		case "procedure":
			all = append(all, knownMethod{lexicon.ID, http.MethodPost})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 80 {
		t.Fatalf("only %d methods", len(all))
	}
	return all
}

// methods compares scope.ForMethod, method by method, with what the server lets
// sessions do. The server checks parameters first, then the scope, then the input;
// only writes of records need all of it.
func methods(t *testing.T, server *realpds.Server) {
	bob := server.Environment().Account("bob")
	// A service that the server can find: itself, at bob's.
	service := string(bob.DID) + "#atproto_pds"
	login := func(t *testing.T, text string) *oauth.Session {
		return scenario.Login(t, server, scenario.NewClient(t, server, func(cfg *oauth.Config) {
			local := oauth.Localhost(cfg.RedirectURIs[0], text)
			cfg.ClientID, cfg.Scope = local.ClientID, text
		}), bob)
	}
	check := func(t *testing.T, s *oauth.Session, m knownMethod, need scope.Permission) {
		t.Helper()
		allowed := need != nil && s.Allows(need)
		err := attempt(t, s, m, bob, service)
		e, _ := errors.AsType[*xrpc.Error](err)
		refused := e != nil && (e.Status == http.StatusForbidden || e.Status == http.StatusUnauthorized)
		switch missing, ok := oauth.MissingScope(err); {
		case allowed == refused:
			t.Errorf("it needs %v, Allows says %t, the server: %v", need, allowed, err)
		case need == nil && errors.Is(err, xrpc.ErrScopeMissing):
			t.Errorf("no scope helps, says the table; the server: %v", err)
		case need != nil && refused && (!ok || !scope.ParseGranted(need.String()).Allows(missing)):
			t.Errorf("it needs %v, the server: %v", need, err)
		}
	}

	t.Run("O123 O124 O125 O126 O127 nothing but atproto", func(t *testing.T) {
		s := login(t, "atproto")
		for _, m := range comAtproto(t) {
			t.Run(string(m.nsid), func(t *testing.T) {
				need, err := scope.ForMethod(m.nsid, service)
				if err != nil && !errors.Is(err, scope.ErrNotForOAuth) {
					t.Fatal(err)
				}
				check(t, s, m, need)
			})
		}
	})
	t.Run("O123 O124 O125 O126 O127 all there is", func(t *testing.T) {
		s := login(t, scope.Join(scope.Atproto, scope.Repo(scope.Any), scope.RPC(service, scope.Any), scope.Blob("*/*"), scope.Identity(scope.Any),
			scope.Account(scope.AccountEmail, scope.Manage), scope.Account(scope.AccountRepo, scope.Manage), scope.Account(scope.AccountStatus, scope.Manage)))
		for _, m := range comAtproto(t) {
			if m.nsid == "com.atproto.server.deactivateAccount" {
				continue // it would work
			}
			t.Run(string(m.nsid), func(t *testing.T) {
				need, err := scope.ForMethod(m.nsid, service)
				if err != nil && !errors.Is(err, scope.ErrNotForOAuth) {
					t.Fatal(err)
				}
				check(t, s, m, need)
			})
		}
	})
	t.Run("O122 service tokens", func(t *testing.T) {
		const chat, timeline = "chat.bsky.convo.getLog", "app.bsky.feed.getTimeline"
		for _, tt := range []struct {
			scope, audience string
			methods         []syntax.NSID
		}{
			{"atproto transition:generic", "did:web:api.bsky.chat#bsky_chat", []syntax.NSID{chat, timeline, scope.Any}},
			{"atproto transition:generic", "did:web:api.bsky.chat", []syntax.NSID{chat, timeline}}, // a whole DID
			{"atproto transition:generic transition:chat.bsky", "did:web:api.bsky.chat#bsky_chat", []syntax.NSID{chat, timeline, scope.Any}},
			{"atproto rpc:" + timeline + "?aud=*", "did:web:api.bsky.chat", []syntax.NSID{chat, timeline, scope.Any}},
			{"atproto rpc:" + timeline + "?aud=did:web:api.bsky.chat%23bsky_chat", "did:web:api.bsky.chat", []syntax.NSID{timeline}},
			{"atproto rpc:*?aud=did:web:api.bsky.chat%23bsky_chat", "did:web:api.bsky.chat#bsky_chat", []syntax.NSID{chat, timeline, scope.Any}},
			{"atproto rpc:*?aud=did:web:api.bsky.chat%23bsky_chat", "did:web:api.bsky.app#bsky_appview", []syntax.NSID{timeline}},
		} {
			s := login(t, tt.scope)
			for _, method := range tt.methods {
				query := url.Values{"aud": {tt.audience}}
				if method != scope.Any {
					query.Set("lxm", string(method))
				}
				err := call(t, s, http.MethodGet, "/xrpc/com.atproto.server.getServiceAuth?"+query.Encode(), nil)
				if allowed := s.Allows(scope.RPC(tt.audience, method)); allowed != (err == nil) {
					t.Errorf("%s: a token for %s at %s: Allows says %t, the server %v", tt.scope, method, tt.audience, allowed, err)
				}
			}
		}
	})
}

// attempt calls a method with what it takes to come as far as its authorization.
func attempt(t *testing.T, s *oauth.Session, m knownMethod, account oauthtest.Account, service string) error {
	t.Helper()
	const cid = "bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwq"
	did, post := string(account.DID), map[string]any{"$type": "app.bsky.feed.post", "text": "methods", "createdAt": "2026-01-01T00:00:00.000Z"}
	query := url.Values{
		"did": {did}, "dids": {did}, "repo": {did}, "account": {did}, "cid": {cid}, "cids": {cid}, "collection": {"app.bsky.feed.post"}, "rkey": {"self"},
		"handle": {string(account.Handle)}, "identifier": {did}, "nsid": {"com.example.thing"}, "aud": {service}, "hostname": {"pds.test"},
		"scope": {"ref:com.example"}, "uriPatterns": {"*"},
	}
	var body any = map[string]any{}
	switch m.nsid {
	case "com.atproto.repo.createRecord":
		body = map[string]any{"repo": did, "collection": "app.bsky.feed.post", "record": post}
	case "com.atproto.repo.putRecord":
		body = map[string]any{"repo": did, "collection": "app.bsky.feed.post", "rkey": "3jzfcijpj2z2a", "record": post}
	case "com.atproto.repo.deleteRecord":
		body = map[string]any{"repo": did, "collection": "app.bsky.feed.post", "rkey": "3jzfcijpj2z2a"}
	case "com.atproto.repo.applyWrites":
		body = map[string]any{"repo": did, "writes": []any{map[string]any{
			"$type": "com.atproto.repo.applyWrites#create", "collection": "app.bsky.feed.post", "value": post,
		}}}
	}
	target := "/xrpc/" + string(m.nsid)
	if m.verb == http.MethodGet {
		target, body = target+"?"+query.Encode(), nil
	}
	return call(t, s, m.verb, target, body, xrpc.WithProxy(service))
}

// call makes a raw request and returns the error that a typed call would.
func call(t *testing.T, s *oauth.Session, verb, target string, body any, opts ...xrpc.Option) error {
	t.Helper()
	resp, err := s.AuthenticatedRequest(t.Context(), verb, target, body, opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Error   xrpc.ErrorName `json:"error"`
		Message string         `json:"message"`
	}
	if resp.StatusCode < 300 {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return fmt.Errorf("%s: %w", resp.Status, err)
	}
	return &xrpc.Error{NSID: syntax.NSID(strings.TrimPrefix(target, "/xrpc/")), Name: answer.Error, Message: answer.Message, ResponseInfo: xrpc.ResponseInfo{Status: resp.StatusCode}}
}
