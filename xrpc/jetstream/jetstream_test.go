package jetstream

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/dict"
	"github.com/klauspost/compress/zstd"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

const post = `"rev":"3l3qylp5d3c2y","operation":"create","collection":"app.bsky.feed.post","rkey":"3l3qyl","record":{"$type":"app.bsky.feed.post","text":"hi"},"cid":"bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"`

// at is a commit as /subscribe has it.
func at(micros int64) string {
	return fmt.Sprintf(`{"did":"did:plc:a","time_us":%d,"kind":"commit","commit":{%s}}`, micros, post)
}

// serve answers connections in turn by script, and returns a client of the server.
func serve(t *testing.T, script func(number int, r *http.Request, conn *websocket.Conn)) *xrpc.Client {
	t.Helper()
	var mu sync.Mutex
	count := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "ubscribe") && !strings.HasSuffix(r.URL.Path, "subscribeEvents") {
			http.NotFound(w, r)
			return
		}
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"xrpc.v1.json"}})
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		mu.Lock()
		count++
		number := count
		mu.Unlock()
		script(number, r, conn)
	}))
	t.Cleanup(server.Close)
	client, err := xrpc.NewClient(server.URL, xrpc.ClientConfig{AllowLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func say(conn *websocket.Conn, texts ...string) {
	for _, text := range texts {
		conn.Write(context.Background(), websocket.MessageText, []byte(text))
	}
}

func hold(conn *websocket.Conn) { <-conn.CloseRead(context.Background()).Done() }

// take reads n events.
func take(t *testing.T, s *xrpc.Stream[Event], err error, n int) (events []*Event) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(20*time.Second, func() { s.Close() }).Stop()
	for e, err := range s.Messages() {
		if err != nil {
			t.Fatal(err)
		}
		if events = append(events, e); len(events) == n {
			break
		}
	}
	if len(events) < n {
		t.Fatalf("%d of %d events came", len(events), n)
	}
	return events
}

func TestEvents(t *testing.T) {
	const upstream = `"did":"did:plc:a","seq":700,"time":"2026-01-01T00:00:00Z"`
	created := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	commit := Commit{Rev: "3l3qylp5d3c2y", Operation: Create, Collection: "app.bsky.feed.post", RecordKey: "3l3qyl", CID: "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"}
	commit.Record, _ = lex.Raw([]byte(`{"$type":"app.bsky.feed.post","text":"hi"}`))
	for _, tt := range []struct {
		name, json string
		want       Event
		wrong      string
	}{
		{"a record that was created", at(7), Event{DID: "did:plc:a", Time: time.UnixMicro(7), Cursor: 7, Commit: &commit}, ""},
		{"a record that was deleted", `{"did":"did:plc:a","time_us":7,"kind":"commit","commit":{"rev":"r","operation":"delete","collection":"a.b.c","rkey":"k","record":null,"cid":null,"x":[1]},"y":{}}`,
			Event{DID: "did:plc:a", Time: time.UnixMicro(7), Cursor: 7, Commit: &Commit{Rev: "r", Operation: Delete, Collection: "a.b.c", RecordKey: "k"}}, ""},
		{"an identity", `{"did":"did:plc:a","time_us":7,"kind":"identity","identity":{` + upstream + `,"handle":"a.test"}}`,
			Event{DID: "did:plc:a", Time: time.UnixMicro(7), Cursor: 7, Identity: &comatproto.SyncSubscribeReposIdentity{Seq: 700, DID: "did:plc:a", Time: "2026-01-01T00:00:00Z", Handle: new(syntax.Handle("a.test"))}}, ""},
		{"an account", `{"did":"did:plc:a","time_us":7,"kind":"account","account":{` + upstream + `,"active":false,"status":"deleted"}}`,
			Event{DID: "did:plc:a", Time: time.UnixMicro(7), Cursor: 7, Account: &comatproto.SyncSubscribeReposAccount{Seq: 700, DID: "did:plc:a", Time: "2026-01-01T00:00:00Z", Status: new("deleted")}}, ""},
		{"the second version: a commit", `{"$type":"network.bsky.jetstream.subscribeEvents#commit","seq":7,"did":"did:plc:a","time":"2026-01-02T00:00:00Z","witnessedAt":"2026-01-01T00:00:00Z",` + post + `}`,
			Event{DID: "did:plc:a", Time: created, Cursor: 7, Commit: &commit}, ""},
		{"the second version: a sync", `{"$type":"network.bsky.jetstream.subscribeEvents#sync","seq":7,"did":"did:plc:a","time":"2026-01-01T00:00:00Z","sync":{` + upstream + `,"rev":"r","blocks":{"$bytes":""}}}`,
			Event{DID: "did:plc:a", Time: created, Cursor: 7, Sync: &comatproto.SyncSubscribeReposSync{Seq: 700, DID: "did:plc:a", Time: "2026-01-01T00:00:00Z", Rev: "r", Blocks: lex.Bytes{}}}, ""},
		{"the second version: a notice", `{"$type":"network.bsky.jetstream.subscribeEvents#info","name":"OutdatedCursor","message":"old"}`, Event{Info: &Info{Name: "OutdatedCursor", Message: "old"}}, ""},
		{"a kind that is not known", `{"did":"did:plc:a","time_us":7,"kind":"party"}`, Event{}, `a message of an unknown kind, "party"`},
		{"no account", `{"time_us":7,"kind":"commit","commit":{` + post + `}}`, Event{}, `required field "did" is missing`},
		{"no time", `{"did":"did:plc:a","kind":"commit"}`, Event{}, `required field "time_us" is missing`},
		{"a commit without a collection", `{"did":"did:plc:a","time_us":7,"kind":"commit","commit":{"operation":"delete","rkey":"a"}}`, Event{}, `commit: required field "collection" is missing`},
		{"the second version: a commit without a record key", `{"seq":7,"did":"did:plc:a","time":"x","operation":"delete","collection":"a.b.c"}`, Event{}, `required field "rkey" is missing`},
		{"a time that is none", `{"did":"did:plc:a","time_us":"7"}`, Event{}, "time_us: a string where an integer should be"},
		{"an array", `[]`, Event{}, "an array where an object should be"},
		{"a key twice", `{"did":"did:plc:a","did":"did:plc:b"}`, Event{}, "key comes twice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got Event
			err := lex.UnmarshalJSON([]byte(tt.json), &got)
			if tt.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wrong) {
					t.Error(err)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Error(diff, err)
			}
		})
	}
	t.Run("the URI of a commit's record", func(t *testing.T) {
		if got := (&Event{DID: "did:plc:a", Commit: &commit}).URI(); got != "at://did:plc:a/app.bsky.feed.post/3l3qyl" {
			t.Error(got)
		}
		if got := new(Event).URI(); got != "" {
			t.Error(got)
		}
	})
}

