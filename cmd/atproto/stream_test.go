package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/xrpc/lex"
)

// A frame is a message of a stream: two JSON documents that go out as DAG-CBOR, or, without a
// header, a text.
type frame struct{ header, body string }

// streaming serves frames on every connection, and holds it. asked returns what the last one
// was asked for.
func streaming(tb testing.TB, frames ...frame) (host string, asked func() string) {
	tb.Helper()
	var mu sync.Mutex
	last := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		mu.Lock()
		last = r.URL.String()
		mu.Unlock()
		for _, f := range frames {
			if f.header == "" {
				conn.Write(context.Background(), websocket.MessageText, []byte(f.body))
				continue
			}
			var both []byte
			for _, document := range []string{f.header, f.body} {
				b, err := lex.MarshalCBOR(object(tb, document))
				if err != nil {
					tb.Error(err)
				}
				both = append(both, b...)
			}
			conn.Write(context.Background(), websocket.MessageBinary, both)
		}
		<-conn.CloseRead(context.Background()).Done()
	}))
	tb.Cleanup(server.Close)
	return server.URL, func() string { mu.Lock(); defer mu.Unlock(); return last }
}

// watch runs atproto stream on a server until it ends.
func watch(ctx context.Context, args ...string) result {
	var out, errs strings.Builder
	status := (&program{stdout: &out, stderr: &errs}).run(ctx, append([]string{"stream"}, args...))
	return result{status, out.String(), errs.String()}
}

// printed reads lines of JSON.
func printed(tb testing.TB, r result) (lines []map[string]any) {
	tb.Helper()
	r.want(tb, 0)
	for line := range strings.Lines(r.stdout) {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			tb.Fatalf("%q: %v", line, err)
		}
		lines = append(lines, v)
	}
	return lines
}

