package oauthtest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/records"
	"github.com/gimucco/atproto-go/repo"
	"github.com/gimucco/atproto-go/serviceauth"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func sandbox(tb testing.TB, opts ...oauthtest.Option) *oauthtest.Server {
	tb.Helper()
	server := oauthtest.NewServer(opts...)
	tb.Cleanup(server.Close)
	return server
}

func ExampleServer_Login() {
	server := oauthtest.NewServer()
	defer server.Close()
	session, err := server.Login(context.Background(), "alice")
	if err != nil {
		fmt.Println(err)
		return
	}
	ref, err := records.Post(context.Background(), session, records.Text("Hello"))
	fmt.Println(strings.HasPrefix(string(ref.URI), "at://"+string(session.DID())), err)
	// Output: true <nil>
}

func TestLogin(t *testing.T) {
	server := sandbox(t)
	t.Run("the session is the account's", func(t *testing.T) {
		session, err := server.Login(t.Context(), "bob")
		if err != nil {
			t.Fatal(err)
		}
		if me, err := comatproto.NewClient(session).Server.GetSession(t.Context()); err != nil || me.Handle != "bob.test" {
			t.Errorf("%v, %v", me, err)
		}
	})
	t.Run("its scope is that of the config", func(t *testing.T) {
		session, err := server.Login(t.Context(), "alice", func(c *oauth.Config) { c.Scope = "atproto" })
		if err != nil || session.Scope() != "atproto" {
			t.Fatalf("%v, %v", session, err)
		}
		if _, err := records.Post(t.Context(), session, records.Text("Hello")); !lacksScope(err) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a config that is none is an error", func(t *testing.T) {
		if _, err := server.Login(t.Context(), "alice", func(c *oauth.Config) { c.ClientID = "no URL" }); !errors.Is(err, oauth.ErrConfig) {
			t.Errorf("got %v", err)
		}
	})
}

func lacksScope(err error) bool {
	_, lacks := oauth.MissingScope(err)
	return lacks
}

func TestApprovePart(t *testing.T) {
	server := sandbox(t)
	config := oauth.Localhost("http://127.0.0.1/callback", "atproto account:email repo:app.bsky.feed.post")
	server.Environment().Configure(&config)
	client, err := oauth.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, agreed, granted string
		err                   bool
	}{
		{"a part", "atproto repo:app.bsky.feed.post", "atproto repo:app.bsky.feed.post", false},
		{"no more than was asked for", "atproto transition:generic", "atproto", false},
		{"without what every session has", "account:email", "", true},
		{"nothing", "", "", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			login, err := client.Authorize(t.Context(), "alice.test")
			if err != nil {
				t.Fatal(err)
			}
			callback, err := server.ApprovePart(t.Context(), login.URL, server.Environment().Account("alice"), tc.agreed)
			if err != nil {
				t.Fatal(err)
			}
			result, err := client.Callback(t.Context(), callback.Query(), login.Binding)
			if tc.err {
				if err == nil {
					t.Error("the login succeeded")
				}
				return
			}
			if err != nil || result.Session.Scope() != tc.granted {
				t.Errorf("%v, %v", result, err)
			}
			if err := result.Session.Refresh(t.Context()); err != nil || result.Session.Scope() != tc.granted {
				t.Errorf("after a refresh: %q, %v", result.Session.Scope(), err)
			}
		})
	}
}

