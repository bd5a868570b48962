// Package vault keeps sealed records in a store, and protects its users from faults of the store.
package vault

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"

	"github.com/gimucco/atproto-go/internal/seal"
	"github.com/gimucco/atproto-go/oauth/store"
)

// A Vault is a store together with what seals its records. It is safe for concurrent use.
type Vault struct {
	store  store.Store
	sealer *seal.Sealer
	words  Words
}

// Words converts causes to errors of a package.
type Words struct {
	// StoreFailed is for failures of the store other than ErrNotFound and ErrConflict.
	StoreFailed func(error) error
	// CannotOpen is for a record that cannot be sealed, opened or read.
	CannotOpen func(*store.Record, error) error
}

// New returns a vault in s that seals by spec, whose Err must be nil.
func New(s store.Store, spec *seal.Spec, words Words) *Vault {
	v := &Vault{store: guarded(s), words: words}
	v.sealer = seal.New(spec, v.salt)
	return v
}

// Store returns the store, with a guard around it.
func (v *Vault) Store() store.Store { return v.store }

// Sealer returns what seals the records.
func (v *Vault) Sealer() *seal.Sealer { return v.sealer }

// Load reads the record under key and its payload. It returns the record, so that the caller can
// write the next revision, and whether it is sealed like a new one. Errors: store.ErrNotFound, and
// those of Words. Load does not check the record's time: only the store decides about that, so that
// a wrong clock of this process cannot end a session that others use (P66).
func (v *Vault) Load(ctx context.Context, key store.RecordKey, into any) (r *store.Record, current bool, err error) {
	r, err = v.store.Get(ctx, key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, false, err
	case err != nil:
		return nil, false, v.words.StoreFailed(err)
	}
	if current, err = v.Open(ctx, r, into); err != nil {
		return nil, false, err
	}
	return r, current, nil
}

// Open reads the payload of a record, and reports whether it is sealed like a new one.
func (v *Vault) Open(ctx context.Context, r *store.Record, into any) (current bool, err error) {
	data, current, err := v.sealer.Open(ctx, place(r), r.Data)
	if err != nil {
		return false, v.failed(r, err)
	}
	if err := decode(data, into); err != nil {
		return false, v.words.CannotOpen(r, err)
	}
	return current, nil
}

// decode is json.Unmarshal, but it does not scan data an additional time for a type that decodes
// itself.
func decode(data []byte, into any) error {
	if own, ok := into.(json.Unmarshaler); ok {
		return own.UnmarshalJSON(data)
	}
	return json.Unmarshal(data, into)
}

// Save seals payload and writes it at the given revision. keep has the meaning of Record.Keep.
// Errors: store.ErrConflict, and those of Words.
func (v *Vault) Save(ctx context.Context, key store.RecordKey, revision uint64, keep time.Duration, payload any) error {
	data, err := json.Marshal(payload)
	if err != nil {
		return v.words.StoreFailed(err)
	}
	r := &store.Record{Key: key, Revision: revision, Keep: keep}
	if r.Data, err = v.sealer.Close(ctx, place(r), data); err != nil {
		return v.failed(r, err)
	}
	if err := v.store.Put(ctx, r); err != nil {
		if errors.Is(err, store.ErrConflict) {
			return err
		}
		return v.words.StoreFailed(err)
	}
	return nil
}

// failed converts an error of the sealer. If the store failed to return the salt, its error is
// converted already.
func (v *Vault) failed(r *store.Record, err error) error {
	if asked, ok := errors.AsType[*saltError](err); ok {
		return asked.err
	}
	return v.words.CannotOpen(r, err)
}

// SaltRecord is where the salt for passphrases is stored, unencrypted. Its name says how keys are
// made with it.
var SaltRecord = store.RecordKey{Kind: store.RecordMeta, ID: "argon2id-1"}

// A saltError says that the store failed to return the salt.
type saltError struct{ err error }

func (e *saltError) Error() string { return e.err.Error() }
func (e *saltError) Unwrap() error { return e.err }

// salt keeps the salt for passphrases in the store. If several processes find none, one of them
// writes it.
func (v *Vault) salt(ctx context.Context, fresh []byte) ([]byte, error) {
	for {
		r, err := v.store.Get(ctx, SaltRecord)
		switch {
		case err == nil:
			return r.Data, nil
		case !errors.Is(err, store.ErrNotFound):
			return nil, &saltError{v.words.StoreFailed(err)}
		}
		err = v.store.Put(ctx, &store.Record{Key: SaltRecord, Revision: 1, Keep: store.Forever, Data: fresh})
		if err != nil && !errors.Is(err, store.ErrConflict) {
			return nil, &saltError{v.words.StoreFailed(err)}
		}
	}
}

// place returns what a sealed record is bound to: every part of its key, each with its length in
// front, and its revision.
func place(r *store.Record) []byte {
	var b []byte
	for _, part := range []string{string(r.Key.Kind), string(r.Key.DID), r.Key.ID} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return binary.BigEndian.AppendUint64(b, r.Revision)
}
