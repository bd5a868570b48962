package vault

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	sealing "github.com/gimucco/atproto-go/internal/seal"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
)

func randomKey() []byte {
	key := make([]byte, 32)
	rand.Read(key)
	return key
}

// What words of a package are made of in these tests.
var (
	errStore  = errors.New("store failed")
	errSealed = errors.New("cannot be opened")
)

// newVault returns a vault in kept with words of these tests.
func newVault(s *seal.Seal, kept store.Store) *Vault {
	return New(kept, (*sealing.Spec)(s), Words{
		StoreFailed: func(err error) error { return errors.Join(errStore, err) },
		CannotOpen:  func(_ *store.Record, err error) error { return errors.Join(errSealed, err) },
	})
}

// sealed returns a record like r with text in it, as v writes it.
func sealed(tb testing.TB, v *Vault, r store.Record, text string) *store.Record {
	tb.Helper()
	data, err := json.Marshal(text)
	if err != nil {
		tb.Fatal(err)
	}
	if r.Data, err = v.sealer.Close(tb.Context(), place(&r), data); err != nil {
		tb.Fatal(err)
	}
	return &r
}

// opened returns the text in r.
func opened(tb testing.TB, v *Vault, r *store.Record) (text string, current bool, err error) {
	tb.Helper()
	current, err = v.Open(tb.Context(), r, &text)
	return text, current, err
}

