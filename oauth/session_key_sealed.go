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

// SealSessionKey returns key in a form that can be given away, such as in a cookie:
// whoever has it cannot read it, change it, or make one of his own. It is sealed by
// Config.Seal. Where that is Plaintext, or sessions are in memory, it is sealed by a key
// that ends with this Client. It fails, with ErrStore, only if the key of a passphrase
// cannot be made because the store does not answer.
func (c *Client) SealSessionKey(ctx context.Context, key SessionKey) (string, error) {
	data, _ := json.Marshal([2]string{string(key.DID), key.ID}) // strings always marshal
	sealed, err := c.given.Close(ctx, c.givenPlace(), data)
	if err != nil {
		return "", givenError(err)
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// OpenSessionKey returns the key that SealSessionKey made sealed of. It fails with
// ErrSessionUnknown, and so with ErrReauthRequired, for anything that SealSessionKey did
// not make or whose key is gone, and with ErrStore as SealSessionKey does.
func (c *Client) OpenSessionKey(ctx context.Context, sealed string) (SessionKey, error) {
	fail := func(err error) (SessionKey, error) {
		return SessionKey{}, &Error{Kind: ErrSessionUnknown, Err: fmt.Errorf("its sealed key: %w", err)}
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil {
		return fail(err)
	}
	data, _, err := c.given.Open(ctx, c.givenPlace(), raw)
	switch _, typed := errors.AsType[*Error](err); {
	case typed, errors.Is(err, sealing.ErrSalt):
		return SessionKey{}, givenError(err) // not the fault of what is to be opened
	case err != nil:
		return fail(err)
	}
	var parts [2]string
	if err := json.Unmarshal(data, &parts); err != nil {
		return fail(err)
	}
	return SessionKey{DID: syntax.DID(parts[0]), ID: parts[1]}, nil
}

// givenError is sealError for what is no record.
func givenError(err error) error {
	if _, typed := errors.AsType[*Error](err); typed {
		return err
	}
	return &Error{Kind: ErrSealed, Err: err}
}

// givenPlace keeps what is given away apart from records, and from other clients'.
func (c *Client) givenPlace() []byte {
	return []byte("session key of " + clientmetadata.Canonical(c.config.ClientID))
}
