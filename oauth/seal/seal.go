// Package seal says how records are encrypted before they reach a store:
//
//	config.Store = sqlstore.New(db, sqlstore.Postgres)
//	config.Seal = seal.Keys(newKey, oldKey)
//
// Sealing is XChaCha20-Poly1305 under a key derived by HKDF-SHA-256, bound to the
// record's kind, key and revision, so that a record cannot be changed, moved to another
// key or replaced by an older one of itself unnoticed. (A store that rolls a whole row
// back, revision included, is not noticed.)
package seal

import "github.com/gimucco/atproto-go/internal/seal"

// A Seal is a way to encrypt records. Keys, Passphrase and Plaintext make one; what is
// wrong with it is said by whoever is given it, such as oauth.NewClient. A Seal is safe
// for concurrent use.
//
// It is defined by the type of the machinery below it, so that packages of this module
// convert one into the other and nobody else sees what is inside.
type Seal seal.Spec

// Keys seals with the first key and opens with any of them: to rotate, put a new key in
// front and keep the old ones. A session is sealed anew when it is resumed, everything
// else by Client.Reseal of package oauth; then the old keys can go. A key is at least 32
// bytes of randomness, such as `openssl rand 32` gives.
func Keys(keys ...[]byte) *Seal { return (*Seal)(seal.Keys(keys...)) }

// Passphrase seals with a key made from a passphrase of at least 12 bytes, by Argon2id
// (RFC 9106: 3 passes over 64 MiB, 4 lanes) and a random salt, which is kept in the store.
// That takes about a tenth of a second, once per client. Prefer Keys where nobody has to
// type the secret.
func Passphrase(passphrase string) *Seal { return (*Seal)(seal.Passphrase(passphrase)) }

// Plaintext leaves records as they are: tokens and keys are readable by whoever reads the
// store. A client logs a warning.
func Plaintext() *Seal { return (*Seal)(seal.Plaintext()) }

// AlsoOpening returns a Seal that seals like s, and also opens what the others have
// sealed: the way from one kind of sealing to another, such as
// Keys(key).AlsoOpening(Passphrase("the old one")). As long as Plaintext is among the
// others, whoever writes to the store can put a record of his own there, so that a client
// logs a warning.
func (s *Seal) AlsoOpening(others ...*Seal) *Seal {
	specs := make([]*seal.Spec, len(others))
	for i, other := range others {
		specs[i] = (*seal.Spec)(other)
	}
	return (*Seal)((*seal.Spec)(s).Join(specs...))
}
