package oauth

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// MarshalText writes the key as its DID, a slash and its ID, such as
// "did:plc:ewvi7nxzyoun6zhxrhs64oiz/3yQXGd9hT0c"; neither part can hold a slash. So keys can
// be columns, flags, and keys of maps in JSON. A key that no login made, such as the zero
// one, is refused with ErrSessionUnknown.
//
// The text is no secret: nobody can act for the account with it. Nor is it authentic: anybody
// can write one. A value that comes back from a browser has to be made by Client.SealKey.
func (k SessionKey) MarshalText() ([]byte, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	return []byte(string(k.DID) + "/" + k.ID), nil
}

// UnmarshalText reads what MarshalText writes, and refuses anything else with
// ErrSessionUnknown. Whether there is such a session is for Client.Resume to say.
func (k *SessionKey) UnmarshalText(text []byte) error {
	did, id, found := strings.Cut(string(text), "/")
	if !found {
		return malformedKey(errors.New("it has no slash"))
	}
	key := SessionKey{DID: syntax.DID(did), ID: id}
	if err := key.check(); err != nil {
		return err
	}
	*k = key
	return nil
}

// check holds a key to what logins make: an account, and a random string in base64url.
func (k SessionKey) check() error {
	if k == (SessionKey{}) {
		return malformedKey(errors.New("it is empty: use Key of a Session, or what Client.OpenSessionKey returns"))
	}
	if _, err := syntax.ParseDID(string(k.DID)); err != nil {
		return malformedKey(err)
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	if k.ID == "" || strings.Trim(k.ID, alphabet) != "" {
		return malformedKey(fmt.Errorf("%q is not the ID of a session", k.ID))
	}
	return nil
}

func malformedKey(cause error) error {
	return &Error{Kind: ErrSessionUnknown, Err: fmt.Errorf("session key: %w", cause)}
}
