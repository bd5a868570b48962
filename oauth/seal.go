package oauth

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// A Seal encrypts records before they reach a Store: XChaCha20-Poly1305 under a
// key derived by HKDF-SHA-256, bound to the record's kind, key and revision, so
// that a record cannot be changed, moved to another key or replaced by an older
// one of itself unnoticed. (A store that rolls a whole row back, revision
// included, is not noticed.) A Seal is safe for concurrent use.
type Seal struct {
	keys      []sealKey // the first seals, all open
	plaintext bool
	err       error // found by NewClient
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
// new key in front and keep the old ones until their records have been rewritten.
// A key is at least 32 bytes of randomness, such as `openssl rand 32` gives.
func SealKeys(keys ...[]byte) *Seal {
	s := new(Seal)
	if len(keys) == 0 {
		s.err = errors.New("SealKeys needs a key")
	}
	for i, key := range keys {
		if len(key) < 32 {
			s.err = fmt.Errorf("key %d has %d bytes; at least 32 are needed", i+1, len(key))
			break
		}
		derived, err := hkdf.Key(sha256.New, key, nil, "atproto-go record sealing v1", chacha20poly1305.KeySize+4)
		if err != nil {
			s.err = err
			break
		}
		aead, err := chacha20poly1305.NewX(derived[:chacha20poly1305.KeySize])
		if err != nil {
			s.err = err
			break
		}
		s.keys = append(s.keys, sealKey{id: [4]byte(derived[chacha20poly1305.KeySize:]), aead: aead})
	}
	return s
}

// Plaintext leaves records as they are: tokens and keys are readable by whoever
// reads the store. NewClient logs a warning.
func Plaintext() *Seal { return &Seal{plaintext: true} }

// seal returns data as it goes into r.Data. r's key and revision are set.
func (s *Seal) seal(r *Record, data []byte) ([]byte, error) {
	if s.plaintext {
		return append([]byte{plaintextVersion}, data...), nil
	}
	key := s.keys[0]
	out := make([]byte, sealHeader+chacha20poly1305.NonceSizeX, sealHeader+chacha20poly1305.NonceSizeX+len(data)+chacha20poly1305.Overhead)
	out[0] = sealVersion
	copy(out[1:], key.id[:])
	nonce := out[sealHeader:]
	rand.Read(nonce)
	return key.aead.Seal(out, nonce, data, sealedContext(r)), nil
}

// open returns what was sealed into r.Data.
func (s *Seal) open(r *Record) ([]byte, error) {
	fail := func(reason string) ([]byte, error) {
		return nil, &Error{Kind: ErrSealed, Stage: StageStorage, Err: fmt.Errorf("record %s %s: %s", r.Key.Kind, r.Key.DID, reason)}
	}
	switch {
	case len(r.Data) == 0:
		return fail("is empty")
	case r.Data[0] == plaintextVersion && s.plaintext:
		return r.Data[1:], nil
	case r.Data[0] == plaintextVersion:
		return fail("is not sealed")
	case r.Data[0] != sealVersion || len(r.Data) < sealHeader+chacha20poly1305.NonceSizeX:
		return fail("is not of a known form")
	}
	nonce, sealed := r.Data[sealHeader:sealHeader+chacha20poly1305.NonceSizeX], r.Data[sealHeader+chacha20poly1305.NonceSizeX:]
	for _, key := range s.keys {
		if key.id == [4]byte(r.Data[1:sealHeader]) {
			data, err := key.aead.Open(nil, nonce, sealed, sealedContext(r))
			if err != nil {
				return fail("was tampered with or moved")
			}
			return data, nil
		}
	}
	return fail("is sealed under a key that was not given")
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
