package oauth_test

import (
	"bytes"
	"crypto/elliptic"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"math/big"
	"net/http"
	"net/url"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/oauth/store/sqlstore"
	"github.com/gimucco/atproto-go/serviceauth"
	"github.com/gimucco/atproto-go/xrpc"
)

// exportedStructs returns the structs that a package exports, "oauth.Config".
func exportedStructs(t *testing.T, dir, name string) (found []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			general, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range general.Specs {
				if ts, ok := spec.(*ast.TypeSpec); ok && ts.Name.IsExported() && ts.TypeParams == nil {
					if _, isStruct := ts.Type.(*ast.StructType); isStruct || ts.Name.Name == "Seal" {
						found = append(found, name+"."+ts.Name.Name)
					}
				}
			}
		}
	}
	return found
}

// waysOut are all the ways in which a value ends in a text that people read.
func waysOut(v any) map[string]string {
	out := make(map[string]string)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		out[verb] = fmt.Sprintf(verb, v)
	}
	if encoded, err := json.Marshal(v); err == nil {
		out["encoding/json"] = string(encoded)
	} else {
		out["encoding/json"] = err.Error()
	}
	var text bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("x", "v", v)
	slog.New(slog.NewTextHandler(&text, nil)).Info("x", slog.Group("g", "v", v))
	out["slog as text"] = text.String()
	text.Reset()
	slog.New(slog.NewJSONHandler(&text, nil)).Info("x", "v", v)
	out["slog as JSON"] = text.String()
	return out
}

// unexported is a place in which fmt calls no method of a value. What is behind a pointer is safe there from
// the verbs that print any value; a Login or ImportedSession that was copied is not, and neither is anything from %s and %q.
const unexported = "in an unexported field"

// packed is a value in things of other people.
func packed(v any) map[string]any {
	value := reflect.ValueOf(v)
	slice := reflect.MakeSlice(reflect.SliceOf(value.Type()), 0, 1)
	slice = reflect.Append(slice, value)
	table := reflect.MakeMap(reflect.MapOf(reflect.TypeFor[string](), value.Type()))
	table.SetMapIndex(reflect.ValueOf("k"), value)
	pointer := reflect.New(value.Type())
	pointer.Elem().Set(value)
	foreign := reflect.New(reflect.StructOf([]reflect.StructField{{Name: "Theirs", Type: value.Type()}})).Elem()
	foreign.Field(0).Set(value)
	return map[string]any{
		"itself": v, "in a slice": slice.Interface(), "in a map": table.Interface(), "behind a pointer": pointer.Interface(),
		"in a struct": foreign.Interface(), "behind any": struct{ Any any }{v}, unexported: struct{ it any }{v}, "in an error": fmt.Errorf("x: %v", v),
	}
}

