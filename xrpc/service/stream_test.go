package service_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/service"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

type (
	repos    = comatproto.SyncSubscribeReposMessage
	sending  = func(*repos) error
	streamer = func(context.Context, *comatproto.SyncSubscribeReposParams, sending) error
)

func identityEvent(seq int64) repos {
	return comatproto.NewSyncSubscribeReposMessage(&comatproto.SyncSubscribeReposIdentity{
		Seq: seq, DID: "did:plc:aliceaaaaaaaaaaaaaaaaaaa", Time: "2026-01-02T03:04:05Z", Handle: new(syntax.Handle("alice.example")),
	})
}

// streaming serves a subscription, framed in a way.
func streaming(t testing.TB, subprotocol string, handler streamer, opts ...service.Option) (*xrpc.Client, string) {
	t.Helper()
	mux := http.NewServeMux()
	service.Handle(mux, func() xrpc.Endpoint[streamer] {
		e := comatproto.SyncSubscribeRepos()
		e.Subprotocol = subprotocol
		return e
	}, handler, opts...)
	return serve(t, mux)
}

func subscribe(ctx context.Context, host xrpc.Doer, subprotocol string, cursor *int64, opts ...xrpc.Option) *xrpc.Stream[repos] {
	method := comatproto.SyncSubscribeRepos().Method
	method.Subprotocol = subprotocol
	return xrpc.Subscribe[repos](ctx, xrpc.NewCaller(host), method, &comatproto.SyncSubscribeReposParams{Cursor: cursor}, opts)
}

func TestClientsReadStreams(t *testing.T) {
	for _, subprotocol := range []string{"", "xrpc.v0.cbor", "xrpc.v1.cbor", "xrpc.v1.json"} {
		t.Run("framed as "+subprotocol, func(t *testing.T) {
			ended := make(chan error, 1)
			host, _ := streaming(t, subprotocol, func(ctx context.Context, p *comatproto.SyncSubscribeReposParams, send sending) error {
				for seq := *p.Cursor + 1; seq <= 5; seq++ {
					message := identityEvent(seq)
					if err := send(&message); err != nil {
						return err
					}
				}
				<-ctx.Done()
				ended <- ctx.Err()
				return ctx.Err()
			}, service.Check())
			stream := subscribe(t.Context(), host, subprotocol, new(int64(2)))
			var got []repos
			for message, err := range stream.Messages() {
				if err != nil {
					t.Fatal(err)
				}
				if got = append(got, *message); len(got) == 3 {
					break
				}
			}
			if diff := cmp.Diff([]repos{identityEvent(3), identityEvent(4), identityEvent(5)}, got); diff != "" {
				t.Error(diff)
			}
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("the reader went, and the handler's context says %v", err)
			}
		})
		for _, tt := range []struct {
			name    string
			fail    func() error
			want    xrpc.ErrorName
			message string
			logged  string
		}{
			{"one of the lexicon", func() error { return fmt.Errorf("%w: cursor 9, and there are 5", comatproto.ErrFutureCursor) }, "FutureCursor", "cursor 9, and there are 5", ""},
			{"a consumer that the handler finds too slow", func() error { return service.ErrConsumerTooSlow }, "ConsumerTooSlow", "", ""},
			{"any other", func() error { return errors.New("hunter2") }, "InternalServerError", "Internal Server Error", "hunter2"},
			{"a panic", func() error { panic("hunter2") }, "InternalServerError", "Internal Server Error", "hunter2"},
		} {
			t.Run("an error is the last frame, as "+subprotocol+": "+tt.name, func(t *testing.T) {
				var log journal
				host, _ := streaming(t, subprotocol, func(_ context.Context, _ *comatproto.SyncSubscribeReposParams, send sending) error {
					message := identityEvent(1)
					if err := send(&message); err != nil {
						return err
					}
					return tt.fail()
				}, log.option())
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var why error // the client begins anew after most errors
				stream := subscribe(ctx, host, subprotocol, nil, xrpc.WithStreamEvents(func(e xrpc.StreamEvent) {
					if e.Kind == xrpc.StreamBroken {
						why = e.Err
						cancel()
					}
				}))
				seen := 0
				for _, err := range stream.Messages() {
					if err == nil {
						seen++
					} else if why == nil {
						why = err
					}
				}
				got, ok := errors.AsType[*xrpc.Error](why)
				if !ok || got.Name != tt.want || got.Message != tt.message || got.Status != http.StatusSwitchingProtocols {
					t.Errorf("%v", why)
				}
				if seen != 1 || tt.logged == "" && log.String() != "" || !strings.Contains(log.String(), tt.logged) {
					t.Errorf("%d messages; logged %q", seen, log.String())
				}
			})
		}
	}
}

