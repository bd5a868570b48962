package comatproto_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
)

// frames serves subscriptions: of each connection, one list of frames, each of which is two JSON documents.
func frames(t *testing.T, connections ...[][2]string) *xrpc.Client {
	t.Helper()
	next := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		next++
		for _, frame := range connections[next-1] {
			var both []byte
			for _, document := range frame {
				v, err := lex.AnyJSON([]byte(document))
				if err != nil {
					t.Error(err)
				}
				b, err := lex.MarshalCBOR(&v)
				if err != nil {
					t.Error(err)
				}
				both = append(both, b...)
			}
			conn.Write(context.Background(), websocket.MessageBinary, both)
		}
		<-conn.CloseRead(context.Background()).Done()
	}))
	t.Cleanup(server.Close)
	client, err := xrpc.NewClient(server.URL, xrpc.ClientConfig{AllowLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestSubscribeRepos(t *testing.T) {
	api := comatproto.NewClient(frames(t, [][2]string{
		{`{"op":1,"t":"#info"}`, `{"name":"OutdatedCursor"}`},
		{`{"op":1,"t":"#identity"}`, `{"seq":7,"did":"did:plc:a","time":"2026-01-01T00:00:00Z","handle":"a.test"}`},
		{`{"op":1,"t":"#handle"}`, `{"seq":8,"did":"did:plc:a"}`}, // of an older lexicon
		{`{"op":1,"t":"#commit"}`, `{"seq":9,"rebase":false,"tooBig":false,"repo":"did:plc:a","commit":{"$link":"` + cid + `"},"rev":"3l3qylp5d3c2y","since":null,
			"blocks":{"$bytes":"AAEC"},"ops":null,"blobs":[],"time":"2026-01-01T00:00:00Z"}`},
		{`{"op":-1}`, `{"error":"FutureCursor"}`},
	}))
	stream := api.Sync.SubscribeRepos(t.Context(), &comatproto.SyncSubscribeReposParams{Cursor: new(int64(5))})
	type place struct {
		Type string
		Seq  int64
		Has  bool
	}
	var got []place
	var failed error
	for m, err := range stream.Messages() {
		if err != nil {
			failed = err
			break
		}
		seq, has := m.Sequence()
		got = append(got, place{m.Value.LexType(), seq, has})
		switch v := m.Value.(type) {
		case *comatproto.SyncSubscribeReposIdentity:
			if *v.Handle != "a.test" {
				t.Errorf("the handle is %s", *v.Handle)
			}
		case *comatproto.SyncSubscribeReposCommit:
			if v.Commit != cid || string(v.Blocks) != "\x00\x01\x02" || v.Since != nil {
				t.Errorf("the commit is %+v", v)
			}
		}
	}
	t.Run("L33 X41 the type of a message is that of its frame", func(t *testing.T) {
		if diff := cmp.Diff([]place{
			{"com.atproto.sync.subscribeRepos#info", 0, false},
			{"com.atproto.sync.subscribeRepos#identity", 7, true},
			{"com.atproto.sync.subscribeRepos#commit", 9, true},
		}, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("X39 X43 an error of the lexicon ends the stream, and is found by its name", func(t *testing.T) {
		if e, ok := errors.AsType[*xrpc.Error](failed); !errors.Is(failed, comatproto.ErrFutureCursor) || !ok || e.NSID != "com.atproto.sync.subscribeRepos" {
			t.Error(failed)
		}
		if stream.Cursor() == nil || *stream.Cursor() != 9 {
			t.Errorf("the cursor is %v", stream.Cursor())
		}
	})
}

func TestSubscribeLabels(t *testing.T) {
	t.Run("L33 X41 labels come in groups", func(t *testing.T) {
		api := comatproto.NewClient(frames(t, [][2]string{{`{"op":1,"t":"#labels"}`,
			`{"seq":7,"labels":[{"ver":1,"src":"did:plc:l","uri":"did:plc:a","val":"spam","cts":"2026-01-01T00:00:00Z","sig":{"$bytes":"AAEC"}}]}`}}))
		for m, err := range api.Label.SubscribeLabels(t.Context(), nil).Messages() {
			if err != nil {
				t.Fatal(err)
			}
			if v, ok := m.Value.(*comatproto.LabelSubscribeLabelsLabels); !ok || len(v.Labels) != 1 || v.Labels[0].Val != "spam" || string(v.Labels[0].Sig) != "\x00\x01\x02" {
				t.Errorf("got %+v", m.Value)
			}
			break
		}
	})
}
