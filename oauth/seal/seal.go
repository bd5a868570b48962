// Package seal says how records are encrypted before they are stored:
//
//	config.Store = sqlstore.New(db, sqlstore.Postgres)
//	config.Seal = seal.Keys(newKey, oldKey)
//
// Records are encrypted with XChaCha20-Poly1305, under a key derived with HKDF-SHA-256. The
// encryption is bound to the record's kind, key and revision. So nobody can change a record, move
// it to another key, or replace it by an older version without being noticed. (If the store
// restores a whole old row, with its revision, nobody notices that.)
package seal

import "github.com/gimucco/atproto-go/internal/seal"

// A Seal is a way to encrypt records. Keys, Passphrase and Plaintext return one. They do not report
// errors; the function that receives the Seal does, for example oauth.NewClient. A Seal is safe for
// concurrent use.
//
// Its definition uses an internal type, so that packages of this module can convert it and nobody
// else can see its content.
type Seal seal.Spec

// Keys encrypts with the first key and decrypts with any of them. To rotate keys, put a new key
// first and keep the old ones. A session is encrypted again when it is resumed; Client.Reseal of
// package oauth does it for all. After that you can remove the old keys. A key is at least 32
// random bytes, for example from `openssl rand 32`.
func Keys(keys ...[]byte) *Seal { return (*Seal)(seal.Keys(keys...)) }

// Passphrase encrypts with a key that is derived from a passphrase of at least 12 bytes, by
// Argon2id (RFC 9106: 3 passes over 64 MiB, 4 lanes) with a random salt. The salt is kept in the
// store. The derivation takes about a tenth of a second, once per client. Use Keys instead if
// nobody has to type the secret.
func Passphrase(passphrase string) *Seal { return (*Seal)(seal.Passphrase(passphrase)) }

// Plaintext does not encrypt records: everybody who can read the store can read the tokens and
// keys. A client logs a warning.
func Plaintext() *Seal { return (*Seal)(seal.Plaintext()) }

// AlsoOpening returns a Seal that encrypts like s and can also decrypt what the others have
// encrypted. Use it to change from one Seal to another, as in Keys(key).AlsoOpening(Passphrase("the
// old one")). While Plaintext is one of the others, everybody who can write to the store can insert
// records of their own; a client logs a warning.
func (s *Seal) AlsoOpening(others ...*Seal) *Seal {
	specs := make([]*seal.Spec, len(others))
	for i, other := range others {
		specs[i] = (*seal.Spec)(other)
	}
	return (*Seal)((*seal.Spec)(s).Join(specs...))
}