// dial opens the stream of a server that speaks plain HTTP.
func dial(t testing.TB, url string, opts *websocket.DialOptions) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	conn, resp, err := websocket.Dial(t.Context(), url+"/xrpc/com.atproto.sync.subscribeRepos", opts)
	if err == nil {
		t.Cleanup(func() { conn.CloseNow() })
	}
	return conn, resp, err
}

func TestFramesOnTheWire(t *testing.T) {
	cbor := func(documents ...string) []byte {
		var all []byte
		for _, text := range documents {
			v, err := lex.AnyJSON([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			b, err := lex.MarshalCBOR(&v)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b...)
		}
		return all
	}
	const (
		body  = `"did":"did:plc:aliceaaaaaaaaaaaaaaaaaaa","seq":1,"time":"2026-01-02T03:04:05Z","handle":"alice.example"}`
		typed = `{"$type":"com.atproto.sync.subscribeRepos#identity",` + body
		fault = `"error":"FutureCursor","message":"later"}`
	)
	for _, tt := range []struct {
		subprotocol    string
		kind           websocket.MessageType
		message, fault []byte
	}{
		{"", websocket.MessageBinary, cbor(`{"op":1,"t":"#identity"}`, "{"+body), cbor(`{"op":-1}`, "{"+fault)},
		{"xrpc.v1.cbor", websocket.MessageBinary, cbor(`{"$type":"message","payload":` + typed + "}"), cbor(`{"$type":"error",` + fault)},
		{"xrpc.v1.json", websocket.MessageText, []byte(`{"$type":"message","payload":` + typed + "}"), []byte(`{"$type":"error",` + fault)},
	} {
		t.Run(""+tt.subprotocol, func(t *testing.T) {
			_, url := streaming(t, tt.subprotocol, func(_ context.Context, _ *comatproto.SyncSubscribeReposParams, send sending) error {
				message := identityEvent(1)
				if err := send(&message); err != nil {
					return err
				}
				return fmt.Errorf("%w: later", comatproto.ErrFutureCursor)
			})
			conn, _, err := dial(t, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range [][]byte{tt.message, tt.fault} {
				kind, got, err := conn.Read(t.Context())
				if err != nil || kind != tt.kind || !bytes.Equal(got, want) {
					t.Errorf("%v %q, want %q, %v", kind, got, want, err)
				}
			}
			_, _, err = conn.Read(t.Context())
			if closed, ok := errors.AsType[websocket.CloseError](err); !ok || closed.Code != websocket.StatusPolicyViolation || closed.Reason != "FutureCursor" {
				t.Errorf("closed by %v", err)
			}
		})
	}
	t.Run("a handler that returns ends the stream", func(t *testing.T) {
		_, url := streaming(t, "", func(context.Context, *comatproto.SyncSubscribeReposParams, sending) error { return nil })
		conn, _, err := dial(t, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err = conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
			t.Errorf("closed by %v", err)
		}
	})
	t.Run("a message that is not what the lexicon says is not sent, where that is checked", func(t *testing.T) {
		_, url := streaming(t, "", func(_ context.Context, _ *comatproto.SyncSubscribeReposParams, send sending) error {
			return send(&repos{Value: &comatproto.SyncSubscribeReposIdentity{Seq: 1, DID: "alice"}})
		}, service.Check(), service.Logger(nil))
		conn, _, err := dial(t, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, got, err := conn.Read(t.Context()); err != nil || !bytes.Contains(got, []byte("InternalServerError")) {
			t.Errorf("%q %v", got, err)
		}
	})
	t.Run("an empty message is an error of the service", func(t *testing.T) {
		var log journal
		_, url := streaming(t, "xrpc.v1.json", func(_ context.Context, _ *comatproto.SyncSubscribeReposParams, send sending) error {
			return send(new(repos))
		}, log.option())
		conn, _, err := dial(t, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, got, err := conn.Read(t.Context()); err != nil || !bytes.Contains(got, []byte("InternalServerError")) || log.String() == "" {
			t.Errorf("%q %v", got, err)
		}
	})
}

func TestHandshakesThatAreRefused(t *testing.T) {
	var log journal
	_, url := streaming(t, "", func(context.Context, *comatproto.SyncSubscribeReposParams, sending) error {
		t.Error("the handler was reached")
		return nil
	}, log.option())
	for name, tt := range map[string]struct {
		name, value string
		status      int
	}{
		"another version of WebSockets": {"Sec-WebSocket-Version", "8", 400},
		"no key":                        {"Sec-WebSocket-Key", "", 400},
		"a web page of others":          {"Origin", "https://web.example", 403},
		"no upgrade":                    {"Upgrade", "h2c", 426},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequest("GET", url+"/xrpc/com.atproto.sync.subscribeRepos", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header = http.Header{"Connection": {"keep-alive, Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
			r.Header.Set(tt.name, tt.value)
			resp, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != tt.status || !bytes.Contains(text, []byte(`"error":"InvalidRequest"`)) || resp.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%d %s", resp.StatusCode, text)
			}
		})
	}
	if text := log.String(); text != "" {
		t.Errorf("logged %q", text)
	}
	t.Run("a web page of others, where they may", func(t *testing.T) {
		_, url := streaming(t, "", func(context.Context, *comatproto.SyncSubscribeReposParams, sending) error { return nil }, service.AllowBrowsers())
		if _, _, err := dial(t, url, &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"https://web.example"}}}); err != nil {
			t.Error(err)
		}
	})
	t.Run("a subprotocol that nobody knows", func(t *testing.T) {
		_, url := streaming(t, "xrpc.v9.json", func(context.Context, *comatproto.SyncSubscribeReposParams, sending) error { return nil }, service.Logger(nil))
		if _, resp, err := dial(t, url, nil); err == nil || resp.StatusCode != 500 {
			t.Error(err)
		}
	})
	t.Run("a writer that cannot be taken over", func(t *testing.T) {
		r := httptest.NewRequest("GET", "/xrpc/com.atproto.sync.subscribeRepos", nil)
		r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
		w := httptest.NewRecorder()
		service.Handler(comatproto.SyncSubscribeRepos, func(context.Context, *comatproto.SyncSubscribeReposParams, sending) error { return nil }, service.Logger(nil)).ServeHTTP(w, r)
		if w.Code != 500 || !strings.Contains(w.Body.String(), "InternalServerError") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// silent opens a stream and then does nothing: it reads nothing and answers no ping.
func silent(t testing.TB, url string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "GET /xrpc/com.atproto.sync.subscribeRepos HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if line, err := bufio.NewReaderSize(conn, 16).ReadString('\n'); err != nil || !strings.Contains(line, "101") {
		t.Fatal(line, err)
	}
}

func TestReadersThatAreNotThere(t *testing.T) {
	t.Run("who gives no sign of life is given up", func(t *testing.T) {
		ended := make(chan error, 1)
		_, url := streaming(t, "", func(ctx context.Context, _ *comatproto.SyncSubscribeReposParams, _ sending) error {
			<-ctx.Done()
			ended <- ctx.Err()
			return nil
		}, service.Ping(10*time.Millisecond))
		silent(t, url)
		<-ended
	})
	t.Run("who answers is not", func(t *testing.T) {
		pinged := make(chan bool, 1000)
		_, url := streaming(t, "", func(ctx context.Context, _ *comatproto.SyncSubscribeReposParams, send sending) error {
			for range 5 {
				<-pinged
			}
			message := identityEvent(1)
			return send(&message)
		}, service.Ping(20*time.Millisecond))
		conn, _, err := dial(t, url, &websocket.DialOptions{OnPingReceived: func(context.Context, []byte) bool {
			pinged <- true
			return true
		}})
		if err != nil {
			t.Fatal(err)
		}
		if _, got, err := conn.Read(t.Context()); err != nil || len(got) == 0 {
			t.Errorf("%q %v", got, err)
		}
	})
	t.Run("who does not take what is sent is too slow", func(t *testing.T) {
		ended := make(chan error, 1)
		large := repos{Value: &comatproto.SyncSubscribeReposInfo{Name: "x", Message: new(strings.Repeat("x", 1<<20))}}
		_, url := streaming(t, "", func(_ context.Context, _ *comatproto.SyncSubscribeReposParams, send sending) error {
			for {
				if err := send(&large); err != nil {
					ended <- err
					return err
				}
			}
		}, service.Ping(time.Second), service.Logger(nil)) // before the sign of life is overdue, which takes twice as long
		silent(t, url)
		if err := <-ended; !errors.Is(err, service.ErrConsumerTooSlow) {
			t.Error(err)
		}
	})
	t.Run("what is sent to nobody is an error", func(t *testing.T) {
		began, ended := make(chan bool), make(chan error, 1)
		var log journal
		_, url := streaming(t, "", func(ctx context.Context, _ *comatproto.SyncSubscribeReposParams, send sending) error {
			close(began)
			<-ctx.Done()
			message := identityEvent(1)
			err := send(&message)
			ended <- err
			return err
		}, log.option())
		conn, _, err := dial(t, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		<-began
		conn.CloseNow()
		if err := <-ended; err == nil {
			t.Error("no error")
		}
		if text := log.String(); text != "" {
			t.Errorf("logged %q", text)
		}
	})
}
