package oauth

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func randomKey() []byte {
	key := make([]byte, 32)
	rand.Read(key)
	return key
}

// sealed returns r with data in it, sealed by s.
func sealed(tb testing.TB, s *sealer, r Record, data string) *Record {
	tb.Helper()
	var err error
	if r.Data, err = s.close(tb.Context(), &r, []byte(data)); err != nil {
		tb.Fatal(err)
	}
	return &r
}

func TestSealOpensWhatItSealed(t *testing.T) {
	record := Record{Key: RecordKey{Kind: RecordSession, DID: "did:plc:abc", ID: "1"}, Revision: 7}
	old, fresh := randomKey(), randomKey()
	for _, tt := range []struct {
		name        string
		seals, open *Seal
		ok, current bool
	}{
		{"same key", SealKeys(old), SealKeys(old), true, true},
		{"rotated: the old key is still given", SealKeys(old), SealKeys(fresh, old), true, false},
		{"rotated: the old key is gone", SealKeys(old), SealKeys(fresh), false, false},
		{"same passphrase", SealPassphrase("correct horse battery"), SealPassphrase("correct horse battery"), true, true},
		{"another passphrase", SealPassphrase("correct horse battery"), SealPassphrase("correct horse batterz"), false, false},
		{"from a passphrase to a key", SealPassphrase("correct horse battery"), SealKeys(fresh).Opening(SealPassphrase("correct horse battery")), true, false},
		{"from a key to a passphrase", SealKeys(old), SealPassphrase("correct horse battery").Opening(SealKeys(fresh, old)), true, false},
		{"plaintext", Plaintext(), Plaintext(), true, true},
		{"from plaintext to a key", Plaintext(), SealKeys(fresh).Opening(Plaintext()), true, false},
		{"downgrade: a plaintext record where records are sealed", Plaintext(), SealKeys(old), false, false},
		{"a sealed record where none is expected", SealKeys(old), Plaintext(), false, false},
	} {
		t.Run("O120 "+tt.name, func(t *testing.T) {
			store := new(MemoryStore)
			r := sealed(t, newSealer(tt.seals, store), record, "payload")
			data, current, err := newSealer(tt.open, store).open(t.Context(), r)
			if !tt.ok {
				if !errors.Is(err, ErrSealed) {
					t.Errorf("got %v, want ErrSealed", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff("payload", string(data)); diff != "" {
				t.Error(diff)
			}
			if current != tt.current {
				t.Errorf("sealed by the first key: %v", current)
			}
		})
	}
}

func TestSaltIsAgreedUpon(t *testing.T) {
	store := new(MemoryStore)
	record := Record{Key: RecordKey{Kind: RecordSession, DID: "did:plc:abc", ID: "1"}, Revision: 1}
	// Several processes begin at once, on an empty store.
	var all sync.WaitGroup
	records := make([]*Record, 4)
	for i := range records {
		all.Go(func() {
			records[i] = sealed(t, newSealer(SealPassphrase("correct horse battery"), store), record, "payload")
		})
	}
	all.Wait()
	for i, r := range records {
		if _, _, err := newSealer(SealPassphrase("correct horse battery"), store).open(t.Context(), r); err != nil {
			t.Errorf("record %d: %v", i, err)
		}
	}
	if err := store.Put(t.Context(), &Record{Key: saltRecord, Revision: 2, Data: []byte("short")}); err != nil {
		t.Fatal(err)
	}
	_, _, err := newSealer(SealPassphrase("correct horse battery"), store).open(t.Context(), records[0])
	if !errors.Is(err, ErrSealed) {
		t.Errorf("with a salt of another size: %v", err)
	}
}

// failing is a store that is down as long as it says so.
type failing struct {
	*MemoryStore
	err error
}

func (s *failing) Get(ctx context.Context, key RecordKey) (*Record, error) {
	if s.err != nil {
		return nil, s.err
	}
	return s.MemoryStore.Get(ctx, key)
}

func TestSaltIsAskedForAgainWhenTheStoreWasDown(t *testing.T) {
	down := errors.New("the store is down")
	store := &failing{MemoryStore: new(MemoryStore), err: down}
	s := newSealer(SealPassphrase("correct horse battery"), store)
	r := &Record{Revision: 1}
	if _, err := s.close(t.Context(), r, []byte("x")); !errors.Is(err, ErrStore) || !errors.Is(err, down) {
		t.Errorf("got %v", err)
	}
	store.err = nil
	if _, err := s.close(t.Context(), r, []byte("x")); err != nil {
		t.Error(err)
	}
}

func TestUnusableSealsAreRefused(t *testing.T) {
	for name, seal := range map[string]*Seal{
		"no key":             SealKeys(),
		"a short key":        SealKeys(make([]byte, 31)),
		"a short second key": SealKeys(randomKey(), []byte("x")),
		"a short passphrase": SealPassphrase("elevenbytes"),
		"a short other":      SealKeys(randomKey()).Opening(SealPassphrase("")),
		"the zero value":     new(Seal),
	} {
		cfg := Localhost("http://127.0.0.1:8765/callback", "atproto")
		cfg.Store, cfg.Seal = new(MemoryStore), seal
		if _, err := NewClient(cfg); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "Config.Seal") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPlaintextIsLogged(t *testing.T) {
	t.Run("O120 whoever asks for it is told in the log", func(t *testing.T) {
		for name, tt := range map[string]struct {
			seal *Seal
			want string
		}{
			"written":  {Plaintext(), "stored in plaintext"},
			"accepted": {SealKeys(randomKey()).Opening(Plaintext()), "plaintext are accepted"},
			"neither":  {SealKeys(randomKey()), ""},
		} {
			var log bytes.Buffer
			cfg := Localhost("http://127.0.0.1:8765/callback", "atproto")
			cfg.Store, cfg.Seal, cfg.Logger = new(MemoryStore), tt.seal, slog.New(slog.NewTextHandler(&log, nil))
			if _, err := NewClient(cfg); err != nil {
				t.Fatal(err)
			}
			if got := log.String(); !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
				t.Errorf("%s: logged %q", name, got)
			}
		}
	})
}

func TestSealedRecordCannotBeChanged(t *testing.T) {
	s := newSealer(SealKeys(randomKey()), new(MemoryStore))
	record := Record{Key: RecordKey{Kind: RecordSession, DID: "did:plc:abc", ID: "1"}, Revision: 7}
	for name, change := range map[string]func(*Record){
		"other account":  func(r *Record) { r.Key.DID = "did:plc:abd" },
		"other session":  func(r *Record) { r.Key.ID = "2" },
		"other kind":     func(r *Record) { r.Key.Kind = RecordState },
		"parts shifted":  func(r *Record) { r.Key.DID, r.Key.ID = "did:plc:abc1", "" },
		"older revision": func(r *Record) { r.Revision = 6 },
		"newer revision": func(r *Record) { r.Revision = 8 },
		"a bit of the payload": func(r *Record) {
			r.Data = bytes.Clone(r.Data)
			r.Data[len(r.Data)-1] ^= 1
		},
		"a bit of the nonce": func(r *Record) {
			r.Data = bytes.Clone(r.Data)
			r.Data[sealHeader] ^= 1
		},
		"cut short": func(r *Record) { r.Data = r.Data[:12] },
		"empty":     func(r *Record) { r.Data = nil },
		"unknown":   func(r *Record) { r.Data = append([]byte{9}, r.Data[1:]...) },
	} {
		t.Run("O120 "+name, func(t *testing.T) {
			r := sealed(t, s, record, "payload")
			if _, _, err := s.open(t.Context(), r); err != nil {
				t.Fatal("untouched:", err)
			}
			change(r)
			if data, _, err := s.open(t.Context(), r); !errors.Is(err, ErrSealed) {
				t.Errorf("got %q, %v; want ErrSealed", data, err)
			}
		})
	}
}

func TestSealedRecordShowsNothing(t *testing.T) {
	t.Run("O120 the payload cannot be read", func(t *testing.T) {
		r := sealed(t, newSealer(SealKeys(randomKey()), new(MemoryStore)), Record{Revision: 1}, "a secret token")
		if bytes.Contains(r.Data, []byte("secret")) {
			t.Error("the payload is readable")
		}
	})
}
