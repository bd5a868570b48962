package oauth

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// SealKey returns key in a form that can be given away, such as in a cookie: whoever has
// it cannot read it, change it, or make one of his own. It is sealed by Config.Seal.
// Where that is Plaintext, or sessions are in memory, it is sealed by a key that ends
// with this Client. It fails, with ErrStore, only if the key of a passphrase cannot be
// made because the store does not answer.
func (c *Client) SealKey(ctx context.Context, key SessionKey) (string, error) {
	keys, err := c.givenKeys(ctx)
	if err != nil {
		return "", err
	}
	data, _ := json.Marshal([2]string{string(key.DID), key.ID}) // strings always marshal
	return base64.RawURLEncoding.EncodeToString(keys[0].seal(data, c.givenContext())), nil
}

// OpenKey returns the key that SealKey made sealed of. It fails with ErrSessionUnknown,
// and so with ErrReauthRequired, for anything that SealKey did not make or whose key is
// gone, and with ErrStore as SealKey does.
func (c *Client) OpenKey(ctx context.Context, sealed string) (SessionKey, error) {
	keys, err := c.givenKeys(ctx)
	if err != nil {
		return SessionKey{}, err
	}
	fail := func(err error) (SessionKey, error) {
		return SessionKey{}, &Error{Kind: ErrSessionUnknown, Stage: StageSession, Err: fmt.Errorf("its sealed key: %w", err)}
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil {
		return fail(err)
	}
	data, _, err := unseal(keys, raw, c.givenContext())
	if err != nil {
		return fail(err)
	}
	var parts [2]string
	if err := json.Unmarshal(data, &parts); err != nil {
		return fail(err)
	}
	return SessionKey{DID: syntax.DID(parts[0]), ID: parts[1]}, nil
}

// givenKeys are the keys for what is given away: those of Config.Seal without plaintext,
// which anybody could make.
func (c *Client) givenKeys(ctx context.Context) ([]*sealKey, error) {
	keys, err := c.sealer.ready(ctx)
	if err != nil {
		return nil, err
	}
	if keys[0] != nil {
		return keys, nil
	}
	c.ownKeyOnce.Do(func() {
		secret := make([]byte, minKey)
		rand.Read(secret)
		c.ownKey, c.ownKeyErr = newSealKey(secret)
	})
	if c.ownKeyErr != nil {
		return nil, &Error{Kind: ErrSealed, Stage: StageSession, Err: c.ownKeyErr}
	}
	return []*sealKey{c.ownKey}, nil
}

// givenContext keeps what is given away apart from records, and from other clients'.
func (c *Client) givenContext() []byte { return []byte("session key of " + c.config.ClientID) }
