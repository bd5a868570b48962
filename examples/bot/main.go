// Command bot answers posts that mention it. It runs for weeks: its session is in files and is resumed after a restart,
// failures that may pass are waited for, and no mention is answered twice, wherever the process was stopped.
//
//	BOT_PASSWORD=… go run ./examples/bot -account bot.example.com
//
// The password is an app password, which the account's settings make.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gimucco/atproto-go/apppassword"
	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store/filestore"
	"github.com/gimucco/atproto-go/records"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func main() {
	account := flag.String("account", "", "`handle` of the bot's account")
	dir := flag.String("dir", "bot-state", "`folder` for the session")
	every := flag.Duration("every", 30*time.Second, "how often to look for mentions")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *account, os.Getenv("BOT_PASSWORD"), *dir, *every); err != nil {
		slog.Error("the bot has stopped", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, account, password, dir string, every time.Duration) error {
	if account == "" || password == "" {
		return errors.New("say whose bot it is by -account, and its app password by BOT_PASSWORD")
	}
	key, err := seal.KeyFile(filepath.Join(dir, "seal.key"))
	if err != nil {
		return err
	}
	files, err := filestore.Open(filepath.Join(dir, "sessions"))
	if err != nil {
		return err
	}
	client, err := apppassword.NewClient(apppassword.Config{Store: files, Seal: seal.Keys(key), Logger: slog.Default()})
	if err != nil {
		return err
	}
	defer func() {
		// New tokens that are on their way are stored before the process ends.
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		if err := client.Shutdown(grace); err != nil {
			slog.Error("the session may be lost", "error", err)
		}
	}()
	b := &bot{client: client, account: account, password: password, reply: hello}
	return b.work(ctx, every)
}

// hello is what the bot has to say. Yours is more interesting.
func hello(mention *appbsky.NotificationListNotificationsNotification, post *appbsky.FeedPost) string {
	return fmt.Sprintf("Hello @%s! Your post has %d words.", mention.Author.Handle, len(strings.Fields(post.Text)))
}

type bot struct {
	client            *apppassword.Client
	account, password string
	reply             func(*appbsky.NotificationListNotificationsNotification, *appbsky.FeedPost) string
}

// work answers mentions until ctx ends, or something is wrong that no waiting mends.
func (b *bot) work(ctx context.Context, every time.Duration) error {
	for {
		wait := every
		if err := b.round(ctx); ctx.Err() != nil {
			return nil
		} else if errors.Is(err, apppassword.ErrWrongPassword) || errors.Is(err, apppassword.ErrAccountTakedown) {
			return err // attempts to log in are counted
		} else if err != nil {
			slog.Warn("mentions could not be answered", "error", err)
			wait = max(every, retryAfter(err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// retryAfter is how long a server wants to be left alone.
func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*xrpc.Error](err); ok {
		return e.RetryAfter
	}
	if e, ok := errors.AsType[*apppassword.Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// round answers what was not read yet, the oldest first.
func (b *bot) round(ctx context.Context) error {
	// Resumes the session, which costs nothing, and logs in where it has ended.
	session, err := b.client.ResumeOrLogin(ctx, b.account, b.password)
	if err != nil {
		return err
	}
	api := appbsky.NewClient(session, xrpc.WithProxy(xrpc.BlueskyAppView))
	var unread []*appbsky.NotificationListNotificationsNotification
	for n, err := range api.Notification.ListNotificationsAll(ctx, &appbsky.NotificationListNotificationsParams{Reasons: []string{"mention"}}) {
		if err != nil {
			return err
		}
		if n.IsRead {
			break
		}
		unread = append(unread, n)
	}
	for _, mention := range slices.Backward(unread) {
		if err := b.answer(ctx, session, mention); err != nil {
			return err
		}
		if err := api.Notification.UpdateSeen(ctx, &appbsky.NotificationUpdateSeenInput{SeenAt: mention.IndexedAt}); err != nil {
			return err
		}
	}
	return nil
}

// answer answers a mention once. The key of the answer is made of the mention, so that an answer that was written before the
// process was stopped is found.
func (b *bot) answer(ctx context.Context, session *apppassword.Session, mention *appbsky.NotificationListNotificationsNotification) error {
	var post appbsky.FeedPost
	if mention.Record.As(&post) != nil {
		return nil // not a post, or one that breaks its lexicon
	}
	key, err := keyOf(mention)
	if err != nil {
		return nil // without a time there is no order to keep
	}
	mine := syntax.ATURI("at://" + string(session.DID()) + "/" + appbsky.FeedPostNSID + "/" + string(key))
	if _, _, err := records.Get[appbsky.FeedPost](ctx, session, mine); !errors.Is(err, records.ErrNotFound) {
		return err // it is there, or that cannot be found out now
	}
	parent := &records.Ref{URI: mention.URI, CID: mention.CID}
	root := parent
	if post.Reply != nil {
		root = &post.Reply.Root
	}
	_, err = records.Post(ctx, session, records.Text(b.reply(mention, &post)).InThread(root, parent), records.WithKey(key))
	return err
}

// keyOf makes the key of an answer: the same for the same mention, and a TID, as the keys of posts are.
func keyOf(mention *appbsky.NotificationListNotificationsNotification) (syntax.RecordKey, error) {
	at, err := mention.IndexedAt.LenientTime()
	if err != nil {
		return "", err
	}
	hash := fnv.New64a()
	hash.Write([]byte(mention.URI))
	sum := hash.Sum64()
	// Two mentions of one moment differ in microseconds and clock.
	return syntax.RecordKey(syntax.TIDOf(at.Truncate(time.Second).Add(time.Duration(sum%1_000_000)*time.Microsecond), uint16(sum>>32))), nil
}
