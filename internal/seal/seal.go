// Package seal encrypts what is given away to a store or a browser: XChaCha20-Poly1305
// under a key derived by HKDF-SHA-256, bound to the place that the sealed data belong to.
//
// It knows neither stores nor records. Whoever uses it says what data are bound to, and
// keeps the salt that keys of passphrases are made with.
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

// What a Sealer fails with. They complete a sentence about the data: "the record is not
// sealed".
var (
	// ErrPlaintext: the data are not sealed, and only sealed ones are taken.
	ErrPlaintext = errors.New("is not sealed")
	// ErrForm: the data are empty, or not of a form that is known.
	ErrForm = errors.New("is not of a known form")
	// ErrUnknownKey: the data are sealed under a key that was not given.
	ErrUnknownKey = errors.New("is sealed under a key that was not given")
	// ErrTampered: the data were changed, or are bound to another place.
	ErrTampered = errors.New("was tampered with or moved")
	// ErrSalt: the salt that was kept is not one.
	ErrSalt = errors.New("the salt of passphrases is damaged")
)

const (
	minKey        = 32
	minPassphrase = 12
)

// A Spec says how to seal: by its first source. It opens what any of its sources sealed.
// Package oauth/seal gives it to applications under the name of Seal.
type Spec struct {
	sources []source
	err     error // the first thing that is wrong with it
}

// A source is what a key is made from: exactly one of its fields is set.
type source struct {
	key        *key
	passphrase *string // behind a pointer, so that nothing that prints the source prints it
	plaintext  bool
}

// Keys is a Spec of keys of at least 32 bytes.
func Keys(secrets ...[]byte) *Spec {
	s := new(Spec)
	if len(secrets) == 0 {
		s.err = errors.New("no key is given")
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

// Passphrase is a Spec of a passphrase of at least 12 bytes.
func Passphrase(passphrase string) *Spec {
	s := &Spec{sources: []source{{passphrase: &passphrase}}}
	if len(passphrase) < minPassphrase {
		s.err = fmt.Errorf("the passphrase has %d bytes; at least %d are needed", len(passphrase), minPassphrase)
	}
	return s
}

// Plaintext is a Spec that leaves data as they are, but for a mark.
func Plaintext() *Spec { return &Spec{sources: []source{{plaintext: true}}} }

// Join returns a Spec that seals as s does, and opens what any of the others opens.
func (s *Spec) Join(others ...*Spec) *Spec {
	all := &Spec{sources: slices.Clone(s.sources), err: s.err}
	for _, other := range others {
		all.sources = append(all.sources, other.sources...)
		all.err = cmp.Or(all.err, other.err)
	}
	return all
}

// Err returns what is wrong with s.
func (s *Spec) Err() error {
	if s.err == nil && len(s.sources) == 0 {
		return errors.New("is empty: make it by seal.Keys, seal.Passphrase or seal.Plaintext")
	}
	return s.err
}

// Plaintext reports whether data that are not sealed are written, or accepted.
func (s *Spec) Plaintext() (written, accepted bool) {
	for i, source := range s.sources {
		accepted = accepted || source.plaintext
		written = written || source.plaintext && i == 0
	}
	return written, accepted
}

// Sealed data are the version, the name of the key, a nonce, and the ciphertext. Data
// that are not sealed have the version in front.
const (
	plaintextVersion = 0
	sealedVersion    = 1
	headerSize       = 1 + nameSize
	nameSize         = 4
)

// A key seals. Its name tells it from other keys, and nothing about it.
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

// open opens what one of keys sealed, those that are nil apart. It tells whether it was
// the first.
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
