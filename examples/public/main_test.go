package main

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/records"
	"github.com/gimucco/atproto-go/xrpc"
)

// A network sends what is for this machine there, and all else into the sandbox.
type network struct{ sandbox, here http.RoundTripper }

func (n network) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "http" {
		return n.here.RoundTrip(r)
	}
	return n.sandbox.RoundTrip(r)
}

func TestVisit(t *testing.T) {
	server := oauthtest.NewServer()
	defer server.Close()
	session, err := server.Login(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := records.Post(t.Context(), session, records.Text("Hello")); err != nil {
			t.Fatal(err)
		}
	}
	server.Publish("https://appview.test/xrpc/app.bsky.actor.getProfile", []byte(`{"did":"`+string(session.DID())+`","handle":"alice.test","followersCount":7}`))
	events := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		for i, text := range []string{"one", "two", "three", "four", "five", "six"} {
			event := `{"did":"did:plc:aaaaaaaaaaaaaaaaaaaaaaaa","time_us":` + strconv.Itoa(i+1) + `,"kind":"commit","commit":{"rev":"3lhhxizu5wr2d","operation":"create","collection":"app.bsky.feed.post","rkey":"3lhhxizu5wr2d",
				"record":{"$type":"app.bsky.feed.post","text":"` + text + `","createdAt":"2026-01-02T03:04:05Z"},"cid":"bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm"}}`
			if conn.Write(r.Context(), websocket.MessageText, []byte(event)) != nil {
				return
			}
		}
		conn.CloseRead(r.Context())
		<-r.Context().Done()
	}))
	defer events.Close()

	var out strings.Builder
	v := visitor{
		out:       &out,
		resolver:  server.Environment().Resolver(),
		appView:   "https://appview.test",
		jetstream: events.URL,
		hosts:     xrpc.ClientConfig{AllowLoopback: true, UnguardedTransport: network{server.Environment().Transport(), http.DefaultTransport}},
	}
	t.Run("an account that there is", func(t *testing.T) {
		if err := v.visit(t.Context(), "alice.test"); err != nil {
			t.Fatal(err)
		}
		want := regexp.MustCompile(`(?s)^alice\.test, did:plc:\w+\n7 followers\n +3 app\.bsky\.feed\.post\nat://did:plc:\w+/app\.bsky\.feed\.post/\w+\n    "one"\n.*"five"\n$`)
		if !want.MatchString(out.String()) {
			t.Errorf("it says:\n%s", &out)
		}
	})
	t.Run("one that there is not, and what is no name", func(t *testing.T) {
		for who, want := range map[string]string{"carol.test": "carol.test", "no name": "no name"} {
			if err := v.visit(t.Context(), who); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", who, err)
			}
		}
	})
}
