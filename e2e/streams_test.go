package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/e2e/realpds"
	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/internal/scenario"
	"github.com/gimucco/atproto-go/records"
	"github.com/gimucco/atproto-go/repo"
	"github.com/gimucco/atproto-go/repo/firehose"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// TestStreams reads what the real server sends while records are written to it.
func TestStreams(t *testing.T) {
	server := realpds.Start(t)
	env := server.Environment()
	alice := env.Account("alice")
	session := scenario.Login(t, server, scenario.NewClient(t, server), alice)
	wire := newWire(t, env.Hosts["pds.test:443"])
	transport := env.Transport()
	transport.DialContext = wire.dial
	host, err := xrpc.NewClient("https://pds.test", xrpc.ClientConfig{UnguardedTransport: transport})
	if err != nil {
		t.Fatal(err)
	}
	api := comatproto.NewClient(host)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()

	document, err := env.Resolver().ResolveDID(ctx, alice.DID)
	if err != nil {
		t.Fatal(err)
	}
	key, err := document.SigningKey()
	if err != nil {
		t.Fatal(err)
	}

	t.Run("X43 X44 the line is cut three times: every commit comes once, in order, and proves what was written", func(t *testing.T) {
		const cuts = 3
		posts := *streamed
		opened := make(chan *int64, 100)
		stream := api.Sync.SubscribeRepos(ctx, &comatproto.SyncSubscribeReposParams{Cursor: new(int64(0))}, xrpc.WithStreamEvents(func(e xrpc.StreamEvent) {
			if e.Kind == xrpc.StreamOpened {
				opened <- e.Cursor
			} else {
				t.Log(e)
			}
		}))
		var written []streamedPost
		var cursors []*int64 // that the stream was opened with again
		reopened := func() error {
			select {
			case cursor := <-opened:
				cursors = append(cursors, cursor)
				return nil
			case <-ctx.Done():
				return fmt.Errorf("after %d connections that were made anew: %w", len(cursors), ctx.Err())
			}
		}
		writing := make(chan error, 1)
		go func() {
			writing <- func() error {
				<-opened // the first
				cut := 0
				for n := range posts {
					post := &appbsky.FeedPost{Text: fmt.Sprintf("post %d", n), CreatedAt: syntax.Now()}
					ref, err := records.Create(ctx, session, post)
					if err != nil {
						return err
					}
					written = append(written, streamedPost{strings.TrimPrefix(string(ref.URI), "at://"+string(alice.DID)+"/"), ref.CID, post.Text})
					if n%(posts/(cuts+1)) != posts/(cuts+1)-1 || cut == cuts {
						continue
					}
					// A cut between two connections would cut nothing.
					if cut > 0 {
						if err := reopened(); err != nil {
							return err
						}
					}
					wire.cut()
					cut++
				}
				return reopened()
			}()
		}()
		var got []streamedPost
		var state repo.State
		last := int64(0)
		for message, err := range stream.Messages() {
			if err != nil {
				t.Fatal(err)
			}
			seq, ok := message.Sequence()
			if ok && seq <= last {
				t.Errorf("%d comes behind %d", seq, last)
			}
			last = max(last, seq)
			if c, ok := message.Value.(*comatproto.SyncSubscribeReposCommit); ok && c.Repo == alice.DID {
				change, err := firehose.ReadChange(c)
				if err != nil {
					t.Fatalf("%d: %v", seq, err)
				}
				if err := change.Verify(key); err != nil {
					t.Fatalf("%d: %v", seq, err)
				}
				if state, err = state.Next(change); err != nil {
					t.Fatalf("%d: %v", seq, err)
				}
				got = append(got, created(t, change)...)
			}
			if len(got) == posts {
				break
			}
		}
		if err := <-writing; err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(written, got); diff != "" {
			t.Error(diff)
		}
		if len(cursors) != cuts {
			t.Errorf("%d connections were made anew, after %d cuts", len(cursors), cuts)
		}
		for _, cursor := range cursors {
			if cursor == nil || *cursor == 0 {
				t.Errorf("a connection that was made anew begins at %v", cursor)
			}
		}
	})
	t.Run("X43 a cursor of the future is an error, and is not begun anew", func(t *testing.T) {
		stream := api.Sync.SubscribeRepos(ctx, &comatproto.SyncSubscribeReposParams{Cursor: new(int64(1 << 50))})
		for message, err := range stream.Messages() {
			if !errors.Is(err, comatproto.ErrFutureCursor) {
				t.Errorf("got %v, %v", message, err)
			}
			break
		}
	})
	t.Run("X41 accounts and identities are told, to a session, too", func(t *testing.T) {
		want := map[string]bool{"com.atproto.sync.subscribeRepos#identity": true, "com.atproto.sync.subscribeRepos#account": true, "com.atproto.sync.subscribeRepos#commit": true}
		stream := comatproto.NewClient(session).Sync.SubscribeRepos(ctx, &comatproto.SyncSubscribeReposParams{Cursor: new(int64(0))})
		for message, err := range stream.Messages() {
			if err != nil {
				t.Fatalf("%v; not seen: %v", err, want)
			}
			if delete(want, message.Value.LexType()); len(want) == 0 {
				break
			}
		}
	})
	t.Run("X38 what is no subscription is refused", func(t *testing.T) {
		m := xrpc.Method{NSID: "com.atproto.server.describeServer", Kind: xrpc.KindSubscription}
		stream := xrpc.Subscribe[comatproto.SyncSubscribeReposMessage](ctx, xrpc.NewCaller(host), m, nil, []xrpc.Option{xrpc.WithReconnect(xrpc.RetryPolicy{Attempts: 1}), xrpc.WithHeaderTimeout(5 * time.Second)})
		for message, err := range stream.Messages() {
			if err == nil {
				t.Errorf("got %v", message)
			}
			t.Log(err)
			break
		}
	})
}

// streamed is how many records are written while they are read.
var streamed = flag.Int("streamed", 120, "how many records are written while the stream is read")

// A streamedPost is a post that was written, or came.
type streamedPost struct {
	Path string
	CID  syntax.CID
	Text string
}

// created are the posts that a commit creates.
func created(t *testing.T, change *repo.Change) (posts []streamedPost) {
	t.Helper()
	for op, err := range change.Operations() {
		if err != nil {
			t.Fatal(err)
		}
		if op.Action != repo.Create || op.Collection != appbsky.FeedPostNSID {
			continue
		}
		var post appbsky.FeedPost
		if err := op.Record.As(&post); err != nil {
			t.Fatal(err)
		}
		posts = append(posts, streamedPost{op.Path(), op.CID, post.Text})
	}
	return posts
}

// A wire is what connections to the server go over, until it is cut.
type wire struct {
	address string // of our end

	mu    sync.Mutex
	lines []net.Conn
}

// newWire lays a wire to target, which lasts as long as the test.
func newWire(t *testing.T, target string) *wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{address: listener.Addr().String()}
	t.Cleanup(func() {
		listener.Close()
		w.cut()
	})
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", target)
			if err != nil {
				near.Close()
				continue
			}
			w.mu.Lock()
			w.lines = append(w.lines, near, far)
			w.mu.Unlock()
			go pass(near, far)
			go pass(far, near)
		}
	}()
	return w
}

func pass(to, from net.Conn) {
	io.Copy(to, from)
	to.Close()
	from.Close()
}

// dial connects to our end, whatever the address.
func (w *wire) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, w.address)
}

// cut ends all connections at once, without a farewell.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, line := range w.lines {
		line.(*net.TCPConn).SetLinger(0)
		line.Close()
	}
	w.lines = nil
}
