package scenario

import (
	"bytes"
	cryptorand "crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

const (
	redirectURI = "http://127.0.0.1:8765/callback"
	scope       = "atproto transition:generic"
)

// Run runs all scenarios on b in order: first one session from login to logout, then the failures.
func Run(t *testing.T, b Backend) {
	t.Run("FirstLight", func(t *testing.T) { firstLight(t, b) })
	t.Run("Session", func(t *testing.T) { session(t, b) })
	t.Run("BadInput", func(t *testing.T) { badInput(t, b) })
	t.Run("StoreFaults", func(t *testing.T) { storeFaults(t, b) })
	t.Run("Scopes", func(t *testing.T) { scopes(t, b) })
	t.Run("AppPassword", func(t *testing.T) { appPassword(t, b) })
	t.Run("Refusals", func(t *testing.T) { refusals(t, b) })
	t.Run("Posts", func(t *testing.T) { posts(t, b) })
	t.Run("Records", func(t *testing.T) { recordsOf(t, b) })
}

// NewClient returns an OAuth client in the backend's environment. Each client has its own
// connections and its own store.
func NewClient(tb testing.TB, b Backend, change ...func(*oauth.Config)) *oauth.Client {
	tb.Helper()
	cfg := oauth.Localhost(redirectURI, scope)
	b.Environment().Configure(&cfg)
	for _, c := range change {
		c(&cfg)
	}
	client, err := oauth.NewClient(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return client
}

// Login logs account in.
func Login(tb testing.TB, b Backend, client *oauth.Client, account oauthtest.Account) *oauth.Session {
	tb.Helper()
	ctx := tb.Context()
	login, err := client.Authorize(ctx, string(account.Handle))
	if err != nil {
		tb.Fatal(err)
	}
	callback, err := b.Approve(ctx, login.URL, account)
	if err != nil {
		tb.Fatal(err)
	}
	result, err := client.Callback(ctx, callback.Query(), login.Binding)
	if err != nil {
		tb.Fatal(err)
	}
	return result.Session
}

// firstLight tests one session from login to logout; each step is a subtest.
func firstLight(t *testing.T, b Backend) {
	ctx := t.Context()
	env := b.Environment()
	alice := env.Account("alice")
	client := NewClient(t, b)

	var login *oauth.Login
	var callback *url.URL
	var session *oauth.Session
	var api *comatproto.Client
	var posted *comatproto.RepoCreateRecordOutput
	text := "first light " + cryptorand.Text()

	step := func(name string, f func(t *testing.T)) {
		if !t.Run(name, f) {
			t.FailNow() // the next steps need it
		}
	}
	step("O56 PAR", func(t *testing.T) {
		var err error
		if login, err = client.Authorize(ctx, "@"+string(alice.Handle), oauth.WithAppState("back to page 7")); err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(login.URL)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for name := range u.Query() {
			names = append(names, name)
		}
		if len(names) != 2 || !u.Query().Has("client_id") || !u.Query().Has("request_uri") || !strings.HasPrefix(login.URL, env.Issuer) {
			t.Errorf("the URL is %s", login.URL)
		}
	})
	step("Consent", func(t *testing.T) {
		var err error
		if callback, err = b.Approve(ctx, login.URL, alice); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(callback.String(), redirectURI+"?") {
			t.Errorf("sent back to %s", callback)
		}
	})
	step("O73 Callback", func(t *testing.T) {
		result, err := client.Callback(ctx, callback.Query(), login.Binding)
		if err != nil {
			t.Fatal(err)
		}
		session = result.Session
		got := []string{string(session.DID()), string(session.Handle()), session.Host(), session.Scope(), result.AppState}
		want := []string{string(alice.DID), string(alice.Handle), env.PDS, scope, "back to page 7"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("session (-want +got):\n%s", diff)
		}
		if session.Expired() {
			t.Errorf("a new session expired at %s", session.ExpiresAt())
		}
		api = comatproto.NewClient(session)
	})
	step("O94 O95 GetSession", func(t *testing.T) {
		out, err := api.Server.GetSession(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if out.DID != alice.DID || out.Handle != alice.Handle {
			t.Errorf("logged in as %s, %s", out.DID, out.Handle)
		}
	})
	step("CreateRecord", func(t *testing.T) {
		var err error
		posted, err = api.Repo.CreateRecord(ctx, &comatproto.RepoCreateRecordInput{
			Repo:       syntax.AtIdentifier(alice.DID),
			Collection: appbsky.FeedPostNSID,
			Record: lex.Of(&appbsky.FeedPost{
				Text:      text,
				CreatedAt: syntax.Now(),
				Langs:     []syntax.Language{"en"},
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(posted.URI), "at://"+string(alice.DID)+"/"+appbsky.FeedPostNSID+"/") || posted.CID == "" {
			t.Errorf("created %s, %s", posted.URI, posted.CID)
		}
	})
	step("ListRecords", func(t *testing.T) {
		var found bool
		for record, err := range api.Repo.ListRecordsAll(ctx, &comatproto.RepoListRecordsParams{
			Repo: syntax.AtIdentifier(alice.DID), Collection: appbsky.FeedPostNSID, Limit: new(int64(1)),
		}) {
			if err != nil {
				t.Fatal(err)
			}
			var post appbsky.FeedPost
			if err := record.Value.As(&post); err != nil {
				t.Fatal(err)
			}
			if record.URI == posted.URI {
				found = post.Text == text && record.CID == posted.CID
			}
		}
		if !found {
			t.Error("the record is not listed as it was created")
		}
	})
	step("P15 O99 Blob1MB", func(t *testing.T) { blob(t, session, 1<<20) })
	step("O102 Raw", func(t *testing.T) { raw(t, session) })
	step("P1 O105 ExpiryRefresh", func(t *testing.T) { expiry(t, b, session) })
	step("O115 P11 LogoutIsDead", func(t *testing.T) { logout(t, b) })
}

// blob uploads n bytes, refers to them in a record, and downloads them.
func blob(t *testing.T, session *oauth.Session, n int) {
	ctx := t.Context()
	api := comatproto.NewClient(session)
	data := make([]byte, n)
	chacha := rand.NewChaCha8([32]byte{1})
	chacha.Read(data)
	for name, body := range map[string]*xrpc.Body{
		"bytes":  xrpc.BytesBody(data, "image/jpeg"),
		"stream": xrpc.StreamBody(bytes.NewReader(data), int64(n), "image/jpeg"), // O99, P15
	} {
		uploaded, err := api.Repo.UploadBlob(ctx, body)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if uploaded.Blob.Size != int64(n) || uploaded.Blob.MimeType != "image/jpeg" {
			t.Fatalf("%s: uploaded %d bytes of %s", name, uploaded.Blob.Size, uploaded.Blob.MimeType)
		}
		_, err = api.Repo.CreateRecord(ctx, &comatproto.RepoCreateRecordInput{
			Repo:       syntax.AtIdentifier(session.DID()),
			Collection: appbsky.FeedPostNSID,
			Record: lex.Of(&appbsky.FeedPost{
				Text:      "with a picture",
				CreatedAt: syntax.Now(),
				Embed: appbsky.NewFeedPostEmbedUnion(&appbsky.EmbedImages{
					Images: []appbsky.EmbedImagesImage{{Image: uploaded.Blob, Alt: name}},
				}),
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		download, err := api.Sync.GetBlob(ctx, &comatproto.SyncGetBlobParams{DID: session.DID(), CID: syntax.CID(uploaded.Blob.Ref)})
		if err != nil {
			t.Fatal(err)
		}
		back, err := io.ReadAll(download)
		download.Close()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(back, data) {
			t.Errorf("%s: %d bytes came back, and not those that were sent", name, len(back))
		}
	}
}

// raw tests the raw requests.
func raw(t *testing.T, session *oauth.Session) {
	ctx := t.Context()
	did := func(resp *http.Response, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var out struct {
			DID  string `json:"did"`
			Blob struct {
				Size int `json:"size"`
			} `json:"blob"`
		}
		if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusOK {
			t.Errorf("HTTP %d", resp.StatusCode)
		}
		if out.Blob.Size != 0 {
			return "blob"
		}
		return out.DID
	}
	const path = "/xrpc/com.atproto.server.getSession"
	want := string(session.DID())
	if got := did(session.AuthenticatedRequest(ctx, "GET", path, nil)); got != want {
		t.Errorf("AuthenticatedRequest by path: %q", got)
	}
	if got := did(session.AuthenticatedRequest(ctx, "GET", session.Host()+path, nil)); got != want {
		t.Errorf("AuthenticatedRequest by URL: %q", got)
	}
	if got := did(session.HTTPClient().Get(session.Host() + path)); got != want {
		t.Errorf("HTTPClient: %q", got)
	}
	for name, body := range map[string]io.Reader{
		"one that can be read again": strings.NewReader("some text"),
		"one that can not":           io.MultiReader(strings.NewReader("some text")),
	} {
		if got := did(session.AuthenticatedRawRequest(ctx, "POST", "/xrpc/com.atproto.repo.uploadBlob", body, "text/plain")); got != "blob" {
			t.Errorf("AuthenticatedRawRequest with %s: %q", name, got)
		}
	}
	created, err := session.AuthenticatedRequest(ctx, "POST", "/xrpc/com.atproto.repo.createRecord", map[string]any{
		"repo": want, "collection": appbsky.FeedPostNSID,
		"record": map[string]any{"$type": appbsky.FeedPostNSID, "text": "raw", "createdAt": syntax.Now()},
	})
	if err != nil {
		t.Fatal(err)
	}
	created.Body.Close()
	if created.StatusCode != http.StatusOK {
		t.Errorf("createRecord: HTTP %d", created.StatusCode)
	}
	for _, elsewhere := range []string{"https://elsewhere.example/xrpc/a.b.c", "http://" + strings.TrimPrefix(session.Host(), "https://") + path, "relative"} {
		if _, err := session.AuthenticatedRequest(ctx, "GET", elsewhere, nil); !errors.Is(err, oauth.ErrOrigin) {
			t.Errorf("O102 a request to %s: %v", elsewhere, err)
		}
	}
}

// expiry lets an access token expire, and makes calls from many goroutines.
func expiry(t *testing.T, b Backend, session *oauth.Session) {
	ctx := t.Context()
	lifetime(t, b, 2*time.Second) // expires_in has whole seconds only, and a new token is used until the server refuses it (P61)
	if err := session.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	lifetime(t, b, time.Hour)
	before, err := b.TokenRequests(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(session.ExpiresAt()); left > 2*time.Second {
		t.Fatalf("the token lives for another %s", left)
	}
	// The server's clock decides, and a token must expire by it, so this is the only wait that
	// cannot be faked. Lifetimes have whole seconds, and a new token is used until the server
	// refuses it (P61).
	time.Sleep(time.Until(session.ExpiresAt()) + time.Second)
	if !session.Expired() {
		t.Error("the session does not know that its token expired")
	}
	api := comatproto.NewClient(session)
	var calls sync.WaitGroup
	for range 20 { // P1
		calls.Go(func() {
			if _, err := api.Server.GetSession(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	after, err := b.TokenRequests(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if n := after["refresh_token"] - before["refresh_token"]; n != 1 {
		t.Errorf("P1 %d refreshes for 20 calls with an expired token, want 1", n)
	}
}

// lifetime sets the lifetime of new tokens.
func lifetime(t *testing.T, b Backend, d time.Duration) {
	t.Helper()
	if err := b.SetTokenLifetime(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

// logout logs a session out and checks that nothing of it works any more.
func logout(t *testing.T, b Backend) {
	ctx := t.Context()
	alice := b.Environment().Account("alice")
	kept, sealing := new(store.Memory), seal.Keys([]byte(cryptorand.Text()+cryptorand.Text()))
	client := NewClient(t, b, func(cfg *oauth.Config) { cfg.Store, cfg.Seal = kept, sealing })
	session := Login(t, b, client, alice)
	api := comatproto.NewClient(session)
	if _, err := api.Server.GetSession(ctx); err != nil {
		t.Fatal(err)
	}
	// This is what a thief of the store would have.
	stolen, err := kept.Get(ctx, store.RecordKey{Kind: store.RecordSession, DID: session.DID(), ID: session.Key().ID})
	if err != nil {
		t.Fatal(err)
	}

	if err := session.Logout(ctx); err != nil {
		t.Fatal(err)
	}
	_, err = api.Server.GetSession(ctx)
	if !errors.Is(err, oauth.ErrLoggedOut) || !errors.Is(err, oauth.ErrReauthRequired) {
		t.Errorf("a call after the logout: %v", err)
	}
	if err := session.Refresh(ctx); !errors.Is(err, oauth.ErrLoggedOut) {
		t.Errorf("a refresh after the logout: %v", err)
	}
	if _, err := client.Resume(ctx, session.Key()); !errors.Is(err, oauth.ErrSessionUnknown) {
		t.Errorf("a resume after the logout: %v", err)
	}

	// The server answers every revocation with 200. So use the tokens: the access token must be
	// refused, and then the refresh token.
	copied := new(store.Memory)
	if err := copied.Put(ctx, stolen); err != nil {
		t.Fatal(err)
	}
	thief, err := NewClient(t, b, func(cfg *oauth.Config) { cfg.Store, cfg.Seal = copied, sealing }).Resume(ctx, session.Key())
	if err != nil {
		t.Fatal(err)
	}
	if thief.Expired() {
		t.Fatal("the access token ran out by itself; this proves nothing")
	}
	before, err := b.TokenRequests(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := comatproto.NewClient(thief).Server.GetSession(ctx); !errors.Is(err, oauth.ErrRevoked) {
		t.Errorf("the tokens after the logout: %v", err)
	}
	after, err := b.TokenRequests(ctx)
	if err != nil {
		t.Fatal(err)
	}
	// One refresh was tried, so the access token was refused first.
	if n := after["refresh_token"] - before["refresh_token"]; n != 1 {
		t.Errorf("the refresh token was used %d times, want 1", n)
	}

	// Another session of the account continues (P11).
	other := Login(t, b, client, alice)
	if _, err := comatproto.NewClient(other).Server.GetSession(ctx); err != nil {
		t.Errorf("another session: %v", err)
	}
}
