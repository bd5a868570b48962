package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/zalando/go-keyring"

	"github.com/gimucco/atproto-go/oauth/seal"
)

// A keyPlace is where the key is that seals the sessions.
type keyPlace string

const (
	keyInFile    keyPlace = "file" // as is ""
	keyInKeyring keyPlace = "keyring"
)

// keyringService and keyringUser are what the keyring knows the key by.
const keyringService, keyringUser = "atproto", "key of the sessions"

// sealKey returns the key of the sessions. Where there is none, it makes one, if that is
// allowed.
func (p *program) sealKey(place keyPlace, create bool) ([]byte, error) {
	if place != keyInKeyring {
		dir, err := p.folder()
		if err != nil {
			return nil, err
		}
		return seal.KeyFile(filepath.Join(dir, "seal.key"))
	}
	text, err := keyring.Get(keyringService, keyringUser)
	switch {
	case errors.Is(err, keyring.ErrNotFound) && create:
		key := make([]byte, 32)
		rand.Read(key)
		if err := keyring.Set(keyringService, keyringUser, base64.RawURLEncoding.EncodeToString(key)); err != nil {
			return nil, fmt.Errorf("the keyring does not take the key of the sessions: unlock it, or log in without --keyring: %w", err)
		}
		return key, nil
	case errors.Is(err, keyring.ErrNotFound):
		return nil, errors.New("the keyring has no key of the sessions any more, so that none can be read: run atproto logout --all, and log in again")
	case err != nil:
		return nil, fmt.Errorf("the keyring cannot be read: unlock it; where there is none, run atproto logout --all and log in without --keyring: %w", err)
	}
	key, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(key) != 32 {
		return nil, fmt.Errorf("the entry %q of %q in the keyring is not the key of the sessions: take it away, and log in again", keyringUser, keyringService)
	}
	return key, nil
}
