package oauth

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
)

func TestHowLongSessionsAreKept(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name      string
		age, want time.Duration
	}{
		{"a new one", 0, 100 * day},
		{"after a year", 365 * day, 100 * day},
		{"three months before its end", 640 * day, 100 * day},
		{"a month before its end", 700 * day, 40 * day},
		{"at its end", 730 * day, 10 * day},
		{"beyond it, since the server gave it tokens all the same", 1000 * day, 10 * day},
		{"begun in the future, by another clock", -1000 * day, 100 * day},
	} {
		for _, key := range []string{"", "k"} { // public and confidential
			t.Run("P68 "+tt.name, func(t *testing.T) {
				s := &sessionState{CreatedAt: now.Add(-tt.age), ClientKey: key}
				if got := s.keep(now); got != tt.want {
					t.Errorf("kept for %v, want %v", got, tt.want)
				}
			})
		}
	}
}

func TestVersionsOfRecords(t *testing.T) {
	key := SessionKey{DID: "did:plc:ewvi7nxzyoun6zhxrhs64oiz", ID: "one"}
	kept := new(store.Memory)
	cfg := Localhost("http://127.0.0.1:8765/callback", "atproto")
	cfg.Store, cfg.Seal = kept, seal.Plaintext()
	client, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	// The record goes through a map: what is read is what a program of another version wrote.
	revision := uint64(0)
	put := func(t *testing.T, version any) {
		t.Helper()
		data, err := json.Marshal(&sessionRecord{sessionState: sessionState{ClientID: cfg.ClientID, Issuer: "https://pds.test"}})
		if err != nil {
			t.Fatal(err)
		}
		members := make(map[string]any)
		if err := json.Unmarshal(data, &members); err != nil {
			t.Fatal(err)
		}
		if members["v"] != float64(recordVersion) {
			t.Errorf("version %v is written", members["v"])
		}
		if members["v"] = version; version == nil {
			delete(members, "v")
		}
		delete(members, "dpop_key")
		revision++
		if err := client.save(t.Context(), key.record(), revision, 0, members); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("a version that is newer than ours is not misread", func(t *testing.T) {
		put(t, recordVersion+1)
		if _, err := client.Resume(t.Context(), key); !errors.Is(err, ErrSealed) {
			t.Errorf("got %v", err)
		}
		if r, err := kept.Get(t.Context(), key.record()); err != nil || r.Revision != revision {
			t.Errorf("the record was changed: %v", err)
		}
	})
	for name, version := range map[string]any{"our own": recordVersion, "one from before there were versions": nil} {
		t.Run(name+" is read", func(t *testing.T) {
			put(t, version)
			if _, _, _, err := client.loadSession(t.Context(), key); err != nil {
				t.Error(err)
			}
		})
	}
}
