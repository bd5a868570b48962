// Package seal encrypts data that is given to a store or a browser. It uses XChaCha20-Poly1305 with
// a key derived by HKDF-SHA-256. The result is bound to the place where the data belongs.
//
// It knows neither stores nor records. Its user says what data is bound to, and keeps the salt for
// passphrases.
package seal

import (
	"cmp"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/chacha20poly1305"
)

// Errors of a Sealer. They complete a sentence about the data: "the record is not sealed".
var (
	// ErrPlaintext: the data is not sealed, but only sealed data is accepted.
	ErrPlaintext = errors.New("is not sealed")
	// ErrForm: the data is empty, or has no known form.
	ErrForm = errors.New("is not of a known form")
	// ErrUnknownKey: the data was sealed with a key that is not among the given ones.
	ErrUnknownKey = errors.New("is sealed under a key that was not given")
	// ErrTampered: the data was changed, or is bound to another place.
	ErrTampered = errors.New("was tampered with or moved")
	// ErrSalt: the stored salt is not valid.
	ErrSalt = errors.New("the salt of passphrases is damaged")
)

const (
	minKey        = 32
	minPassphrase = 12
)

// A Spec says how to seal. It seals with its first source, and opens what any of its sources has
// sealed. For applications it is the Seal of package oauth/seal.
type Spec struct {
	sources []source
	err     error // the first error in it
}

// A source is where a key comes from. Exactly one of its fields is set.
type source struct {
	key        *key
	passphrase *string // a pointer, so that printing the source does not print the passphrase
	plaintext  bool
}

// Keys returns a Spec for keys of at least 32 bytes.
func Keys(secrets ...[]byte) *Spec {
	s := new(Spec)
	if len(secrets) == 0 {
		s.err = errors.New("has no key")
	}
	for i, secret := range secrets {
		if len(secret) < minKey {
			s.err = fmt.Errorf("key %d has %d bytes; at least %d are needed", i+1, len(secret), minKey)
			break
		}
		derived, err := newKey(secret)
		if err != nil {
			s.err = err
			break
		}
		s.sources = append(s.sources, source{key: derived})
	}
	return s
}

// Passphrase returns a Spec for a passphrase of at least 12 bytes.
func Passphrase(passphrase string) *Spec {
	s := &Spec{sources: []source{{passphrase: &passphrase}}}
	if len(passphrase) < minPassphrase {
		s.err = fmt.Errorf("the passphrase has %d bytes; at least %d are needed", len(passphrase), minPassphrase)
	}
	return s
}

// Plaintext returns a Spec that only marks data, without sealing it.
func Plaintext() *Spec { return &Spec{sources: []source{{plaintext: true}}} }

// Join returns a Spec that seals like s, and also opens what the others open.
func (s *Spec) Join(others ...*Spec) *Spec {
	all := &Spec{sources: slices.Clone(s.sources), err: s.err}
	for _, other := range others {
		all.sources = append(all.sources, other.sources...)
		all.err = cmp.Or(all.err, other.err)
	}
	return all
}

// Err returns the first error in s.
func (s *Spec) Err() error {
	if s.err == nil && len(s.sources) == 0 {
		return errors.New("is empty: make it with seal.Keys, seal.Passphrase or seal.Plaintext")
	}
	return s.err
}

// Plaintext reports whether unsealed data is written, and whether it is accepted.
func (s *Spec) Plaintext() (written, accepted bool) {
	for i, source := range s.sources {
		accepted = accepted || source.plaintext
		written = written || source.plaintext && i == 0
	}
	return written, accepted
}

// Sealed data consists of the version, the name of the key, a nonce, and the ciphertext. Unsealed
// data has the version in front.
const (
	plaintextVersion = 0
	sealedVersion    = 1
	headerSize       = 1 + nameSize
	nameSize         = 4
)

// A key seals. Its name distinguishes it from other keys, and reveals nothing about it.
type key struct {
	name [nameSize]byte
	aead cipher.AEAD
}

// newKey derives a key and its name from secret.
func newKey(secret []byte) (*key, error) {
	derived, err := hkdf.Key(sha256.New, secret, nil, "atproto-go record sealing v1", chacha20poly1305.KeySize+nameSize)
	if err != nil {
		return nil, err
	}
	aead, err := chacha20poly1305.NewX(derived[:chacha20poly1305.KeySize])
	if err != nil {
		return nil, err
	}
	return &key{name: [nameSize]byte(derived[chacha20poly1305.KeySize:]), aead: aead}, nil
}

// seal encrypts data and binds it to bound.
func (k *key) seal(bound, data []byte) []byte {
	const front = headerSize + chacha20poly1305.NonceSizeX
	out := make([]byte, front, front+len(data)+chacha20poly1305.Overhead)
	out[0] = sealedVersion
	copy(out[1:], k.name[:])
	nonce := out[headerSize:]
	rand.Read(nonce)
	return k.aead.Seal(out, nonce, data, bound)
}

// open opens what one of keys has sealed; nil keys are skipped. It reports whether that was the
// first key.
func open(keys []*key, bound, sealed []byte) (data []byte, first bool, err error) {
	const front = headerSize + chacha20poly1305.NonceSizeX
	switch {
	case len(sealed) > 0 && sealed[0] == plaintextVersion:
		return nil, false, ErrPlaintext
	case len(sealed) < front || sealed[0] != sealedVersion:
		return nil, false, ErrForm
	}
	for i, k := range keys {
		if k == nil || k.name != [nameSize]byte(sealed[1:headerSize]) {
			continue
		}
		data, err := k.aead.Open(nil, sealed[headerSize:front], sealed[front:], bound)
		if err != nil {
			return nil, false, ErrTampered
		}
		return data, i == 0, nil
	}
	return nil, false, ErrUnknownKey
}
