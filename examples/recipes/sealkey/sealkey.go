// Package sealkey keeps the key that seals sessions in the keyring of the user's system, by zalando/go-keyring.
package sealkey

import (
	"crypto/rand"
	"encoding/base64"
	"errors"

	"github.com/zalando/go-keyring"
)

// Get returns the key of a program, for seal.Keys. The first time it makes one.
func Get(program string) ([]byte, error) {
	secret, err := keyring.Get(program, "seal key")
	if errors.Is(err, keyring.ErrNotFound) {
		key := make([]byte, 32)
		rand.Read(key)
		secret = base64.StdEncoding.EncodeToString(key)
		err = keyring.Set(program, "seal key", secret)
	}
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(secret)
}
