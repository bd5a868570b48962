package house

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/loopback"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/oauth/store/storetest"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/service"
)

// What follows are the snippets of docs/testing.md, in its order, so that the compiler reads them
// too. TestSnippetsOfGuidesCompile compares.

func testOneLine(ctx context.Context, server *oauthtest.Server) (*oauth.Session, error) {
	session, err := server.Login(ctx, "alice")
	return session, err
}

func testLogin(t *testing.T) *oauth.Session {
	server := oauthtest.NewServer() // with the accounts alice.test and bob.test
	defer server.Close()
	config := oauth.Localhost("http://127.0.0.1:8080/callback", "atproto transition:generic")
	server.Environment().Configure(&config)
	client, err := oauth.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	login, err := client.Authorize(t.Context(), "alice.test")
	if err != nil {
		t.Fatal(err)
	}
	callback, err := server.Approve(t.Context(), login.URL, server.Environment().Account("alice")) // the user agrees
	if err != nil {
		t.Fatal(err)
	}
	result, err := client.Callback(t.Context(), callback.Query(), login.Binding)
	if err != nil {
		t.Fatal(err)
	}
	session := result.Session
	return session
}

func testCommandLine(t *testing.T, server *oauthtest.Server) (*oauth.Session, error) {
	session, err := loopback.Open(t.Context(), "my-bot", "alice.test",
		loopback.WithDir(t.TempDir()), loopback.WithConfig(server.Environment().Configure),
		loopback.WithBrowser(server.Browser("alice")), loopback.WithOutput(io.Discard))
	return session, err
}

func testPublic(server *oauthtest.Server) (*xrpc.Client, error) {
	environment := server.Environment()
	public, err := xrpc.NewClient(environment.PDS, xrpc.ClientConfig{UnguardedTransport: environment.Transport()})
	return public, err
}

func testAccounts() oauthtest.Account {
	server := oauthtest.NewServer(oauthtest.WithAccounts(
		oauthtest.Account{Handle: "editor.test"},
		oauthtest.Account{Handle: "reader.test", Email: "reader@example.com"},
	))
	defer server.Close()
	editor := server.Environment().Account("editor") // its DID and password were made up
	return editor
}

func otherMethods(server *oauthtest.Server, posts []appbsky.FeedDefsFeedViewPost) {
	service.Handle(server, appbsky.FeedGetTimeline, func(ctx context.Context, params *appbsky.FeedGetTimelineParams) (*appbsky.FeedGetTimelineOutput, error) {
		if oauthtest.Caller(ctx).Handle != "alice.test" {
			return nil, xrpc.ErrUpstreamFailure
		}
		return &appbsky.FeedGetTimelineOutput{Feed: posts}, nil
	})
}

func testFaults(server *oauthtest.Server, session *oauth.Session) {
	server.Fault("/oauth/token", oauthtest.Fault{Drop: true})                        // the answer to a refresh is lost
	server.Fault("/xrpc/", oauthtest.Fault{Times: -1, Status: 503, Body: "down"})    // the server is down until ClearFaults
	server.Fault("/xrpc/app.bsky", oauthtest.Gateway(502))                           // a gateway answers with a page
	server.Fault("/xrpc/com.atproto.repo", oauthtest.Fault{Delay: 30 * time.Second}) // it is slow
	server.RevokeSessions(session.DID())                                             // the user ended the session on the server's page
}

func testClocks(config oauth.Config, server *oauthtest.Server) {
	config.Clock = server.Now
	server.Environment().Configure(&config)

	server.Advance(2 * time.Hour) // the access token has run out: the next call refreshes it
}

func testCounts(t *testing.T, server *oauthtest.Server, session *oauth.Session) {
	server.ResetStats()
	if _, err := comatproto.NewClient(session).Server.GetSession(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := server.Stats().Grants["refresh_token"]; n != 0 {
		t.Errorf("%d refreshes, though the token lives", n)
	}
}

func testStore(t *testing.T, dir string, open func(string) (store.Store, error)) {
	storetest.Run(t, storetest.Backend{
		Open: func(context.Context) (store.Store, error) { return open(dir) },
	})
}

var _ = []any{testOneLine, testLogin, testCommandLine, testPublic, testAccounts, testFaults, testClocks, testCounts, testStore}

// Two of them are whole tests, and run.
func TestTheTestsOfTheGuideLogIn(t *testing.T) {
	if session := testLogin(t); session.Handle() != "alice.test" {
		t.Errorf("%s is logged in", session.Handle())
	}
	server := oauthtest.NewServer()
	defer server.Close()
	session, err := testCommandLine(t, server)
	if err != nil {
		t.Fatal(err)
	}
	otherMethods(server, []appbsky.FeedDefsFeedViewPost{})
	if timeline, err := appbsky.NewClient(session).Feed.GetTimeline(t.Context(), nil); err != nil || len(timeline.Feed) != 0 {
		t.Errorf("%v, %v", timeline, err)
	}
	testCounts(t, server, session)
}
