package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/apppassword"
	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/records"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/service"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A network is a sandbox where alice mentions bob, who is the bot.
type network struct {
	*oauthtest.Server
	alice    *oauth.Session
	kept     store.Memory
	mentions []appbsky.NotificationListNotificationsNotification // the oldest first
	seen     syntax.Datetime
}

const password = "abcd-efgh-ijkl-mnop"

func newNetwork(t *testing.T) *network {
	t.Helper()
	n := &network{Server: oauthtest.NewServer()}
	t.Cleanup(n.Close)
	n.AddAppPassword(n.Environment().Account("bob").DID, "bot", password)
	var err error
	if n.alice, err = n.Login(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	service.Handle(n, appbsky.NotificationListNotifications, func(context.Context, *appbsky.NotificationListNotificationsParams) (*appbsky.NotificationListNotificationsOutput, error) {
		out := &appbsky.NotificationListNotificationsOutput{Notifications: []appbsky.NotificationListNotificationsNotification{}}
		for i := range n.mentions {
			mention := n.mentions[len(n.mentions)-1-i]
			mention.IsRead = mention.IndexedAt <= n.seen
			out.Notifications = append(out.Notifications, mention)
		}
		return out, nil
	})
	service.Handle(n, appbsky.NotificationUpdateSeen, func(_ context.Context, in *appbsky.NotificationUpdateSeenInput) error {
		n.seen = in.SeenAt
		return nil
	})
	return n
}

// mention has alice write a post that the bot hears of.
func (n *network) mention(t *testing.T, text string) {
	t.Helper()
	post := &appbsky.FeedPost{Text: text, CreatedAt: syntax.Now()}
	ref, err := records.Create(t.Context(), n.alice, post)
	if err != nil {
		t.Fatal(err)
	}
	n.mentions = append(n.mentions, appbsky.NotificationListNotificationsNotification{
		URI: ref.URI, CID: ref.CID, Reason: "mention", Record: lex.Of(post),
		Author:    appbsky.ActorDefsProfileView{DID: n.alice.DID(), Handle: "alice.test"},
		IndexedAt: syntax.DatetimeOf(time.Date(2026, 1, 2, 3, 4, len(n.mentions), 0, time.UTC)),
	})
}

// start starts the bot, as after a restart: it has nothing but its store.
func (n *network) start(t *testing.T) *bot {
	t.Helper()
	config := apppassword.Config{Store: &n.kept, Seal: seal.Keys(make([]byte, 32))}
	n.Environment().ConfigureAppPassword(&config)
	client, err := apppassword.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	return &bot{client: client, account: "bob.test", password: password, reply: hello}
}

// answers are what the bot has written, the oldest first.
func (n *network) answers(t *testing.T) []string {
	t.Helper()
	var all []string
	for entry, err := range records.List[appbsky.FeedPost](t.Context(), n.alice, "bob.test") {
		if err != nil || entry.Err != nil {
			t.Fatal(err, entry)
		}
		if entry.Value.Reply == nil {
			t.Errorf("%q answers nothing", entry.Value.Text)
		}
		all = append([]string{entry.Value.Text}, all...)
	}
	return all
}

func TestBot(t *testing.T) {
	n := newNetwork(t)
	n.mention(t, "Hello @bob.test")
	n.mention(t, "What do you say, @bob.test?")
	want := []string{"Hello @alice.test! Your post has 2 words.", "Hello @alice.test! Your post has 5 words."}
	rounds := func(t *testing.T, b *bot, n int) {
		t.Helper()
		for range n {
			if err := b.round(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	holds := func(t *testing.T) {
		t.Helper()
		if diff := cmp.Diff(want, n.answers(t)); diff != "" {
			t.Error(diff)
		}
	}

	t.Run("each mention is answered once, in order", func(t *testing.T) {
		rounds(t, n.start(t), 3)
		holds(t)
	})
	t.Run("a restart answers nothing again, and does not log in again", func(t *testing.T) {
		rounds(t, n.start(t), 2)
		holds(t)
		if logins := n.Stats().Requests["/xrpc/com.atproto.server.createSession"]; logins != 1 {
			t.Errorf("%d logins", logins)
		}
	})
	t.Run("a bot that is stopped between an answer and what it has seen does not answer twice", func(t *testing.T) {
		n.mention(t, "Once more @bob.test")
		want = append(want, "Hello @alice.test! Your post has 3 words.")
		n.Fault("/xrpc/app.bsky.notification.updateSeen", oauthtest.Fault{Status: 502, Times: 1})
		if err := n.start(t).round(t.Context()); err == nil {
			t.Fatal("it was not stopped")
		}
		rounds(t, n.start(t), 2)
		holds(t)
	})
	t.Run("a session that the server has ended is begun anew", func(t *testing.T) {
		b := n.start(t)
		rounds(t, b, 1)
		n.RevokeAppPassword(n.Environment().Account("bob").DID, "bot")
		n.AddAppPassword(n.Environment().Account("bob").DID, "bot", password)
		n.mention(t, "And again @bob.test")
		want = append(want, "Hello @alice.test! Your post has 3 words.")
		n.Advance(3 * time.Hour)
		b.round(t.Context()) // finds out
		rounds(t, b, 1)
		holds(t)
	})
	t.Run("a wrong password stops it", func(t *testing.T) {
		b := n.start(t)
		b.client, b.password = n.start(t).client, "wrong"
		n.kept = store.Memory{}
		if err := b.work(t.Context(), time.Hour); !errors.Is(err, apppassword.ErrWrongPassword) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("it ends with its context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := n.start(t).work(ctx, time.Hour); err != nil {
			t.Errorf("got %v", err)
		}
	})
}

func TestRun(t *testing.T) {
	for _, who := range []struct{ account, password string }{{"", "x"}, {"bob.test", ""}} {
		err := run(t.Context(), who.account, who.password, t.TempDir(), time.Second)
		if err == nil || !strings.Contains(err.Error(), "BOT_PASSWORD") {
			t.Errorf("%v: %v", who, err)
		}
	}
}

func TestKeyOf(t *testing.T) {
	keys := make(map[syntax.RecordKey]bool)
	for i := range 1000 {
		m := &appbsky.NotificationListNotificationsNotification{URI: syntax.ATURI(fmt.Sprint("at://did:web:a.test/app.bsky.feed.post/", i)), IndexedAt: "2026-01-02T03:04:05Z"}
		key, err := keyOf(m)
		if again, _ := keyOf(m); err != nil || again != key || syntax.TID(key).Validate() != nil {
			t.Fatalf("%s, then %s, %v", key, again, err)
		}
		keys[key] = true
	}
	if len(keys) < 1000 {
		t.Errorf("%d keys of 1000 mentions of one second", len(keys))
	}
}