func TestStreamOfCommits(t *testing.T) {
	host, asked := streaming(t,
		frame{`{"op":1,"t":"#commit"}`, fixture(t, "firehose/firehose_commit_4623075231.json")},
		frame{`{"op":1,"t":"#identity"}`, `{"seq":4623075232,"did":"did:plc:a","time":"2026-01-01T00:00:00Z","handle":"a.test"}`},
		frame{`{"op":1,"t":"#account"}`, `{"seq":4623075233,"did":"did:plc:b","time":"2026-01-01T00:00:00Z","active":false,"status":"deleted"}`},
	)
	t.Run("is a line for each operation and for each other event", func(t *testing.T) {
		lines := printed(t, watch(t.Context(), "commits", "--host", host, "--limit", "3", "--cursor", "7"))
		if len(lines) != 3 || lines[0]["collection"] != "app.bsky.actor.profile" || lines[0]["kind"] != "commit" || lines[0]["value"] == nil || lines[0]["did"] != "did:plc:sxtoas2sxjv6gh2bibdg3g4b" {
			t.Fatalf("got %v", lines)
		}
		want := map[string]any{"seq": 4623075232.0, "time": "2026-01-01T00:00:00Z", "did": "did:plc:a", "kind": "identity", "handle": "a.test"}
		if diff := cmp.Diff(want, lines[1]); diff != "" {
			t.Error(diff)
		}
		if lines[2]["active"] != false || lines[2]["status"] != "deleted" {
			t.Errorf("got %v", lines[2])
		}
		if !strings.Contains(asked(), "cursor=7") {
			t.Errorf("it asked for %s", asked())
		}
	})
	t.Run("has what the server says of it", func(t *testing.T) {
		host, _ := streaming(t, frame{`{"op":1,"t":"#info"}`, `{"name":"OutdatedCursor","message":"too old"}`})
		want := []map[string]any{{"kind": "info", "name": "OutdatedCursor", "message": "too old"}}
		if diff := cmp.Diff(want, printed(t, watch(t.Context(), "commits", "--host", host, "--limit", "1", "--did", "did:plc:b"))); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("is filtered", func(t *testing.T) {
		lines := printed(t, watch(t.Context(), "commits", "--host", host, "--limit", "1", "--did", "did:plc:b"))
		if len(lines) != 1 || lines[0]["did"] != "did:plc:b" {
			t.Errorf("got %v", lines)
		}
		lines = printed(t, watch(t.Context(), "commits", "--host", host, "--limit", "2", "--collection", "app.bsky.feed.*"))
		if len(lines) != 2 || lines[0]["kind"] != "identity" {
			t.Errorf("got %v", lines)
		}
		lines = printed(t, watch(t.Context(), "commits", "--host", host, "--limit", "1", "--collection", "app.bsky.actor.*"))
		if len(lines) != 1 || lines[0]["kind"] != "commit" {
			t.Errorf("got %v", lines)
		}
	})
	t.Run("ends by Ctrl-C, and says where to go on", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var errs strings.Builder
		out := &lineWriter{lines: make(chan string, 10)}
		ended := make(chan int)
		go func() {
			ended <- (&program{stdout: out, stderr: &errs}).run(ctx, []string{"stream", "commits", "--host", host})
		}()
		for range 3 {
			<-out.lines
		}
		cancel()
		if status := <-ended; status != 0 || !strings.Contains(errs.String(), "to go on from here: --cursor 46230752") {
			t.Errorf("status %d, %q", status, errs.String())
		}
	})
}

func TestStreamSaysWhereToGoOnAfterTheLastLine(t *testing.T) {
	const identity = `"did":"did:plc:a","time":"2026-01-01T00:00:00Z"}`
	const label = `{"src":"did:plc:l","uri":"at://did:plc:a","val":"spam","cts":"2026-01-01T00:00:00Z"}`
	const account = `"did":"did:plc:a","kind":"account","account":{"active":true,"did":"did:plc:a","seq":700,"time":"2026-01-01T00:00:00Z"}}`
	commits := []frame{{`{"op":1,"t":"#identity"}`, `{"seq":2,` + identity}, {`{"op":1,"t":"#identity"}`, `{"seq":3,` + identity}, {`{"op":1,"t":"#identity"}`, `{"seq":4,` + identity}}
	labels := []frame{{`{"op":1,"t":"#labels"}`, `{"seq":2,"labels":[` + label + `,` + label + `,` + label + `]}`}, {`{"op":1,"t":"#labels"}`, `{"seq":3,"labels":[` + label + `]}`}}
	events := []frame{{"", `{"time_us":1002,` + account}, {"", `{"time_us":1003,` + account}, {"", `{"time_us":1004,` + account}}
	for _, tt := range []struct {
		name, args string
		frames     []frame
		lines      int
		cursor     string
	}{
		{"commits", "commits --limit 2", commits, 2, "3"},
		{"one commit", "commits --limit 1", commits, 1, "2"},
		{"all that there is", "commits --limit 3", commits, 3, "4"},
		{"labels", "labels --limit 4", labels, 4, "3"},
		{"labels of one event, which stay together", "labels --limit 2", labels, 3, "2"},
		{"a Jetstream", "jetstream --limit 2", events, 2, "1003"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			host, _ := streaming(t, tt.frames...)
			r := watch(t.Context(), append(strings.Fields(tt.args), "--host", host, "--cursor", "1")...)
			if got := printed(t, r); len(got) != tt.lines {
				t.Errorf("%d lines, want %d:\n%s", len(got), tt.lines, r.stdout)
			}
			if want := "atproto: to go on from here: --cursor " + tt.cursor + "\n"; r.stderr != want {
				t.Errorf("got %q, want %q", r.stderr, want)
			}
		})
	}
}

// A lineWriter tells what is written.
type lineWriter struct{ lines chan string }

func (w *lineWriter) Write(b []byte) (int, error) {
	w.lines <- string(b)
	return len(b), nil
}