func TestSubscribe(t *testing.T) {
	t.Run("the filters are in the query", func(t *testing.T) {
		var got string
		host := serve(t, func(_ int, r *http.Request, conn *websocket.Conn) {
			got = r.URL.String()
			say(conn, at(7))
			hold(conn)
		})
		s, err := Subscribe(t.Context(), host, &Params{Collections: []string{"app.bsky.feed.*", "a.b.c"}, DIDs: []syntax.DID{"did:plc:a"}, MaxMessageSize: 1000, Cursor: new(int64(6))})
		take(t, s, err, 1)
		if want := "/subscribe?wantedCollections=app.bsky.feed.%2A&wantedCollections=a.b.c&wantedDids=did%3Aplc%3Aa&maxMessageSizeBytes=1000&cursor=6"; got != want {
			t.Errorf("it asks for %s", got)
		}
	})
	t.Run("many accounts are said over the connection", func(t *testing.T) {
		var query string
		var hello map[string]any
		host := serve(t, func(_ int, r *http.Request, conn *websocket.Conn) {
			query = r.URL.RawQuery
			_, text, err := conn.Read(context.Background())
			if err != nil || json.Unmarshal(text, &hello) != nil {
				t.Error(err, string(text))
			}
			say(conn, at(7))
			hold(conn)
		})
		dids := slices.Repeat([]syntax.DID{"did:plc:a"}, 101)
		s, err := Subscribe(t.Context(), host, &Params{DIDs: dids, MaxMessageSize: 5})
		take(t, s, err, 1)
		if query != "requireHello=true" {
			t.Errorf("the query is %s", query)
		}
		payload, _ := hello["payload"].(map[string]any)
		if wanted, _ := payload["wantedDids"].([]any); hello["type"] != "options_update" || len(wanted) != 101 || payload["maxMessageSizeBytes"] != 5.0 || payload["wantedCollections"] == nil {
			t.Errorf("it says %v", hello)
		}
	})
	t.Run("X43 X44 a connection that breaks goes on from the last event, and none comes twice", func(t *testing.T) {
		var cursors []string
		host := serve(t, func(number int, r *http.Request, conn *websocket.Conn) {
			cursors = append(cursors, r.URL.Query().Get("cursor"))
			switch number {
			case 1:
				say(conn, at(10), at(20), at(30))
			default:
				say(conn, at(15), at(20), at(30), at(40))
				hold(conn)
			}
		})
		s, err := Subscribe(t.Context(), host, nil, xrpc.WithReconnect(xrpc.RetryPolicy{FirstPause: time.Millisecond}))
		var got []int64
		for _, e := range take(t, s, err, 4) {
			got = append(got, e.Cursor)
		}
		if diff := cmp.Diff([]int64{10, 20, 30, 40}, got); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"", "30"}, cursors); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("Since is where it begins, included", func(t *testing.T) {
		since := time.UnixMicro(1_000_000)
		host := serve(t, func(_ int, r *http.Request, conn *websocket.Conn) {
			if got := r.URL.Query().Get("cursor"); got != "999999" {
				t.Errorf("it begins at %s", got)
			}
			say(conn, at(1_000_000))
			hold(conn)
		})
		s, err := Subscribe(t.Context(), host, &Params{Since: since})
		if got := take(t, s, err, 1)[0].Time; !got.Equal(since) {
			t.Error(got)
		}
	})
	t.Run("X40 what is no event of ours is left out, and told", func(t *testing.T) {
		host := serve(t, func(_ int, r *http.Request, conn *websocket.Conn) {
			say(conn, `{"did":"did:plc:a","time_us":6,"kind":"party"}`, `{"did":"did:plc:a"}`, at(7))
			hold(conn)
		})
		var told []string
		s, err := Subscribe(t.Context(), host, nil, xrpc.WithStreamEvents(func(e xrpc.StreamEvent) {
			if e.Kind == xrpc.StreamSkipped {
				told = append(told, e.Err.Error())
			}
		}))
		take(t, s, err, 1)
		if len(told) != 2 || told[0] != `a message of an unknown kind, "party"` || !strings.Contains(told[1], `required field "time_us" is missing`) {
			t.Errorf("told %q", told)
		}
	})
	t.Run("X40 what is no JSON, and binary messages that nobody asked for, end the connection", func(t *testing.T) {
		for _, tt := range []struct {
			kind websocket.MessageType
			want string
		}{{websocket.MessageText, "malformed"}, {websocket.MessageBinary, "no compression was requested"}} {
			host := serve(t, func(_ int, r *http.Request, conn *websocket.Conn) {
				conn.Write(context.Background(), tt.kind, []byte("{"))
				hold(conn)
			})
			s, err := Subscribe(t.Context(), host, nil, xrpc.WithReconnect(xrpc.RetryPolicy{Attempts: 1}))
			if err != nil {
				t.Fatal(err)
			}
			for _, err := range s.Messages() {
				if !errors.Is(err, xrpc.ErrMalformedFrame) || !strings.Contains(err.Error(), tt.want) {
					t.Error(err)
				}
			}
		}
	})
	for _, tt := range []struct {
		name   string
		params Params
		want   string
	}{
		{"too many collections", Params{Collections: make([]string, 101)}, "Params.Collections: there are 101, at most 100 are allowed"},
		{"a collection that is none", Params{Collections: []string{"app.bsky.feed.post", "post"}}, `"post" is neither an NSID`},
		{"a star in the middle", Params{Collections: []string{"app.*.post"}}, `"app.*.post" is neither an NSID`},
		{"too many accounts", Params{DIDs: make([]syntax.DID, 10_001)}, "Params.DIDs: there are 10001, at most 10000 are allowed"},
		{"an account that is a handle", Params{DIDs: []syntax.DID{"a.test"}}, "Params.DIDs: "},
		{"kinds", Params{Kinds: []Kind{KindCommit}}, "see SubscribeEvents"},
		{"a kind that there is not", Params{Kinds: []Kind{"party"}}, `"party" is not one of the kinds`},
		{"two beginnings", Params{Cursor: new(int64(5)), Since: time.Now()}, "both say where to begin"},
		{"a cursor below zero", Params{Cursor: new(int64(-5))}, "below zero"},
		{"a size below zero", Params{MaxMessageSize: -5}, "below zero"},
		{"a cursor of the future", Params{Cursor: new(time.Now().Add(time.Hour).UnixMicro())}, "in the future"},
		{"a dictionary that is none", Params{Dictionary: []byte("dictionary")}, "not a zstd dictionary"},
	} {
		t.Run("refused before anything is sent: "+tt.name, func(t *testing.T) {
			if s, err := Subscribe(t.Context(), nil, &tt.params); s != nil || err == nil || !strings.HasPrefix(err.Error(), "jetstream: ") || !strings.Contains(err.Error(), tt.want) {
				t.Error(err)
			}
		})
	}
	t.Run("prefixes of collections", func(t *testing.T) {
		if err := (&Params{Collections: []string{"app.bsky.*", "app.bsky.feed.*", "app.*"}}).check(); err != nil {
			t.Error(err)
		}
	})
}