func TestSealOpensWhatItSealed(t *testing.T) {
	record := store.Record{Key: store.RecordKey{Kind: store.RecordSession, DID: "did:plc:abc", ID: "1"}, Revision: 7}
	old, fresh := randomKey(), randomKey()
	for _, tt := range []struct {
		name        string
		seals, open *seal.Seal
		ok, current bool
	}{
		{"same key", seal.Keys(old), seal.Keys(old), true, true},
		{"rotated: the old key is still given", seal.Keys(old), seal.Keys(fresh, old), true, false},
		{"rotated: the old key is gone", seal.Keys(old), seal.Keys(fresh), false, false},
		{"same passphrase", seal.Passphrase("correct horse battery"), seal.Passphrase("correct horse battery"), true, true},
		{"another passphrase", seal.Passphrase("correct horse battery"), seal.Passphrase("correct horse batterz"), false, false},
		{"from a passphrase to a key", seal.Passphrase("correct horse battery"), seal.Keys(fresh).AlsoOpening(seal.Passphrase("correct horse battery")), true, false},
		{"from a key to a passphrase", seal.Keys(old), seal.Passphrase("correct horse battery").AlsoOpening(seal.Keys(fresh, old)), true, false},
		{"plaintext", seal.Plaintext(), seal.Plaintext(), true, true},
		{"from plaintext to a key", seal.Plaintext(), seal.Keys(fresh).AlsoOpening(seal.Plaintext()), true, false},
		{"downgrade: a plaintext record where records are sealed", seal.Plaintext(), seal.Keys(old), false, false},
		{"a sealed record where none is expected", seal.Keys(old), seal.Plaintext(), false, false},
	} {
		t.Run("O120 "+tt.name, func(t *testing.T) {
			kept := new(store.Memory)
			r := sealed(t, newVault(tt.seals, kept), record, "payload")
			data, current, err := opened(t, newVault(tt.open, kept), r)
			if !tt.ok {
				if !errors.Is(err, errSealed) {
					t.Errorf("got %v, want errSealed", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff("payload", data); diff != "" {
				t.Error(diff)
			}
			if current != tt.current {
				t.Errorf("sealed by the first key: %v", current)
			}
		})
	}
}

func TestSaltIsAgreedUpon(t *testing.T) {
	kept := new(store.Memory)
	record := store.Record{Key: store.RecordKey{Kind: store.RecordSession, DID: "did:plc:abc", ID: "1"}, Revision: 1}
	// Several processes begin at once, on an empty store.
	var all sync.WaitGroup
	records := make([]*store.Record, 4)
	for i := range records {
		all.Go(func() {
			records[i] = sealed(t, newVault(seal.Passphrase("correct horse battery"), kept), record, "payload")
		})
	}
	all.Wait()
	for i, r := range records {
		if _, _, err := opened(t, newVault(seal.Passphrase("correct horse battery"), kept), r); err != nil {
			t.Errorf("record %d: %v", i, err)
		}
	}
	if err := kept.Put(t.Context(), &store.Record{Key: SaltRecord, Revision: 2, Data: []byte("short")}); err != nil {
		t.Fatal(err)
	}
	_, _, err := opened(t, newVault(seal.Passphrase("correct horse battery"), kept), records[0])
	if !errors.Is(err, errSealed) || !errors.Is(err, sealing.ErrSalt) {
		t.Errorf("with a salt of another size: %v", err)
	}
}

// failing is a store that is down as long as it says so.
type failing struct {
	*store.Memory
	err error
}

func (s *failing) Get(ctx context.Context, key store.RecordKey) (*store.Record, error) {
	if s.err != nil {
		return nil, s.err
	}
	return s.Memory.Get(ctx, key)
}

func TestSaltIsAskedForAgainWhenTheStoreWasDown(t *testing.T) {
	down := errors.New("the store is down")
	kept := &failing{Memory: new(store.Memory), err: down}
	s := newVault(seal.Passphrase("correct horse battery"), kept)
	key := store.RecordKey{Kind: store.RecordSession, ID: "1"}
	if err := s.Save(t.Context(), key, 1, 0, "x"); !errors.Is(err, errStore) || !errors.Is(err, down) {
		t.Errorf("got %v", err)
	}
	kept.err = nil
	if err := s.Save(t.Context(), key, 1, 0, "x"); err != nil {
		t.Error(err)
	}
}

func TestSealedRecordCannotBeChanged(t *testing.T) {
	s := newVault(seal.Keys(randomKey()), new(store.Memory))
	record := store.Record{Key: store.RecordKey{Kind: store.RecordSession, DID: "did:plc:abc", ID: "1"}, Revision: 7}
	for name, change := range map[string]func(*store.Record){
		"other account":  func(r *store.Record) { r.Key.DID = "did:plc:abd" },
		"other session":  func(r *store.Record) { r.Key.ID = "2" },
		"other kind":     func(r *store.Record) { r.Key.Kind = store.RecordState },
		"parts shifted":  func(r *store.Record) { r.Key.DID, r.Key.ID = "did:plc:abc1", "" },
		"older revision": func(r *store.Record) { r.Revision = 6 },
		"newer revision": func(r *store.Record) { r.Revision = 8 },
		"a bit of the payload": func(r *store.Record) {
			r.Data = bytes.Clone(r.Data)
			r.Data[len(r.Data)-1] ^= 1
		},
		"a bit of the nonce": func(r *store.Record) {
			r.Data = bytes.Clone(r.Data)
			r.Data[5] ^= 1 // behind version and name of the key
		},
		"cut short": func(r *store.Record) { r.Data = r.Data[:12] },
		"empty":     func(r *store.Record) { r.Data = nil },
		"unknown":   func(r *store.Record) { r.Data = append([]byte{9}, r.Data[1:]...) },
	} {
		t.Run("O120 "+name, func(t *testing.T) {
			r := sealed(t, s, record, "payload")
			if _, _, err := opened(t, s, r); err != nil {
				t.Fatal("untouched:", err)
			}
			change(r)
			if data, _, err := opened(t, s, r); !errors.Is(err, errSealed) {
				t.Errorf("got %q, %v; want errSealed", data, err)
			}
		})
	}
}

func TestSealedRecordShowsNothing(t *testing.T) {
	t.Run("O120 the payload cannot be read", func(t *testing.T) {
		r := sealed(t, newVault(seal.Keys(randomKey()), new(store.Memory)), store.Record{Revision: 1}, "a secret token")
		if bytes.Contains(r.Data, []byte("secret")) {
			t.Error("the payload is readable")
		}
	})
}
