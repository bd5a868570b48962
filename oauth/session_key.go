package oauth

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// MarshalText returns the key as text: its DID, a slash and its ID, such as
// "did:plc:ewvi7nxzyoun6zhxrhs64oiz/3yQXGd9hT0c". Neither part can contain a slash. So keys can be
// columns, flags, and keys of maps in JSON. MarshalText refuses a key that no login made, such as
// the zero value, with ErrSessionUnknown.
//
// The text is not secret: nobody can act for the account with it. It is not protected either:
// anybody can write one. A value that comes back from a browser must be made with
// Client.SealSessionKey.
func (k SessionKey) MarshalText() ([]byte, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	return []byte(string(k.DID) + "/" + k.ID), nil
}

// UnmarshalText reads the output of MarshalText, and refuses anything else with ErrSessionUnknown.
// It does not check that the session exists; Client.Resume does.
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

// check accepts a key of the form that logins make: a DID, and a random text in base64url.
func (k SessionKey) check() error {
	if k == (SessionKey{}) {
		return malformedKey(errors.New("it is empty: use the Key of a Session, or the result of Client.OpenSessionKey"))
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
