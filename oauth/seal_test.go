package oauth

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func randomKey() []byte {
	key := make([]byte, 32)
	rand.Read(key)
	return key
}

func sealed(tb testing.TB, s *Seal, r Record, data string) *Record {
	tb.Helper()
	var err error
	if r.Data, err = s.seal(&r, []byte(data)); err != nil {
		tb.Fatal(err)
	}
	return &r
}

func TestSealOpensWhatItSealed(t *testing.T) {
	record := Record{Key: RecordKey{Kind: RecordSession, DID: "did:plc:abc", ID: "1"}, Revision: 7}
	old, new := randomKey(), randomKey()
	for _, tt := range []struct {
		name        string
		seals, open *Seal
		ok          bool
	}{
		{"same key", SealKeys(old), SealKeys(old), true},
		{"rotated: the old key is still given", SealKeys(old), SealKeys(new, old), true},
		{"rotated: the old key is gone", SealKeys(old), SealKeys(new), false},
		{"plaintext", Plaintext(), Plaintext(), true},
		{"downgrade: a plaintext record where records are sealed", Plaintext(), SealKeys(old), false},
		{"a sealed record where none is expected", SealKeys(old), Plaintext(), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := sealed(t, tt.seals, record, "payload")
			data, err := tt.open.open(r)
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
		})
	}
}

func TestSealedRecordCannotBeChanged(t *testing.T) {
	s := SealKeys(randomKey())
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
		t.Run(name, func(t *testing.T) {
			r := sealed(t, s, record, "payload")
			if _, err := s.open(r); err != nil {
				t.Fatal("untouched:", err)
			}
			change(r)
			if data, err := s.open(r); !errors.Is(err, ErrSealed) {
				t.Errorf("got %q, %v; want ErrSealed", data, err)
			}
		})
	}
}

func TestSealedRecordShowsNothing(t *testing.T) {
	r := sealed(t, SealKeys(randomKey()), Record{Revision: 1}, "a secret token")
	if bytes.Contains(r.Data, []byte("secret")) {
		t.Error("the payload is readable")
	}
}