func TestStreamOfLabels(t *testing.T) {
	host, _ := streaming(t, frame{`{"op":1,"t":"#labels"}`, `{"seq":3,"labels":[{"src":"did:plc:l","uri":"at://did:plc:a","val":"spam","cts":"2026-01-01T00:00:00Z"},{"src":"did:plc:l","uri":"at://did:plc:b","val":"spam\u009b31m","neg":true,"cts":"2026-01-01T00:00:00Z"}]}`})
	r := watch(t.Context(), "labels", "--host", host, "--limit", "2", "--cursor", "0")
	lines := printed(t, r)
	if len(lines) != 2 || lines[0]["seq"] != 3.0 || lines[1]["label"].(map[string]any)["val"] != "spam\u009b31m" {
		t.Errorf("got %v", lines)
	}
	if strings.ContainsRune(r.stdout, '\u009b') {
		t.Error("a terminal would act on what is printed")
	}
}

func TestStreamOfAJetstream(t *testing.T) {
	const commit = `"rev":"3l3qylp5d3c2y","operation":"create","collection":"app.bsky.feed.post","rkey":"3l3qyl","record":{"$type":"app.bsky.feed.post","text":"hi"},"cid":"bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"`
	host, asked := streaming(t,
		frame{"", `{"did":"did:plc:a","time_us":1000001,"kind":"commit","commit":{` + commit + `}}`},
		frame{"", `{"did":"did:plc:a","time_us":1000002,"kind":"account","account":{"active":true,"did":"did:plc:a","seq":700,"time":"2026-01-01T00:00:00Z"}}`},
	)
	lines := printed(t, watch(t.Context(), "jetstream", "--host", host, "--limit", "2", "--collection", "app.bsky.feed.*", "--did", "did:plc:a", "--cursor", "5"))
	want := map[string]any{
		"time_us": 1000001.0, "did": "did:plc:a", "kind": "commit", "action": "create", "rev": "3l3qylp5d3c2y", "collection": "app.bsky.feed.post", "rkey": "3l3qyl",
		"cid": "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a", "value": map[string]any{"$type": "app.bsky.feed.post", "text": "hi"},
	}
	if len(lines) != 2 {
		t.Fatalf("got %v", lines)
	}
	if diff := cmp.Diff(want, lines[0]); diff != "" {
		t.Error(diff)
	}
	if lines[1]["kind"] != "account" || lines[1]["active"] != true {
		t.Errorf("got %v", lines[1])
	}
	for _, part := range []string{"wantedCollections=app.bsky.feed.", "wantedDids=did%3Aplc%3Aa", "cursor=5"} {
		if !strings.Contains(strings.ReplaceAll(asked(), "did:plc", "did%3Aplc"), part) && !strings.Contains(asked(), part) {
			t.Errorf("it asked for %s", asked())
		}
	}
}

func TestWrongUsesOfStream(t *testing.T) {
	nobody := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(nobody.Close)
	for _, tt := range []struct {
		args   string
		status int
		want   string
	}{
		{"", 2, "say what to do"},
		{"comits", 2, "did you mean commits?"},
		{"commits x", 2, "is too much: atproto "},
		{"commits --host ws://x", 2, "is not a server: give its https URL"},
		{"commits --host http://relay.example", 2, "http, which is for servers on this machine only"},
		{"commits --cursor -5", 2, "less than 0"},
		{"commits --cursor now", 2, `--cursor: "now" is not a whole number`},
		{"commits --limit -1", 2, "--limit: -1 is less than 0, which is for no limit"},
		{"commits --did alice.test", 2, "atproto resolve finds that of a handle"},
		{"commits --collection post", 2, "write app.bsky.feed.post, or app.bsky.graph.*"},
		{"jetstream --collection *", 2, "write app.bsky.feed.post, or app.bsky.graph.*"},
		{"labels --did did:plc:a", 2, "unknown flag"},
		{"commits --host " + nobody.URL, 1, "com.atproto.sync.subscribeRepos"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			r := watch(t.Context(), strings.Fields(tt.args)...)
			r.want(t, tt.status, tt.want)
			if r.stdout != "" {
				t.Errorf("standard output: %s", r.stdout)
			}
		})
	}
}
