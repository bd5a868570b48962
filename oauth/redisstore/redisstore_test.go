package redisstore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/redisstore"
)

// The contract is tested on a real server, in the module e2e. What follows is what a
// real server does not do.

var key = oauth.RecordKey{Kind: oauth.RecordSession, DID: "did:plc:a", ID: "1"}

// server answers every command with reply and err.
func server(reply any, err error) *redisstore.Store {
	return redisstore.New(func(context.Context, ...any) (any, error) { return reply, err })
}

func TestRepliesOfEitherKindAreRead(t *testing.T) {
	want := &oauth.Record{Key: key, Revision: 7, Expires: time.UnixMilli(1_700_000_000_123), Data: []byte("data")}
	for name, reply := range map[string][]any{
		"strings": {"7", "1700000000123", "data"},
		"bytes":   {[]byte("7"), []byte("1700000000123"), []byte("data")},
	} {
		got, err := server(reply, nil).Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if _, err := server([]any{nil, nil, nil}, nil).Get(t.Context(), key); !errors.Is(err, oauth.ErrNotFound) {
		t.Errorf("nothing: %v", err)
	}
}

func TestUnexpectedRepliesAreErrors(t *testing.T) {
	down := errors.New("connection refused")
	for name, s := range map[string]*redisstore.Store{
		"the server is down": server(nil, down),
		"nothing":            server(nil, nil),
		"another type":       server("OK", nil),
		"too few fields":     server([]any{"1"}, nil),
		"not a number":       server([]any{"one", "+inf", "x"}, nil),
	} {
		if _, err := s.Get(t.Context(), key); err == nil || errors.Is(err, oauth.ErrNotFound) {
			t.Errorf("%s: Get: %v", name, err)
		}
		if err := s.Put(t.Context(), &oauth.Record{Key: key, Revision: 1}); err == nil || errors.Is(err, oauth.ErrConflict) {
			t.Errorf("%s: Put: %v", name, err)
		}
		if err := s.Delete(t.Context(), key, 0); err == nil || errors.Is(err, oauth.ErrNotFound) {
			t.Errorf("%s: Delete: %v", name, err)
		}
	}
	for _, err := range server(nil, down).List(t.Context(), oauth.RecordSession, "") {
		if !errors.Is(err, down) {
			t.Errorf("List: %v", err)
		}
	}
	if _, err := server(nil, down).Purge(t.Context(), time.Now()); !errors.Is(err, down) {
		t.Errorf("Purge: %v", err)
	}
}

func TestNamesOfKeysNeverMeet(t *testing.T) {
	names := make(map[string]oauth.RecordKey)
	for _, key := range []oauth.RecordKey{
		{Kind: "session", DID: "did:plc:a", ID: "b"},
		{Kind: "session", DID: "did:plc:a:1:b", ID: ""},
		{Kind: "session", DID: "did:plc", ID: "a:1:b"},
		{Kind: "state", DID: "did:plc:a", ID: "b"},
	} {
		s := redisstore.New(func(_ context.Context, args ...any) (any, error) {
			name := args[1].(string)
			if other, ok := names[name]; ok {
				t.Errorf("%+v and %+v are both %q", key, other, name)
			}
			names[name] = key
			return []any{nil, nil, nil}, nil
		}, redisstore.WithPrefix("test"))
		s.Get(t.Context(), key)
	}
	if len(names) != 4 {
		t.Errorf("%d names", len(names))
	}
}
