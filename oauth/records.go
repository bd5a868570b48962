package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// How long records live in the store: a login, and a session after it was last
// refreshed. Sessions of public clients end after two weeks at the server, those of
// confidential ones after half a year without use (O117); a record that outlives its
// session helps nobody.
const (
	stateLife               = time.Hour
	publicSessionLife       = 14 * 24 * time.Hour
	confidentialSessionLife = 180 * 24 * time.Hour
)

// A SessionKey names a session: an account may have several, one per login.
type SessionKey struct {
	DID syntax.DID
	ID  string
}

func (k SessionKey) record() RecordKey {
	return RecordKey{Kind: RecordSession, DID: k.DID, ID: k.ID}
}

// loginState is what is kept between Authorize and Callback (O57).
type loginState struct {
	Issuer      string            `json:"issuer"`
	ClientID    string            `json:"client_id"`
	RedirectURI string            `json:"redirect_uri"`
	Scope       string            `json:"scope"`
	Verifier    string            `json:"verifier"`
	Binding     string            `json:"binding"` // hash of Login.Binding
	Key         *dpopKey          `json:"dpop_key"`
	ClientKey   string            `json:"client_key,omitempty"`
	Account     syntax.DID        `json:"account,omitempty"` // empty when the server picks the account
	AppState    string            `json:"app_state,omitempty"`
	Nonces      map[string]string `json:"nonces,omitempty"`
	CreatedAt   time.Time         `json:"created_at"`
}

// sessionState is what is kept of a session.
type sessionState struct {
	ClientID           string            `json:"client_id"`
	Issuer             string            `json:"issuer"`
	TokenEndpoint      string            `json:"token_endpoint"`
	RevocationEndpoint string            `json:"revocation_endpoint,omitempty"`
	PDS                string            `json:"pds"`
	Handle             syntax.Handle     `json:"handle"`
	Key                *dpopKey          `json:"dpop_key"`
	ClientKey          string            `json:"client_key,omitempty"` // ID of the key the session is tied to
	Tokens             tokenSet          `json:"tokens"`
	Claim              *claim            `json:"claim,omitempty"`
	Nonces             map[string]string `json:"nonces,omitempty"`
	CreatedAt          time.Time         `json:"created_at"`
	VerifiedAt         time.Time         `json:"verified_at"` // when Issuer was last found to serve the account
}

// life is how long the session lasts without a refresh.
func (s *sessionState) life() time.Duration {
	if s.ClientKey != "" {
		return confidentialSessionLife
	}
	return publicSessionLife
}

// idleEnd is when the session ends unless it is refreshed.
func (s *sessionState) idleEnd() time.Time { return s.Tokens.IssuedAt.Add(s.life()) }

// outlived reports whether the session is as old as servers let it become (O117). Those of
// public clients end however often they are refreshed.
func (s *sessionState) outlived(now time.Time) bool {
	return !now.Before(s.idleEnd()) ||
		s.ClientKey == "" && now.Sub(s.CreatedAt) >= publicSessionLife-clocksApart
}

// clocksApart is how much earlier by its own clock a server may end a session.
const clocksApart = 5 * time.Minute

// A tokenSet is what one answer of the token endpoint granted.
type tokenSet struct {
	Access    string    `json:"access"`
	Refresh   string    `json:"refresh,omitempty"`
	Scope     string    `json:"scope"`
	IssuedAt  time.Time `json:"issued_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// same reports whether t and other came with one answer. Either token alone may stay what it
// is when the other is renewed.
func (t *tokenSet) same(other *tokenSet) bool {
	return t.Access == other.Access && t.Refresh == other.Refresh
}

// expired reports whether the access token's time has run out.
func (t *tokenSet) expired(now time.Time) bool { return !now.Before(t.ExpiresAt) }

// refreshSpan is how long before the end of a token's life it is renewed: a
// minute, or a tenth of a life that is shorter than ten minutes.
func (t *tokenSet) refreshSpan() time.Duration {
	return min(time.Minute, t.ExpiresAt.Sub(t.IssuedAt)/10)
}

// A claim announces a refresh to other processes. While it is live they wait; one
// that was left behind tells them that a refresh may have been sent and its answer
// lost.
type claim struct {
	ID    string    `json:"id"`
	Until time.Time `json:"until"`

	// Open marks a claim whose owner is done but does not know whether the server
	// saw the request. It is not waited for.
	Open bool `json:"open,omitempty"`
}

// load reads and opens a record. It returns the record so that the caller can
// write the next revision.
func (c *Client) load(ctx context.Context, key RecordKey, into any) (*Record, error) {
	r, _, err := c.loadSealed(ctx, key, into)
	return r, err
}

// loadSealed is load, which also tells whether the record is sealed as a new one would
// be.
func (c *Client) loadSealed(ctx context.Context, key RecordKey, into any) (r *Record, current bool, err error) {
	r, err = c.store.Get(ctx, key)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, false, err
	case err != nil:
		return nil, false, storeError(err)
	case !r.Expires.IsZero() && !r.Expires.After(c.now()):
		return nil, false, ErrNotFound
	}
	data, current, err := c.sealer.open(ctx, r)
	if err != nil {
		return nil, false, err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return nil, false, &Error{Kind: ErrSealed, Stage: StageStorage, Err: fmt.Errorf("record %s %s: %w", key.Kind, key.DID, err)}
	}
	return r, current, nil
}

// save seals payload and writes it as the given revision.
func (c *Client) save(ctx context.Context, key RecordKey, revision uint64, expires time.Time, payload any) error {
	data, err := json.Marshal(payload)
	if err != nil {
		return &Error{Kind: ErrStore, Stage: StageStorage, Err: err}
	}
	r := &Record{Key: key, Revision: revision, Expires: expires}
	if r.Data, err = c.sealer.close(ctx, r, data); err != nil {
		return err
	}
	if err := c.store.Put(ctx, r); err != nil {
		if errors.Is(err, ErrConflict) {
			return err
		}
		return storeError(err)
	}
	return nil
}

// storeError wraps a failure of the store that is neither ErrNotFound nor
// ErrConflict, which callers handle themselves.
func storeError(err error) error {
	return &Error{Kind: ErrStore, Stage: StageStorage, Retryable: true, Err: err}
}