func TestAdvance(t *testing.T) {
	server := sandbox(t)
	session, err := server.Login(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	other, err := server.Login(t.Context(), "bob", func(c *oauth.Config) { c.Clock = nil })
	if err != nil {
		t.Fatal(err)
	}
	server.Advance(2 * time.Hour)
	t.Run("tokens are over, and a client that goes along refreshes", func(t *testing.T) {
		if _, err := comatproto.NewClient(session).Server.GetSession(t.Context()); err != nil {
			t.Fatal(err)
		}
		if refreshes := server.Stats().Grants["refresh_token"]; refreshes == 0 {
			t.Error("there was no refresh")
		}
	})
	t.Run("the proofs of another are too old", func(t *testing.T) {
		if _, err := comatproto.NewClient(other).Server.GetSession(t.Context()); err == nil || !strings.Contains(err.Error(), "too far in the past") {
			t.Errorf("got %v", err)
		}
	})
}

func TestRequestLog(t *testing.T) {
	var out bytes.Buffer
	server := sandbox(t, oauthtest.WithRequestLog(slog.New(slog.NewTextHandler(&out, nil))))
	session, err := server.Login(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	server.Fault("/xrpc/com.atproto.server.getSession", oauthtest.Fault{Status: http.StatusBadGateway, Times: 1})
	server.Fault("/xrpc/com.atproto.server.describeServer", oauthtest.Fault{Drop: true, Times: 1})
	for _, path := range []string{"com.atproto.server.getSession", "com.atproto.server.describeServer"} {
		if resp, err := session.AuthenticatedRequest(t.Context(), "GET", "/xrpc/"+path+"?secret=1", nil); err == nil {
			resp.Body.Close()
		}
	}
	server.Close()
	log := out.String()
	for _, want := range []string{
		"method=POST url=https://pds.test/oauth/par status=", "method=POST url=https://pds.test/oauth/token status=200",
		"url=https://pds.test/xrpc/com.atproto.server.getSession status=502", "url=https://pds.test/xrpc/com.atproto.server.describeServer status=0",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %q:\n%s", want, log)
		}
	}
	if strings.Contains(log, "secret") {
		t.Error("the log has a query")
	}
}

func TestMethodsAreThoseOfTheDocs(t *testing.T) {
	doc := packageDoc(t)
	all := sandbox(t).Methods()
	if len(all) < 20 {
		t.Fatalf("only %d methods", len(all))
	}
	for _, method := range all {
		if !strings.Contains(doc, string(method[strings.LastIndexByte(string(method), '.')+1:])) {
			t.Errorf("doc.go does not name %s", method)
		}
	}
}

func TestDescribeRepo(t *testing.T) {
	srv := sandbox(t)
	session, err := srv.Login(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	api := comatproto.NewClient(session)
	var written []syntax.ATURI
	for _, text := range []string{"one", "two"} {
		ref, err := records.Post(t.Context(), session, records.Text(text))
		if err != nil {
			t.Fatal(err)
		}
		written = append(written, ref.URI)
	}
	describe := func(repo syntax.AtIdentifier) (*comatproto.RepoDescribeRepoOutput, error) {
		return api.Repo.DescribeRepo(t.Context(), &comatproto.RepoDescribeRepoParams{Repo: repo})
	}
	for _, repo := range []syntax.AtIdentifier{"alice.test", syntax.AtIdentifier(session.DID())} {
		out, err := describe(repo)
		if err != nil {
			t.Fatal(err)
		}
		if out.DID != session.DID() || out.Handle != "alice.test" || !out.HandleIsCorrect || out.DIDDoc.IsZero() {
			t.Errorf("got %+v", out)
		}
		if diff := cmp.Diff([]syntax.NSID{"app.bsky.feed.post"}, out.Collections); diff != "" {
			t.Error(diff)
		}
	}
	t.Run("a collection whose records are deleted is none", func(t *testing.T) {
		for _, uri := range written {
			if err := records.Delete(t.Context(), session, uri); err != nil {
				t.Fatal(err)
			}
		}
		if out, err := describe("alice.test"); err != nil || out.Collections == nil || len(out.Collections) > 0 {
			t.Errorf("got %+v, %v", out, err)
		}
	})
	t.Run("a handle that the document does not have", func(t *testing.T) {
		srv.SetDIDDocument(session.DID(), []byte(`{"id":"`+string(session.DID())+`","alsoKnownAs":["at://other.test"]}`))
		defer srv.SetDIDDocument(session.DID(), nil)
		if out, err := describe("alice.test"); err != nil || out.HandleIsCorrect {
			t.Errorf("got %+v, %v", out, err)
		}
	})
	t.Run("of nobody", func(t *testing.T) {
		if _, err := describe("nobody.test"); err == nil || !strings.Contains(err.Error(), "Could not find user: nobody.test") {
			t.Errorf("got %v", err)
		}
	})
}

// What the sandbox gives of its repositories is believed by package repo.
func TestRepositories(t *testing.T) {
	server := sandbox(t)
	session, err := server.Login(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	api, keys := comatproto.NewClient(session), []syntax.RecordKey(nil)
	for i := range 20 {
		ref, err := records.Post(t.Context(), session, records.Text(fmt.Sprint("post ", i)))
		if err != nil {
			t.Fatal(err)
		}
		key := ref.URI[strings.LastIndexByte(string(ref.URI), '/')+1:]
		keys = append(keys, syntax.RecordKey(key))
	}
	uri := func(key syntax.RecordKey) syntax.ATURI {
		return syntax.ATURI("at://" + string(session.DID()) + "/app.bsky.feed.post/" + string(key))
	}
	for _, key := range keys[:5] {
		if err := records.Delete(t.Context(), session, uri(key)); err != nil {
			t.Fatal(err)
		}
	}
	account, err := identity.Lookup(t.Context(), server.Environment().Resolver(), "alice.test")
	if err != nil {
		t.Fatal(err)
	}
	key, err := account.Document.SigningKey()
	if err != nil {
		t.Fatal(err)
	}
	read := func(t *testing.T, download *xrpc.Download, err error) *repo.Repository {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer download.Close()
		r, err := repo.Read(t.Context(), download)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		if err := r.Verify(session.DID(), key); err != nil {
			t.Fatal(err)
		}
		return r
	}

	t.Run("the whole", func(t *testing.T) {
		download, err := api.Sync.GetRepo(t.Context(), &comatproto.SyncGetRepoParams{DID: session.DID()})
		var texts []string
		for record, err := range read(t, download, err).Records() {
			if err != nil {
				t.Fatal(err)
			}
			var post appbsky.FeedPost
			if err := record.As(&post); err != nil {
				t.Fatal(err)
			}
			texts = append(texts, post.Text)
		}
		var want []string
		for i := 5; i < 20; i++ {
			want = append(want, fmt.Sprint("post ", i))
		}
		if diff := cmp.Diff(want, texts); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("the proof of a record, and of there being none", func(t *testing.T) {
		for i, there := range map[int]bool{4: false, 5: true} {
			download, err := api.Sync.GetRecord(t.Context(), &comatproto.SyncGetRecordParams{DID: session.DID(), Collection: appbsky.FeedPostNSID, RKey: keys[i]})
			record, err := read(t, download, err).Get(appbsky.FeedPostNSID, keys[i])
			if there && (err != nil || record == nil) || !there && !errors.Is(err, repo.ErrNotFound) {
				t.Errorf("record %d: %v, %v", i, record, err)
			}
		}
	})
	t.Run("the last commit is that of the repository, everywhere", func(t *testing.T) {
		latest, err := api.Sync.GetLatestCommit(t.Context(), &comatproto.SyncGetLatestCommitParams{DID: session.DID()})
		if err != nil {
			t.Fatal(err)
		}
		download, err := api.Sync.GetRepo(t.Context(), &comatproto.SyncGetRepoParams{DID: session.DID()})
		if r := read(t, download, err); r.Commit().CID != latest.CID || r.Commit().Rev != latest.Rev {
			t.Errorf("%v, and the commit is %v", latest, r.Commit())
		}
		status, err := api.Sync.GetRepoStatus(t.Context(), &comatproto.SyncGetRepoStatusParams{DID: session.DID()})
		if err != nil || status.Rev == nil || *status.Rev != latest.Rev || !status.Active {
			t.Errorf("%v, %v", status, err)
		}
		heads := make(map[syntax.DID]syntax.CID)
		for r, err := range api.Sync.ListReposAll(t.Context(), &comatproto.SyncListReposParams{Limit: new(int64(1))}) {
			if err != nil {
				t.Fatal(err)
			}
			heads[r.DID] = r.Head
		}
		if len(heads) != 2 || heads[session.DID()] != latest.CID {
			t.Errorf("%v", heads)
		}
	})
	t.Run("a repository that there is not", func(t *testing.T) {
		_, err := api.Sync.GetRepo(t.Context(), &comatproto.SyncGetRepoParams{DID: "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"})
		if !errors.Is(err, comatproto.ErrRepoNotFound) {
			t.Errorf("got %v", err)
		}
	})
}

func TestServiceAuth(t *testing.T) {
	const service, method = "did:web:feed.example.com#bsky_fg", "app.bsky.feed.getFeedSkeleton"
	server := sandbox(t)
	verifier := serviceauth.Verifier{Audiences: []string{service}, Resolver: server.Environment().Resolver()}
	session, err := server.Login(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("the token is the account's", func(t *testing.T) {
		text, err := serviceauth.Request(t.Context(), session, serviceauth.Wanted{Audience: service, Method: method})
		if err != nil {
			t.Fatal(err)
		}
		claims, err := verifier.Verify(t.Context(), text, method)
		if err != nil || claims.Issuer != session.DID() {
			t.Errorf("%v, %v", claims, err)
		}
	})
	t.Run("an expiry that is too far away, or over", func(t *testing.T) {
		for _, life := range []time.Duration{2 * time.Hour, -time.Minute} {
			_, err := serviceauth.Request(t.Context(), session, serviceauth.Wanted{Audience: service, Method: method, Expires: time.Now().Add(life)})
			if !errors.Is(err, comatproto.ErrBadExpiration) {
				t.Errorf("%s: %v", life, err)
			}
		}
	})
	t.Run("without the scope there is none", func(t *testing.T) {
		narrow, err := server.Login(t.Context(), "alice", func(c *oauth.Config) { c.Scope = "atproto rpc:app.bsky.feed.getTimeline?aud=*" })
		if err != nil {
			t.Fatal(err)
		}
		_, err = serviceauth.Request(t.Context(), narrow, serviceauth.Wanted{Audience: service, Method: method})
		if !lacksScope(err) {
			t.Errorf("got %v", err)
		}
		if _, err := serviceauth.Request(t.Context(), narrow, serviceauth.Wanted{Audience: service, Method: "app.bsky.feed.getTimeline"}); err != nil {
			t.Errorf("with it: %v", err)
		}
	})
	t.Run("what is no service and no method", func(t *testing.T) {
		for _, query := range []string{"", "?aud=x&lxm=" + method, "?aud=did:web:a.test", "?aud=did:web:a.test&lxm=" + method + "&exp=soon"} {
			resp, err := session.AuthenticatedRequest(t.Context(), "GET", "/xrpc/com.atproto.server.getServiceAuth"+query, nil)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "InvalidRequest") {
				t.Errorf("%s: %d %s", query, resp.StatusCode, body)
			}
		}
	})
}

// packageDoc is the documentation of the package.
func packageDoc(tb testing.TB) string {
	tb.Helper()
	text, err := os.ReadFile("doc.go")
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}