// Every exported struct that can hold a secret is filled with some and written in every way.
func TestNoTypeTellsASecret(t *testing.T) {
	secrets := make(map[string]string) // what they are, by what they look like
	note := func(what, value string) {
		if value == "" {
			t.Fatalf("no %s", what)
		}
		secrets[value], secrets[hex.EncodeToString([]byte(value))] = what, what+" in hex"
		secrets[base64.StdEncoding.EncodeToString([]byte(value))] = what + " in base64"
		var decimal []string
		for _, b := range []byte(value)[:min(len(value), 8)] {
			decimal = append(decimal, fmt.Sprint(b))
		}
		secrets[strings.Join(decimal, " ")] = what + " in decimal"
	}
	const passphrase, proxyPassword, sealKey, nonce = "correct horse battery staple", "hunter2-of-the-proxy", "0123456789abcdefghijklmnopqrstuv", "nonce-of-a-server"
	note("passphrase", passphrase)
	note("password", proxyPassword)
	note("sealing key", sealKey)
	note("nonce", nonce)
	key := newKey(t, elliptic.P256())
	d, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{base64.RawURLEncoding.EncodeToString(d), new(big.Int).SetBytes(d).String(), hex.EncodeToString(d)} {
		secrets[form] = "client key"
	}
	server, kept := sandbox(t), new(store.Memory)
	var configured oauth.Config
	imported := oauth.ImportedSession{DID: server.Environment().Account("alice").DID, Key: key}
	client := confidential(t, server, []oauth.ClientKey{{ID: "k", Signer: key}}, func(cfg *oauth.Config) {
		cfg.Store, cfg.Seal = kept, seal.Plaintext()
		configured = *cfg
	}, granting(func(m map[string]any) {
		note("access token", m["access_token"].(string))
		note("refresh token", m["refresh_token"].(string))
		imported.AccessToken, imported.RefreshToken = m["access_token"].(string), m["refresh_token"].(string)
	}))
	login, query := approved(t, server, client)
	note("binding", login.Binding)
	result, err := client.Callback(t.Context(), query, login.Binding)
	if err != nil {
		t.Fatal(err)
	}
	var record store.Record
	for id, err := range kept.List(t.Context(), store.RecordSession, "") {
		if err != nil {
			t.Fatal(err)
		}
		r, err := kept.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		record = *r
	}
	if !bytes.Contains(record.Data, []byte("refresh")) {
		t.Fatal("the record is not in plaintext")
	}
	proxy := &url.URL{Scheme: "http", Host: "proxy.test", User: url.UserPassword("me", proxyPassword)}
	configured.Proxy, configured.Seal = proxy, seal.Passphrase(passphrase)
	_, failed := result.Session.AuthenticatedRequest(t.Context(), "GET", "https://elsewhere.test/", nil)
	var info xrpc.ResponseInfo
	server.Fault(callPath, oauthtest.Fault{Status: 400, Body: `{"error":"InvalidRequest"}`, Header: http.Header{"Dpop-Nonce": {nonce}}})
	_, refused := comatproto.NewClient(result.Session).Server.GetSession(t.Context(), xrpc.WithResponse(&info))
	if refused == nil || info.Status != 400 {
		t.Fatalf("got %v", refused)
	}

	database, err := sql.Open("sqlite", "file:x?mode=memory&password="+proxyPassword)
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close()
	serviceKey, err := serviceauth.NewKey(key)
	if err != nil {
		t.Fatal(err)
	}

	instances := map[string][]any{
		"oauth.Client": {client}, "oauth.Config": {configured}, "oauth.ClientKey": {oauth.ClientKey{ID: "k", Signer: key}},
		"oauth.Error": {failed}, "oauth.Login": {login, *login}, "oauth.CallbackResult": {result, *result},
		"oauth.Session": {result.Session}, "oauth.SessionKey": {result.Session.Key()}, "oauth.Web": {oauth.Web{Client: client}, &oauth.Web{Client: client}},
		"oauth.ImportedSession": {imported, &imported},
		"seal.Seal":             {seal.Passphrase(passphrase), *seal.Passphrase(passphrase), seal.Keys([]byte(sealKey)), seal.Keys([]byte(sealKey)).AlsoOpening(seal.Passphrase(passphrase))},
		"store.Memory":          {kept}, "store.Record": {&record},
		"identity.Config": {identity.Config{Proxy: proxy}}, "identity.NetworkResolver": {identity.NewResolver(identity.Config{Proxy: proxy})},
		"sqlstore.Store": {sqlstore.New(database, sqlstore.SQLite)}, "serviceauth.Key": {serviceKey},
		"xrpc.ClientConfig": {xrpc.ClientConfig{Proxy: proxy}}, "xrpc.ResponseInfo": {info, &info}, "xrpc.Error": {refused},
	}
	// These hold what is said in public, or what the caller gave them; a serviceauth.Doer has a test of its own.
	for name := range strings.FieldsSeq(`oauth.Stats oauth.ClientInfo oauth.Discovery oauth.SessionDetails oauth.XRPCMethod store.RecordKey
		identity.CacheConfig identity.Cache identity.Static identity.Document identity.VerificationMethod identity.Service identity.Error identity.Identity
		identity.PublicKey identity.ServiceRef identity.Endpoint
		identity.ServiceResolver identity.Typed identity.InputError
		xrpc.Body xrpc.Caller xrpc.Challenge xrpc.Client xrpc.Request xrpc.SendError xrpc.Download xrpc.InvalidResponseError
		xrpc.Method xrpc.Input xrpc.Labeler xrpc.Query xrpc.RateLimit xrpc.RetryPolicy xrpc.StreamEvent xrpc.SequenceError
		xrpc.StreamError xrpc.MessageError xrpc.Stream xrpc.ParamError xrpc.QueryDecoder service.Error service.DIDService
		filestore.Store redisstore.Store sqlstore.Migration
		scope.Error scope.RepoPermission scope.RPCPermission scope.BlobPermission scope.AccountPermission scope.IdentityPermission scope.IncludePermission
		scope.PermissionSet scope.Set
		lex.Any lex.BlobLimits lex.Decoder lex.Encoder lex.Error lex.Extra lex.UnknownVariant lex.Unknown lex.Violation lex.ValidationError lex.Validator lex.Blob
		jetstream.Event jetstream.Commit jetstream.Info jetstream.Params records.Batch records.Draft richtext.Builder richtext.Segment
		serviceauth.Doer serviceauth.Error serviceauth.ReplayMemory serviceauth.Wanted serviceauth.Claims serviceauth.Verifier
		video.JobError video.Service video.Options labels.Error labels.Verifier
		repo.Commit repo.Error repo.CommitEvent repo.EventOp repo.Change repo.SyncEvent repo.Operation repo.Record repo.Repository repo.State repo.Builder repo.Write`) {
		instances[name] = append(instances[name], nil)
	}
	for dir, name := range map[string]string{
		".": "oauth", "seal": "seal", "store": "store", "store/filestore": "filestore", "store/sqlstore": "sqlstore", "store/redisstore": "redisstore", "scope": "scope",
		"../identity": "identity", "../xrpc": "xrpc", "../xrpc/lex": "lex", "../xrpc/jetstream": "jetstream", "../xrpc/service": "service", "../serviceauth": "serviceauth", "../video": "video",
		"../records": "records", "../records/richtext": "richtext", "../repo": "repo", "../labels": "labels",
	} {
		for _, name := range exportedStructs(t, dir, name) {
			if len(instances[name]) == 0 {
				t.Errorf("P78 %s: say here whether it can hold a secret", name)
			}
		}
	}
	for name, values := range instances {
		for _, v := range values {
			if v == nil {
				continue
			}
			t.Run("P78 "+name, func(t *testing.T) {
				written := 0
				for place, packed := range packed(v) {
					for way, text := range waysOut(packed) {
						if place == unexported && (isCopy(v) || strings.Contains("%s%q%x%d", way)) {
							continue
						}
						written++
						for secret, what := range secrets {
							if strings.Contains(text, secret) {
								t.Errorf("%s, %s, tells a %s: %.200s", place, way, what, text)
							}
						}
					}
				}
				if written < 60 {
					t.Errorf("written in %d ways only", written)
				}
			})
		}
	}
}

// isCopy reports whether v is a struct with secrets in fields that are text, which package fmt prints
// out of unexported fields without asking.
func isCopy(v any) bool {
	switch v.(type) {
	case oauth.Login, oauth.ImportedSession:
		return true
	}
	return false
}
