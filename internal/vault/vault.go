// Package vault keeps sealed records in a store, and the faults of the store away from
// those who use it.
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

// A Vault is a store and what seals its records. It is safe for concurrent use.
type Vault struct {
	store  store.Store
	sealer *seal.Sealer
	words  Words
}

// Words are how a package says what goes wrong: each makes an error of its own of a cause.
type Words struct {
	// StoreFailed is for failures of the store other than ErrNotFound and ErrConflict.
	StoreFailed func(error) error
	// CannotOpen is for a record that cannot be sealed, opened or read.
	CannotOpen func(*store.Record, error) error
}

// New returns a vault in s, which is sealed as spec says. Its Err is nil.
func New(s store.Store, spec *seal.Spec, words Words) *Vault {
	v := &Vault{store: guarded(s), words: words}
	v.sealer = seal.New(spec, v.salt)
	return v
}

// Store is the store, with a guard before it.
func (v *Vault) Store() store.Store { return v.store }

// Sealer is what seals the records.
func (v *Vault) Sealer() *seal.Sealer { return v.sealer }

// Load reads the record under key and its payload. It returns the record so that the caller can write
// the next revision, and whether it is sealed as a new one would be. Errors: store.ErrNotFound, and
// those of Words. Whether the record is past its time is not asked: that is the store's to say,
// and no clock of this process may end what others go on with (P66).
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

// Open reads the payload of a record, and tells whether it is sealed as a new one would be.
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

// decode is json.Unmarshal, which would look through data once more before a type that decodes itself does.
func decode(data []byte, into any) error {
	if own, ok := into.(json.Unmarshaler); ok {
		return own.UnmarshalJSON(data)
	}
	return json.Unmarshal(data, into)
}

// Save seals payload and writes it as the given revision. keep is that of a Record. Errors:
// store.ErrConflict, and those of Words.
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

// failed puts an error of the sealer into words. The store's own, when it was asked for the
// salt, has them.
func (v *Vault) failed(r *store.Record, err error) error {
	if asked, ok := errors.AsType[*saltError](err); ok {
		return asked.err
	}
	return v.words.CannotOpen(r, err)
}

// SaltRecord is where the salt of passphrases lies, in clear. Its name tells how keys are
// made with it.
var SaltRecord = store.RecordKey{Kind: store.RecordMeta, ID: "argon2id-1"}

// A saltError says that the store was asked for the salt and failed.
type saltError struct{ err error }

func (e *saltError) Error() string { return e.err.Error() }
func (e *saltError) Unwrap() error { return e.err }

// salt keeps the salt of passphrases in the store. Of several processes that find none, one
// writes.
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

// place is what a sealed record is bound to: every part of its key, each with its length
// in front, and its revision.
func place(r *store.Record) []byte {
	var b []byte
	for _, part := range []string{string(r.Key.Kind), string(r.Key.DID), r.Key.ID} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return binary.BigEndian.AppendUint64(b, r.Revision)
}