// dictionary makes a dictionary for events.
func dictionary(t testing.TB, id uint32) []byte {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	var samples [][]byte
	for range 400 {
		samples = append(samples, []byte(fmt.Sprintf(`%s %d`, at(random.Int64()), random.Uint64())))
	}
	d, err := dict.BuildZstdDict(samples, dict.Options{MaxDictSize: 4 << 10, HashBytes: 6, ZstdDictID: id})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func compressed(t testing.TB, dictionary []byte, text string) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil, zstd.WithEncoderDict(dictionary))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll([]byte(text), nil)
}

func TestCompression(t *testing.T) {
	d := dictionary(t, 77)
	t.Run("events by the server's dictionary", func(t *testing.T) {
		host := serve(t, func(_ int, r *http.Request, conn *websocket.Conn) {
			if r.URL.RawQuery != "compress=true" {
				t.Errorf("the query is %s", r.URL.RawQuery)
			}
			for _, micros := range []int64{7, 8, 9} {
				conn.Write(context.Background(), websocket.MessageBinary, compressed(t, d, at(micros)))
			}
			hold(conn)
		})
		s, err := Subscribe(t.Context(), host, &Params{Dictionary: d})
		for i, e := range take(t, s, err, 3) {
			if text, err := e.Commit.Record.JSON(); e.Cursor != int64(7+i) || string(text) != `{"$type":"app.bsky.feed.post","text":"hi"}` || err != nil {
				t.Errorf("%d: %s, %v", e.Cursor, text, err)
			}
		}
	})
	bomb := compressed(t, d, `{"a":"`+strings.Repeat("a", 6<<20)+`"}`)
	for _, tt := range []struct {
		name string
		sent []byte
		want error
	}{
		{"a bomb", bomb, xrpc.ErrOutputTooLarge},
		{"a larger bomb", compressed(t, d, strings.Repeat(" ", 20<<20)), xrpc.ErrOutputTooLarge},
		{"one that is cut short", bomb[:len(bomb)-4], nil},
		{"of another dictionary", compressed(t, dictionary(t, 78), at(7)), zstd.ErrUnknownDictionary},
		{"none at all", []byte("{}"), nil},
	} {
		t.Run("X46 an event that is compressed wrongly: "+tt.name, func(t *testing.T) {
			host := serve(t, func(_ int, r *http.Request, conn *websocket.Conn) {
				conn.Write(context.Background(), websocket.MessageBinary, tt.sent)
			})
			s, err := Subscribe(t.Context(), host, &Params{Dictionary: d}, xrpc.WithReconnect(xrpc.RetryPolicy{Attempts: 1}))
			if err != nil {
				t.Fatal(err)
			}
			for _, err := range s.Messages() {
				if !errors.Is(err, xrpc.ErrMalformedFrame) || tt.want != nil && !errors.Is(err, tt.want) {
					t.Error(err)
				}
			}
		})
	}
}

