package oauthtest_test

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func TestDiscovery(t *testing.T) {
	g := newRig(t)
	get := func(target string) *answer { return g.request("GET", target, nil, nil) }
	t.Run("O35 O36 protected resource", func(t *testing.T) {
		a := get(issuer + "/.well-known/oauth-protected-resource")
		if a.status != 200 || a.header.Get("Content-Type") != "application/json" || a.str("resource") != issuer {
			t.Errorf("%d %s", a.status, a.text)
		}
		if diff := cmp.Diff([]any{issuer}, a.body["authorization_servers"]); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("O40 authorization server", func(t *testing.T) {
		a := get(issuer + "/.well-known/oauth-authorization-server")
		has := func(name string, value any) {
			t.Helper()
			list, ok := a.body[name].([]any)
			if !ok {
				if a.body[name] != value {
					t.Errorf("%s is %v", name, a.body[name])
				}
				return
			}
			for _, v := range list {
				if v == value {
					return
				}
			}
			t.Errorf("%s lacks %v", name, value)
		}
		has("issuer", issuer)
		has("authorization_endpoint", issuer+"/oauth/authorize")
		has("token_endpoint", issuer+"/oauth/token")
		has("pushed_authorization_request_endpoint", issuer+"/oauth/par")
		has("revocation_endpoint", issuer+"/oauth/revoke")
		has("require_pushed_authorization_requests", true)
		has("response_types_supported", "code")
		has("grant_types_supported", "authorization_code")
		has("grant_types_supported", "refresh_token")
		has("code_challenge_methods_supported", "S256")
		has("token_endpoint_auth_methods_supported", "none")
		has("token_endpoint_auth_methods_supported", "private_key_jwt")
		has("token_endpoint_auth_signing_alg_values_supported", "ES256")
		has("scopes_supported", "atproto")
		has("authorization_response_iss_parameter_supported", true)
		has("dpop_signing_alg_values_supported", "ES256")
		has("require_request_uri_registration", true)
		has("client_id_metadata_document_supported", true)
		has("protected_resources", issuer)
		for _, name := range []string{"token_endpoint_auth_signing_alg_values_supported", "dpop_signing_alg_values_supported"} {
			for _, alg := range a.body[name].([]any) {
				if alg == "none" {
					t.Errorf("%s allows none", name)
				}
			}
		}
	})
	t.Run("P13 a separate authorization server", func(t *testing.T) {
		srv := oauthtest.NewServer(oauthtest.WithIssuer("auth.test"), oauthtest.WithPDS("one.test", "two.test"))
		t.Cleanup(srv.Close)
		g := &rig{tb: t, srv: srv, hc: noRedirects(srv)}
		e := srv.Environment()
		if e.Issuer != "https://auth.test" || e.PDS != "https://one.test" {
			t.Errorf("issuer %s, PDS %s", e.Issuer, e.PDS)
		}
		a := g.request("GET", "https://two.test/.well-known/oauth-protected-resource", nil, nil)
		if diff := cmp.Diff([]any{"https://auth.test"}, a.body["authorization_servers"]); diff != "" || a.str("resource") != "https://two.test" {
			t.Error(a.text, diff)
		}
		if a := g.request("GET", "https://one.test/.well-known/oauth-authorization-server", nil, nil); a.status != 404 {
			t.Errorf("the PDS answers %d for the authorization server", a.status)
		}
		alice := e.Account("alice")
		srv.MoveAccount(alice.DID, "two.test")
		id, err := identity.Lookup(t.Context(), e.Resolver(), syntax.AtIdentifier(alice.DID))
		if err != nil || id.PDS != "https://two.test" {
			t.Errorf("P12 after the move: %+v, %v", id, err)
		}
	})
}

func TestIdentities(t *testing.T) {
	srv := oauthtest.NewServer(oauthtest.WithAccounts(
		oauthtest.Account{Handle: "carol.test", DID: "did:plc:ccccccccccccccccccccccc2", Password: "secret", Email: "c@mail.test"}))
	t.Cleanup(srv.Close)
	e := srv.Environment()
	carol := e.Account("carol")
	if diff := cmp.Diff(carol, e.Account("carol.test")); diff != "" || carol.Password != "secret" {
		t.Error(carol, diff)
	}
	id, err := identity.Lookup(t.Context(), e.Resolver(), "carol.test")
	if err != nil || id.DID != carol.DID || id.Handle != "carol.test" || id.PDS != e.PDS {
		t.Errorf("%+v, %v", id, err)
	}
	if _, err := identity.Lookup(t.Context(), e.Resolver(), "nobody.test"); !errors.Is(err, identity.ErrNotFound) {
		t.Errorf("unknown handle: %v", err)
	}
	if _, err := e.Resolver().ResolveDID(t.Context(), "did:plc:zzzzzzzzzzzzzzzzzzzzzzzz"); !errors.Is(err, identity.ErrNotFound) {
		t.Errorf("unknown DID: %v", err)
	}
	srv.SetDIDDocument(carol.DID, []byte(`{"id":"did:plc:other"}`))
	if _, err := e.Resolver().ResolveDID(t.Context(), carol.DID); !errors.Is(err, identity.ErrInvalidDocument) {
		t.Errorf("P29 a document of another: %v", err)
	}
	srv.SetDIDDocument(carol.DID, nil)
	if _, err := e.Resolver().ResolveDID(t.Context(), carol.DID); err != nil {
		t.Error(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("an unknown account does not panic")
		}
	}()
	e.Account("nobody")
}

func TestEnvironmentKnowsNoOtherNames(t *testing.T) {
	srv := oauthtest.NewServer()
	t.Cleanup(srv.Close)
	hc := &http.Client{Transport: srv.Environment().Transport()}
	for _, target := range []string{"https://example.com/", "https://pds.test:8443/", "https://127.0.0.1/"} {
		_, err := hc.Get(target)
		if dns, ok := errors.AsType[*net.DNSError](err); !ok || !dns.IsNotFound {
			t.Errorf("%s: %v", target, err)
		}
	}
	for _, http2 := range []bool{true, false} {
		transport := srv.Environment().Transport()
		transport.ForceAttemptHTTP2 = http2
		resp, err := (&http.Client{Transport: transport}).Get("https://pds.test/xrpc/com.atproto.server.describeServer")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if (resp.ProtoMajor == 2) != http2 {
			t.Errorf("HTTP/2 wanted: %t, got %s", http2, resp.Proto)
		}
	}
}

func TestPublish(t *testing.T) {
	g := newRig(t, oauthtest.WithDocument("https://app.sandbox-client.net/a.json", []byte(`{"a":1}`)))
	if a := g.request("GET", "https://app.sandbox-client.net/a.json", nil, nil); a.status != 200 || a.text != `{"a":1}` {
		t.Errorf("%d %s", a.status, a.text)
	}
	g.srv.Publish(issuer+"/.well-known/oauth-protected-resource", []byte(`{"resource":"https://evil.test"}`))
	if a := g.request("GET", issuer+"/.well-known/oauth-protected-resource", nil, nil); a.str("resource") != "https://evil.test" {
		t.Error(a.text)
	}
	g.srv.Publish(issuer+"/.well-known/oauth-protected-resource", nil)
	if a := g.request("GET", issuer+"/.well-known/oauth-protected-resource", nil, nil); a.str("resource") != issuer {
		t.Error(a.text)
	}
}

func TestFaults(t *testing.T) {
	for _, http2 := range []bool{true, false} {
		t.Run(fmt.Sprintf("HTTP/2 %t", http2), func(t *testing.T) {
			g := newRig(t)
			transport := g.srv.Environment().Transport()
			transport.ForceAttemptHTTP2 = http2
			g.hc.Transport = transport
			tokens := g.login("atproto transition:generic")
			create := map[string]any{"repo": tokens.str("sub"), "collection": "app.bsky.feed.post", "record": map[string]any{"text": "x", "createdAt": "2026-01-02T03:04:05Z"}}
			count := func() int {
				return len(g.call("GET", "/xrpc/com.atproto.repo.listRecords?collection=app.bsky.feed.post&repo="+tokens.str("sub"), "x", nil).body["records"].([]any))
			}
			attempt := func() error {
				data, _ := json.Marshal(create)
				target := issuer + "/xrpc/com.atproto.repo.createRecord"
				req, _ := http.NewRequestWithContext(t.Context(), "POST", target, io.MultiReader(strings.NewReader(string(data))))
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("Authorization", "DPoP "+tokens.str("access_token"))
				req.Header.Set("DPoP", g.proof("POST", target, tokens.str("access_token")))
				resp, err := g.hc.Do(req)
				if err == nil {
					resp.Body.Close()
				}
				return err
			}
			g.srv.Fault("/xrpc/com.atproto.repo.createRecord", oauthtest.Fault{Refuse: true})
			if err := attempt(); err == nil || count() != 0 {
				t.Errorf("refused: %v, %d records", err, count())
			}
			g.srv.Fault("/xrpc/com.atproto.repo.createRecord", oauthtest.Fault{Drop: true})
			if err := attempt(); err == nil || count() != 1 {
				t.Errorf("O83 dropped: %v, %d records", err, count())
			}
			g.srv.ResetStats()
			g.srv.Fault("/xrpc/", oauthtest.Fault{Status: 503, Times: 2, Header: http.Header{"Retry-After": {"7"}}, Body: `{"error":"Busy"}`})
			for range 2 {
				a := g.call("GET", getSession, tokens.str("access_token"), nil)
				want(t, a, 503, "Busy")
				if a.header.Get("Retry-After") != "7" {
					t.Error("no Retry-After")
				}
			}
			want(t, g.call("GET", getSession, tokens.str("access_token"), nil), 200, "")
			if n := g.srv.Stats().Requests[getSession]; n != 3 {
				t.Errorf("%d requests counted, not 3", n)
			}
			g.srv.Fault("/oauth", oauthtest.Fault{Status: 500, Times: -1})
			for range 3 {
				want(t, g.refresh(tokens.str("refresh_token")), 500, "")
			}
			g.srv.ClearFaults()
			g.srv.Fault("/oauth/token", oauthtest.Fault{Delay: time.Millisecond})
			want(t, g.refresh(tokens.str("refresh_token")), 200, "")
		})
	}
}

func TestClose(t *testing.T) {
	srv := oauthtest.NewServer()
	hc := &http.Client{Transport: srv.Environment().Transport()}
	srv.Fault("/xrpc/", oauthtest.Fault{Delay: time.Hour})
	failed := make(chan error, 1)
	go func() {
		_, err := hc.Get("https://pds.test/xrpc/com.atproto.server.describeServer")
		failed <- err
	}()
	for srv.Stats().Requests["/xrpc/com.atproto.server.describeServer"] == 0 {
		runtime.Gosched() // until the request is held back
	}
	srv.Close()
	srv.Close() // a second one does nothing
	if err := <-failed; err == nil {
		t.Error("a request that was held back got an answer")
	}
	if _, err := hc.Get("https://pds.test/xrpc/com.atproto.server.describeServer"); err == nil {
		t.Error("the server still answers")
	}
}

func TestApproveHonoursItsContext(t *testing.T) {
	g := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.srv.Approve(ctx, g.loginURL(), g.srv.Environment().Account("alice")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestRecords(t *testing.T) {
	g := newRig(t)
	tokens := g.login("atproto transition:generic transition:email")
	access, did := tokens.str("access_token"), tokens.str("sub")
	const collection = "app.bsky.feed.post"
	post := func(method string, body map[string]any) *answer {
		t.Helper()
		if body["repo"] == nil {
			body["repo"] = did
		}
		return g.call("POST", "/xrpc/com.atproto.repo."+method, access, body)
	}
	get := func(method string, params ...string) *answer {
		t.Helper()
		q := url.Values{"repo": {did}, "collection": {collection}}
		for i := 0; i < len(params); i += 2 {
			q.Set(params[i], params[i+1])
		}
		return g.request("GET", issuer+"/xrpc/com.atproto.repo."+method+"?"+q.Encode(), nil, nil)
	}
	note := func(text string) map[string]any {
		return map[string]any{"text": text, "createdAt": "2026-01-02T03:04:05Z", "big": json.Number("9007199254740991")}
	}

	t.Run("getSession", func(t *testing.T) {
		a := g.call("GET", getSession, access, nil)
		if a.str("did") != did || a.str("handle") != "alice.test" || a.str("email") == "" {
			t.Error(a.text)
		}
	})
	created := post("createRecord", map[string]any{"collection": collection, "record": note("one")})
	want(t, created, 200, "")
	uri, err := syntax.ParseATURI(created.str("uri"))
	if err != nil {
		t.Fatal(err)
	}
	rkey := string(uri.RecordKey())
	if _, err := syntax.ParseTID(rkey); err != nil {
		t.Error(err)
	}
	if _, err := syntax.ParseCID(created.str("cid")); err != nil {
		t.Error(err)
	}
	t.Run("getRecord", func(t *testing.T) {
		a := get("getRecord", "rkey", rkey)
		want(t, a, 200, "")
		if a.str("cid") != created.str("cid") || !strings.Contains(a.text, "9007199254740991") || !strings.Contains(a.text, `"$type":"app.bsky.feed.post"`) {
			t.Error(a.text)
		}
		want(t, get("getRecord", "rkey", "none"), 400, "RecordNotFound")
		want(t, get("getRecord", "rkey", rkey, "repo", "nobody.test"), 400, "InvalidRequest")
	})
	t.Run("putRecord with swap", func(t *testing.T) {
		text := "two"
		put := func(swap any) *answer {
			return post("putRecord", map[string]any{"collection": collection, "rkey": rkey, "record": note(text), "swapRecord": swap})
		}
		want(t, put("bafyreiaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), 400, "InvalidSwap")
		want(t, put(nil), 400, "InvalidSwap")
		updated := put(created.str("cid"))
		want(t, updated, 200, "")
		if updated.str("cid") == created.str("cid") {
			t.Error("the CID did not change")
		}
		same := put(created.str("cid")) // as with the reference, which then looks at no swap
		want(t, same, 200, "")
		if same.str("cid") != updated.str("cid") || strings.Contains(same.text, "commit") {
			t.Errorf("what is there already: %s", same.text)
		}
		text = "three"
		want(t, put(created.str("cid")), 400, "InvalidSwap")
	})
	t.Run("createRecord refuses", func(t *testing.T) {
		want(t, post("createRecord", map[string]any{"collection": "x", "record": note("")}), 400, "InvalidRequest")
		want(t, post("createRecord", map[string]any{"collection": collection, "rkey": "a/b", "record": note("")}), 400, "InvalidRequest")
		want(t, post("createRecord", map[string]any{"collection": collection}), 400, "InvalidRequest")
		want(t, post("createRecord", map[string]any{"collection": collection, "record": map[string]any{"$type": "a.b.c"}}), 400, "InvalidRequest")
		want(t, post("createRecord", map[string]any{"collection": collection, "record": note(""), "swapCommit": "other"}), 400, "InvalidSwap")
		want(t, post("createRecord", map[string]any{"collection": collection, "record": note(""), "repo": "bob.test"}), 401, "AuthenticationRequired")
		want(t, g.call("GET", "/xrpc/com.atproto.repo.createRecord", access, nil), 405, "InvalidRequest")
		want(t, g.call("POST", "/xrpc/com.example.unknown", access, nil), 501, "MethodNotImplemented")
	})
	t.Run("listRecords pages both ways", func(t *testing.T) {
		for i := range 4 {
			want(t, post("createRecord", map[string]any{"collection": "com.example.note", "rkey": fmt.Sprint("k", i), "record": note("")}), 200, "")
		}
		for _, tt := range []struct{ reverse, want string }{{"false", "k3 k2|k1 k0|"}, {"true", "k0 k1|k2 k3|"}} {
			var pages []string
			cursor := ""
			for {
				a := get("listRecords", "collection", "com.example.note", "limit", "2", "reverse", tt.reverse, "cursor", cursor)
				want(t, a, 200, "")
				var keys []string
				for _, r := range a.body["records"].([]any) {
					uri := r.(map[string]any)["uri"].(string)
					keys = append(keys, uri[strings.LastIndex(uri, "/")+1:])
				}
				pages = append(pages, strings.Join(keys, " "))
				if cursor = a.str("cursor"); cursor == "" {
					break
				}
			}
			if diff := cmp.Diff(tt.want, strings.Join(pages, "|")); diff != "" {
				t.Error(diff)
			}
		}
		want(t, get("listRecords", "limit", "101"), 400, "InvalidRequest")
	})
	t.Run("applyWrites is all or nothing", func(t *testing.T) {
		write := func(action, key string) map[string]any {
			return map[string]any{"$type": "com.atproto.repo.applyWrites#" + action, "collection": "com.example.batch", "rkey": key, "value": note(key)}
		}
		all := func() int { return len(get("listRecords", "collection", "com.example.batch").body["records"].([]any)) }
		want(t, post("applyWrites", map[string]any{"writes": []any{write("create", "a"), write("update", "none")}}), 400, "InvalidRequest")
		if n := all(); n != 0 {
			t.Errorf("%d records of a refused batch", n)
		}
		a := post("applyWrites", map[string]any{"writes": []any{write("create", "a"), write("create", "b"), write("update", "a"), write("delete", "b")}})
		want(t, a, 200, "")
		if n := all(); n != 1 || len(a.body["results"].([]any)) != 4 {
			t.Errorf("%d records, %s", n, a.text)
		}
	})
	t.Run("deleteRecord", func(t *testing.T) {
		want(t, post("deleteRecord", map[string]any{"collection": collection, "rkey": rkey}), 200, "")
		want(t, get("getRecord", "rkey", rkey), 400, "RecordNotFound")
	})
}

func TestScopes(t *testing.T) {
	g := newRig(t)
	create := func(access, collection string) *answer {
		return g.call("POST", "/xrpc/com.atproto.repo.createRecord", access,
			map[string]any{"repo": "alice.test", "collection": collection, "record": map[string]any{"text": "", "createdAt": "2026-01-02T03:04:05Z"}})
	}
	plain := g.login("atproto").str("access_token")
	want(t, create(plain, "app.bsky.feed.post"), 403, "ScopeMissingError")
	want(t, g.call("POST", "/xrpc/com.atproto.repo.uploadBlob", plain, []byte("x")), 403, "ScopeMissingError")
	if a := g.call("GET", getSession, plain, nil); a.status != 200 || a.str("email") != "" {
		t.Errorf("%d %s", a.status, a.text)
	}
	granular := g.login("atproto repo:app.bsky.feed.post?action=create").str("access_token")
	created := create(granular, "app.bsky.feed.post")
	want(t, created, 200, "")
	want(t, create(granular, "app.bsky.feed.like"), 403, "ScopeMissingError")
	uri := syntax.ATURI(created.str("uri"))
	want(t, g.call("POST", "/xrpc/com.atproto.repo.deleteRecord", granular,
		map[string]any{"repo": "alice.test", "collection": "app.bsky.feed.post", "rkey": uri.RecordKey()}), 403, "ScopeMissingError")
}

func TestBlobs(t *testing.T) {
	g := newRig(t)
	tokens := g.login("atproto transition:generic")
	access, did := tokens.str("access_token"), tokens.str("sub")
	data := []byte(strings.Repeat("blob", 300_000))
	up := g.call("POST", "/xrpc/com.atproto.repo.uploadBlob", access, data)
	want(t, up, 200, "")
	blob := up.body["blob"].(map[string]any)
	link := blob["ref"].(map[string]any)["$link"].(string)
	sum := sha256.Sum256(data)
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(link[1:]))
	if err != nil || link[0] != 'b' || string(raw) != "\x01\x55\x12\x20"+string(sum[:]) {
		t.Errorf("the CID %s is not that of the data", link)
	}
	if blob["size"] != float64(len(data)) || blob["mimeType"] != "image/png" {
		t.Error(up.text)
	}
	get := func() *answer {
		return g.request("GET", issuer+"/xrpc/com.atproto.sync.getBlob?did="+url.QueryEscape(did)+"&cid="+link, nil, nil)
	}
	want(t, get(), 400, "InvalidRequest") // nothing refers to it
	record := func(ref string) map[string]any {
		return map[string]any{"repo": did, "collection": "com.example.file", "record": map[string]any{
			"files": []any{map[string]any{"$type": "blob", "ref": map[string]any{"$link": ref}, "mimeType": "image/png", "size": len(data)}}}}
	}
	want(t, g.call("POST", "/xrpc/com.atproto.repo.createRecord", access, record("bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity")), 400, "BlobNotFound")
	want(t, g.call("POST", "/xrpc/com.atproto.repo.createRecord", access, record(link)), 200, "")
	if a := get(); a.status != 200 || a.text != string(data) || a.header.Get("Content-Type") != "image/png" {
		t.Errorf("got %d, %d bytes, %s", a.status, len(a.text), a.header.Get("Content-Type"))
	}
	want(t, g.call("POST", "/xrpc/com.atproto.repo.uploadBlob", access, make([]byte, 5<<20+1)), 413, "PayloadTooLarge")
}

func TestPermissionSetsAreChecked(t *testing.T) {
	for name, publish := range map[string]func(document []byte){
		"WithPermissionSet":    func(document []byte) { newRig(t, oauthtest.WithPermissionSet(document)) },
		"PublishPermissionSet": newRig(t).srv.PublishPermissionSet,
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("a record was taken for a permission set")
				}
			}()
			publish([]byte(`{"lexicon":1,"id":"com.example.note","defs":{"main":{"type":"record"}}}`))
		})
	}
}
