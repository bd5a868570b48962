package oauth

import (
	"cmp"
	"context"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"
)

// A Seal encrypts records before they reach a Store: XChaCha20-Poly1305 under a
// key derived by HKDF-SHA-256, bound to the record's kind, key and revision, so
// that a record cannot be changed, moved to another key or replaced by an older
// one of itself unnoticed. (A store that rolls a whole row back, revision
// included, is not noticed.) A Seal is safe for concurrent use.
type Seal struct {
	sources []sealSource // the first seals, all open
	err     error        // found by NewClient
}

// A sealSource is what a key is made from: exactly one of its fields is set.
type sealSource struct {
	key        *sealKey
	passphrase string
	plaintext  bool
}

type sealKey struct {
	id   [4]byte
	aead cipher.AEAD
}

// sealVersion leads every sealed record; a record without it was not sealed.
const (
	sealVersion      = 1
	plaintextVersion = 0
	sealHeader       = 1 + 4 // version, key id
)

// SealKeys seals with the first key and opens with any of them: to rotate, put a
// new key in front and keep the old ones. Resume seals anew what it finds under an old
// key, and Client.Reseal everything else; then the old keys can go. A key is at least
// 32 bytes of randomness, such as `openssl rand 32` gives.
func SealKeys(keys ...[]byte) *Seal {
	s := new(Seal)
	if len(keys) == 0 {
		s.err = errors.New("SealKeys needs a key")
	}
	for i, key := range keys {
		if len(key) < minKey {
			s.err = fmt.Errorf("key %d has %d bytes; at least %d are needed", i+1, len(key), minKey)
			break
		}
		derived, err := newSealKey(key)
		if err != nil {
			s.err = err
			break
		}
		s.sources = append(s.sources, sealSource{key: derived})
	}
	return s
}

// SealPassphrase seals with a key made from a passphrase of at least 12 bytes, by
// Argon2id (RFC 9106: 3 passes over 64 MiB, 4 lanes) and a random salt, which is kept
// in the store. That takes about a tenth of a second, once per Client. Prefer SealKeys
// where nobody has to type the secret.
func SealPassphrase(passphrase string) *Seal {
	s := &Seal{sources: []sealSource{{passphrase: passphrase}}}
	if len(passphrase) < minPassphrase {
		s.err = fmt.Errorf("the passphrase has %d bytes; at least %d are needed", len(passphrase), minPassphrase)
	}
	return s
}

// Plaintext leaves records as they are: tokens and keys are readable by whoever
// reads the store. NewClient logs a warning.
func Plaintext() *Seal { return &Seal{sources: []sealSource{{plaintext: true}}} }

// Opening returns a Seal that seals like s, and also opens what the others have sealed:
// the way from one kind of sealing to another, such as
// SealKeys(key).Opening(SealPassphrase("the old one")). As long as Plaintext is among
// the others, whoever writes to the store can put a record of his own there, so that
// NewClient logs a warning.
func (s *Seal) Opening(others ...*Seal) *Seal {
	all := &Seal{sources: slices.Clone(s.sources), err: s.err}
	for _, other := range others {
		all.sources = append(all.sources, other.sources...)
		all.err = cmp.Or(all.err, other.err)
	}
	return all
}

// plaintext reports whether records that are not sealed are written, or accepted.
func (s *Seal) plaintext() (written, accepted bool) {
	for i, source := range s.sources {
		accepted = accepted || source.plaintext
		written = written || source.plaintext && i == 0
	}
	return written, accepted
}

const (
	minKey        = 32
	minPassphrase = 12

	// The second recommended option of RFC 9106 §4. They are not read from the store:
	// whoever writes there could make them weak. Others need another saltRecord.
	argonTime    = 3
	argonMemory  = 64 << 10 // KiB
	argonThreads = 4
	saltSize     = 16
)

// saltRecord is where the salt of passphrases lies, in clear.
var saltRecord = RecordKey{Kind: RecordMeta, ID: "argon2id-1"}

// newSealKey derives a key and its name from secret.
func newSealKey(secret []byte) (*sealKey, error) {
	derived, err := hkdf.Key(sha256.New, secret, nil, "atproto-go record sealing v1", chacha20poly1305.KeySize+4)
	if err != nil {
		return nil, err
	}
	aead, err := chacha20poly1305.NewX(derived[:chacha20poly1305.KeySize])
	if err != nil {
		return nil, err
	}
	return &sealKey{id: [4]byte(derived[chacha20poly1305.KeySize:]), aead: aead}, nil
}

// A sealer is a Seal at work on a store: it knows the keys of passphrases.
type sealer struct {
	store Store

	mu   sync.Mutex // held while keys are derived
	keys []*sealKey // one for each source, nil for plaintext
	seal *Seal      // nil once keys are there
}

