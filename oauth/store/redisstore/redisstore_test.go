package redisstore_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/oauth/store/redisstore"
)

// The contract is tested on a real server, in the module e2e. What follows is what a
// real server does not do.

var key = store.RecordKey{Kind: store.RecordSession, DID: "did:plc:a", ID: "1"}

// server answers every command with reply and err.
func server(reply any, err error) *redisstore.Store {
	return redisstore.New(func(context.Context, ...any) (any, error) { return reply, err })
}

func TestRepliesOfEitherKindAreRead(t *testing.T) {
	want := &store.Record{Key: key, Revision: 7, Data: []byte("data")}
	for name, reply := range map[string][]any{
		"strings": {"7", "data"},
		"bytes":   {[]byte("7"), []byte("data")},
	} {
		got, err := server(reply, nil).Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if _, err := server([]any{nil, nil}, nil).Get(t.Context(), key); !errors.Is(err, store.ErrNotFound) {
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
		"not a number":       server([]any{"one", "x"}, nil),
	} {
		if _, err := s.Get(t.Context(), key); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: Get: %v", name, err)
		}
		if err := s.Put(t.Context(), &store.Record{Key: key, Revision: 1}); err == nil || errors.Is(err, store.ErrConflict) {
			t.Errorf("%s: Put: %v", name, err)
		}
		if err := s.Delete(t.Context(), key, 0); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: Delete: %v", name, err)
		}
	}
	for _, err := range server(nil, down).List(t.Context(), store.RecordSession, "") {
		if !errors.Is(err, down) {
			t.Errorf("List: %v", err)
		}
	}
	if _, err := server(nil, down).Purge(t.Context()); !errors.Is(err, down) {
		t.Errorf("Purge: %v", err)
	}
}

func TestNamesOfKeysNeverMeet(t *testing.T) {
	names := make(map[string]store.RecordKey)
	for _, key := range []store.RecordKey{
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
			return []any{nil, nil}, nil
		}, redisstore.WithPrefix("test"))
		s.Get(t.Context(), key)
	}
	if len(names) != 4 {
		t.Errorf("%d names", len(names))
	}
}

// A cluster puts a key into a slot by what is between its first "{" and the next "}". A
// script's keys have to be in one slot.
func TestPrefixesGiveOneSlot(t *testing.T) {
	tags := make(map[string]string)
	for _, prefix := range []string{"atproto", "", "}", "}a", "a}b", "{", "{a}", "a{", "%7D", "%", "\x00", "a b"} {
		t.Run("P124 prefix "+strconv.Quote(prefix), func(t *testing.T) {
			s := redisstore.New(func(_ context.Context, args ...any) (any, error) {
				for _, arg := range args[3:6] {
					_, after, found := strings.Cut(arg.(string), "{")
					tag, _, closed := strings.Cut(after, "}")
					if !found || !closed || tag == "" {
						t.Errorf("%q has no hash tag", arg)
					}
					if other, ok := tags[tag]; ok && other != prefix {
						t.Errorf("prefix %q has the tag %q, too", other, tag)
					}
					tags[tag] = prefix
				}
				return int64(1), nil
			}, redisstore.WithPrefix(prefix))
			if err := s.Put(t.Context(), &store.Record{Key: store.RecordKey{Kind: "session", DID: "did:plc:a}{", ID: "{x}"}, Revision: 1}); err != nil {
				t.Error(err)
			}
		})
	}
	if len(tags) != 12 {
		t.Errorf("%d tags: %q", len(tags), tags)
	}
}
