package oauth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/gimucco/atproto-go/internal/clientmetadata"
	sealing "github.com/gimucco/atproto-go/internal/seal"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// SealSessionKey encrypts key, so that you can give it away, for example in a cookie. Whoever has
// the result cannot read it, change it, or make another one. The key for this is that of
// Config.Seal. If Config.Seal is Plaintext, or if sessions are kept in memory, it is a key that
// ends with this Client. SealSessionKey fails, with ErrStore, only if the key of a passphrase
// cannot be made because the store does not answer.
func (c *Client) SealSessionKey(ctx context.Context, key SessionKey) (string, error) {
	data, _ := json.Marshal([2]string{string(key.DID), key.ID}) // strings always marshal
	sealed, err := c.given.Close(ctx, c.givenPlace(), data)
	if err != nil {
		return "", givenError(err)
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// OpenSessionKey decrypts a value that SealSessionKey returned, and returns the session's key. It
// fails with ErrSessionUnknown (and so ErrReauthRequired) for a value that SealSessionKey did not
// make, or that was sealed with a key that is gone. It fails with ErrStore in the same case as
// SealSessionKey.
func (c *Client) OpenSessionKey(ctx context.Context, sealed string) (SessionKey, error) {
	fail := func(err error) (SessionKey, error) {
		return SessionKey{}, &Error{Kind: ErrSessionUnknown, Err: fmt.Errorf("opening its sealed key: %w", err)}
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil {
		return fail(err)
	}
	data, _, err := c.given.Open(ctx, c.givenPlace(), raw)
	switch _, typed := errors.AsType[*Error](err); {
	case typed, errors.Is(err, sealing.ErrSalt):
		return SessionKey{}, givenError(err) // the sealed value is not the cause
	case err != nil:
		return fail(err)
	}
	var parts [2]string
	if err := json.Unmarshal(data, &parts); err != nil {
		return fail(err)
	}
	return SessionKey{DID: syntax.DID(parts[0]), ID: parts[1]}, nil
}

// givenError is sealError for a value that is not a record.
func givenError(err error) error {
	if _, typed := errors.AsType[*Error](err); typed {
		return err
	}
	return &Error{Kind: ErrSealed, Err: err}
}

// givenPlace separates sealed values for others from records, and from those of other clients.
func (c *Client) givenPlace() []byte {
	return []byte("session key of " + clientmetadata.Canonical(c.config.ClientID))
}