func newSealer(seal *Seal, store Store) *sealer {
	return &sealer{store: store, seal: seal}
}

// ready returns the keys. It derives those of passphrases when it is first called; a
// store that fails meanwhile is asked again next time.
func (s *sealer) ready(ctx context.Context) ([]*sealKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seal == nil {
		return s.keys, nil
	}
	var salt []byte
	keys := make([]*sealKey, len(s.seal.sources))
	for i, source := range s.seal.sources {
		keys[i] = source.key
		if source.passphrase == "" {
			continue
		}
		var err error
		if salt == nil {
			if salt, err = s.salt(ctx); err != nil {
				return nil, err
			}
		}
		secret := argon2.IDKey([]byte(source.passphrase), salt, argonTime, argonMemory, argonThreads, minKey)
		if keys[i], err = newSealKey(secret); err != nil {
			return nil, &Error{Kind: ErrSealed, Stage: StageStorage, Err: err}
		}
	}
	s.keys, s.seal = keys, nil
	return keys, nil
}

// salt returns the salt in the store. Of several processes that find none, one writes.
func (s *sealer) salt(ctx context.Context) ([]byte, error) {
	for {
		r, err := s.store.Get(ctx, saltRecord)
		switch {
		case err == nil && len(r.Data) != saltSize:
			return nil, &Error{Kind: ErrSealed, Stage: StageStorage, Err: fmt.Errorf("the salt of passphrases has %d bytes, not %d", len(r.Data), saltSize)}
		case err == nil:
			return r.Data, nil
		case !errors.Is(err, ErrNotFound):
			return nil, storeError(err)
		}
		fresh := make([]byte, saltSize)
		rand.Read(fresh)
		err = s.store.Put(ctx, &Record{Key: saltRecord, Revision: 1, Data: fresh})
		if err != nil && !errors.Is(err, ErrConflict) {
			return nil, storeError(err)
		}
	}
}

// close seals data as it goes into r.Data. r's key and revision are set.
func (s *sealer) close(ctx context.Context, r *Record, data []byte) ([]byte, error) {
	keys, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	if keys[0] == nil {
		return append([]byte{plaintextVersion}, data...), nil
	}
	return keys[0].seal(data, sealedContext(r)), nil
}

// open returns what was sealed into r.Data, and whether that was done with the first key.
func (s *sealer) open(ctx context.Context, r *Record) (data []byte, current bool, err error) {
	keys, err := s.ready(ctx)
	if err != nil {
		return nil, false, err
	}
	if len(r.Data) > 0 && r.Data[0] == plaintextVersion {
		if i := slices.Index(keys, nil); i >= 0 {
			return r.Data[1:], i == 0, nil
		}
		err = errors.New("is not sealed")
	} else {
		data, current, err = unseal(keys, r.Data, sealedContext(r))
	}
	if err != nil {
		return nil, false, &Error{Kind: ErrSealed, Stage: StageStorage, Err: fmt.Errorf("record %s %s: %w", r.Key.Kind, r.Key.DID, err)}
	}
	return data, current, nil
}

// seal encrypts data and binds it to bound.
func (k *sealKey) seal(data, bound []byte) []byte {
	out := make([]byte, sealHeader+chacha20poly1305.NonceSizeX, sealHeader+chacha20poly1305.NonceSizeX+len(data)+chacha20poly1305.Overhead)
	out[0] = sealVersion
	copy(out[1:], k.id[:])
	nonce := out[sealHeader:]
	rand.Read(nonce)
	return k.aead.Seal(out, nonce, data, bound)
}

// unseal opens what seal made with one of keys, those that are nil apart. It tells
// whether it was the first.
func unseal(keys []*sealKey, sealed, bound []byte) (data []byte, first bool, err error) {
	switch {
	case len(sealed) == 0:
		return nil, false, errors.New("is empty")
	case sealed[0] != sealVersion || len(sealed) < sealHeader+chacha20poly1305.NonceSizeX:
		return nil, false, errors.New("is not of a known form")
	}
	nonce, text := sealed[sealHeader:sealHeader+chacha20poly1305.NonceSizeX], sealed[sealHeader+chacha20poly1305.NonceSizeX:]
	for i, key := range keys {
		if key != nil && key.id == [4]byte(sealed[1:sealHeader]) {
			if data, err := key.aead.Open(nil, nonce, text, bound); err == nil {
				return data, i == 0, nil
			}
			return nil, false, errors.New("was tampered with or moved")
		}
	}
	return nil, false, errors.New("is sealed under a key that was not given")
}

// sealedContext is what a sealed record is bound to: every part of its key, each
// with its length in front, and its revision.
func sealedContext(r *Record) []byte {
	var b []byte
	for _, part := range []string{string(r.Key.Kind), string(r.Key.DID), r.Key.ID} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return binary.BigEndian.AppendUint64(b, r.Revision)
}
