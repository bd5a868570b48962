package house

import (
	"context"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/loopback"
	"github.com/gimucco/atproto-go/records"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// What follows are the calls of llms.txt, in its order, so that the compiler reads them too.

var _ = []any{
	func(ctx context.Context) (any, error) {
		session, err := loopback.Open(ctx, "my-bot", "alice.example.com") // a command-line program logs in, or resumes
		return session, err
	},
	func(config oauth.Config) (any, error) {
		client, err := oauth.NewClient(config) // config: oauth.Localhost(…) or oauth.Config{…}
		return client, err
	},
	func(client *oauth.Client) any {
		web := &oauth.Web{Client: client} // LoginHandler, CallbackHandler, LogoutHandler, Require
		return web
	},
	func(web *oauth.Web, r *http.Request) (any, error) {
		session, err := web.Session(r) // who is logged in
		return session, err
	},
	func(ctx context.Context, client *oauth.Client, key oauth.SessionKey) (any, error) {
		session, err := client.Resume(ctx, key) // key was session.Key()
		return session, err
	},
	func(ctx context.Context, session *oauth.Session) (any, error) {
		me, err := comatproto.NewClient(session).Server.GetSession(ctx) // a typed method
		return me, err
	},
	func(ctx context.Context, session *oauth.Session) (any, error) {
		ref, err := records.Post(ctx, session, records.Text("Hello").Image("cat.jpg", "A cat."))
		return ref, err
	},
	func(ctx context.Context, session *oauth.Session, uri syntax.ATURI) (any, any, error) {
		post, ref, err := records.Get[appbsky.FeedPost](ctx, session, uri) // read a record into its type
		return post, ref, err
	},
	func(ctx context.Context, session *oauth.Session, name string) (any, error) {
		ref, err := records.Update(ctx, session, "self", func(p *appbsky.ActorProfile) error { p.DisplayName = &name; return nil })
		return ref, err
	},
	func(ctx context.Context, session *oauth.Session) (any, error) {
		resp, err := session.AuthenticatedRequest(ctx, "GET", "/xrpc/com.atproto.server.getSession", nil)
		return resp, err
	},
}

func TestCallsOfTheTextForModelsCompile(t *testing.T) {
	source, err := os.ReadFile("snippets_llms_test.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(readDocument(t, "llms.txt"), -1)
	if len(blocks) != 1 {
		t.Fatalf("llms.txt has %d blocks of code", len(blocks))
	}
	aligned := regexp.MustCompile(` +//`)
	calls := strings.Split(strings.TrimSpace(blocks[0][1]), "\n")
	for _, call := range calls {
		if !strings.Contains(string(source), "\t\t"+aligned.ReplaceAllString(call, " //")+"\n") {
			t.Errorf("this call is not compiled: %s", call)
		}
	}
	if len(calls) != 10 {
		t.Errorf("there are %d calls, and not ten", len(calls))
	}
}