func TestSubscribeEvents(t *testing.T) {
	event := func(seq int64) string {
		return fmt.Sprintf(`{"$type":"message","payload":{"$type":"network.bsky.jetstream.subscribeEvents#commit","seq":%d,"did":"did:plc:a","time":"2026-01-01T00:00:00Z",%s}}`, seq, post)
	}
	t.Run("X43 it begins at a time, and goes on from a sequence number", func(t *testing.T) {
		var queries []string
		host := serve(t, func(number int, r *http.Request, conn *websocket.Conn) {
			queries = append(queries, r.URL.String())
			if conn.Subprotocol() != "xrpc.v1.json" {
				t.Errorf("it offers %q", r.Header.Get("Sec-WebSocket-Protocol"))
			}
			if number == 1 {
				say(conn, `{"$type":"message","payload":{"$type":"network.bsky.jetstream.subscribeEvents#info","name":"OutdatedCursor"}}`, event(5), event(6))
				return
			}
			say(conn, event(6), event(7))
			hold(conn)
		})
		var notices []error
		s, err := SubscribeEvents(t.Context(), host, &Params{Kinds: []Kind{KindCommit}, Collections: []string{"a.b.c"}, DIDs: []syntax.DID{"did:plc:a"}, Since: time.UnixMicro(2e15)},
			xrpc.WithReconnect(xrpc.RetryPolicy{FirstPause: time.Millisecond}), xrpc.WithStreamEvents(func(e xrpc.StreamEvent) {
				if e.Kind == xrpc.StreamNotice {
					notices = append(notices, e.Err)
				}
			}))
		var got []int64
		for _, e := range take(t, s, err, 4) {
			got = append(got, e.Cursor)
		}
		if diff := cmp.Diff([]int64{0, 5, 6, 7}, got); diff != "" {
			t.Error(diff)
		}
		const path = "/xrpc/network.bsky.jetstream.subscribeEvents?kinds=commit&dids=did%3Aplc%3Aa&collections=a.b.c&maxMessageSizeBytes=0"
		if diff := cmp.Diff([]string{path + "&cursor=2000000000000000", path + "&cursor=6"}, queries); diff != "" {
			t.Error(diff)
		}
		if len(notices) != 1 || !errors.Is(notices[0], xrpc.ErrOutdatedCursor) {
			t.Errorf("told %v", notices)
		}
	})
	t.Run("compressed by a dictionary with a number", func(t *testing.T) {
		d := dictionary(t, 77)
		host := serve(t, func(_ int, r *http.Request, conn *websocket.Conn) {
			if got := r.URL.Query().Get("zstdDictionary"); got != "77" {
				t.Errorf("it asks for %q", got)
			}
			conn.Write(context.Background(), websocket.MessageBinary, compressed(t, d, event(5)))
			hold(conn)
		})
		s, err := SubscribeEvents(t.Context(), host, &Params{Dictionary: d})
		if got := take(t, s, err, 1)[0]; got.Cursor != 5 || got.Commit == nil {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a cursor that is a time is refused", func(t *testing.T) {
		if _, err := SubscribeEvents(t.Context(), nil, &Params{Cursor: new(int64(2e15))}); err == nil || !strings.Contains(err.Error(), "set Since") {
			t.Error(err)
		}
	})
}

func TestFetchDictionary(t *testing.T) {
	d := dictionary(t, 77)
	large := slices.Concat(d, make([]byte, 1<<20))
	for _, tt := range []struct {
		name string
		sent []byte
		want string
	}{
		{"a dictionary", d, ""},
		{"something else", []byte("<html>"), "is not a zstd dictionary"},
		{"one that is too large", large, "more than 1048576 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.String() != "/xrpc/network.bsky.jetstream.getZstdDictionary" {
					t.Errorf("it asks for %s", r.URL)
				}
				w.Header().Set("Content-Type", "application/octet-stream")
				w.Write(tt.sent)
			}))
			defer server.Close()
			host, err := xrpc.NewClient(server.URL, xrpc.ClientConfig{AllowLoopback: true})
			if err != nil {
				t.Fatal(err)
			}
			got, err := FetchDictionary(t.Context(), host)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Error(err)
				}
				return
			}
			if id := binary.LittleEndian.Uint32(d[4:]); err != nil || !slices.Equal(got, d) || id != 77 {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
}

// Events come from a server that need not be honest.
func FuzzEvents(f *testing.F) {
	f.Add([]byte(at(7)))
	f.Add([]byte(`{"did":"did:plc:a","time_us":7,"kind":"identity","identity":{"did":"did:plc:a","seq":1,"time":"x"}}`))
	f.Add([]byte(`{"seq":7,"did":"did:plc:a","time":"2026-01-01T00:00:00Z",` + post + `}`))
	f.Add([]byte(`{"name":"OutdatedCursor"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var e Event
		if lex.UnmarshalJSON(data, &e) != nil {
			return
		}
		set := 0
		for _, is := range []bool{e.Commit != nil, e.Identity != nil, e.Account != nil, e.Sync != nil, e.Info != nil} {
			if is {
				set++
			}
		}
		if _, placed := e.Sequence(); set == 0 || placed == (e.Info != nil) {
			t.Errorf("%s was read as %+v", data, e)
		}
	})
}
