package oauth

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/gimucco/atproto-go/internal/keeper"
	"github.com/gimucco/atproto-go/internal/token"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// How long records are kept: a login, and a session after it was given tokens. Servers
// end a session that was not used for three months, and every session after two years; a
// record that outlives its session helps nobody, but for the margin that makes sure that
// it does. Public clients get less from most servers, and the same from some: what is
// kept for nothing goes when its tokens are refused.
const (
	stateLife     = time.Hour
	sessionKeep   = 100 * 24 * time.Hour
	sessionMargin = 10 * 24 * time.Hour
)

// How long servers let sessions live without a refresh, and altogether (O117). Nothing is
// refused by these times: they tell why a server has refused.
const (
	publicSessionLife       = 14 * 24 * time.Hour
	confidentialSessionIdle = 90 * 24 * time.Hour
	confidentialSessionLife = 2 * 365 * 24 * time.Hour
)

// A SessionKey names a session: an account may have several, one per login.
type SessionKey struct {
	DID syntax.DID
	ID  string
}

func (k SessionKey) record() store.RecordKey {
	return store.RecordKey{Kind: store.RecordSession, DID: k.DID, ID: k.ID}
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
	Lost        string            `json:"lost,omitempty"`     // ID of the session of Account that a Web asks for anew
	Identity    bool              `json:"identity,omitempty"` // who it is, and no session
	Nonces      map[string]string `json:"nonces,omitempty"`
	CreatedAt   time.Time         `json:"created_at"`
}

// recordVersion is the form of the records that are written. Later versions of this package
// read it, too.
const recordVersion = 1

// A sessionRecord is what is stored of a session: its state, and the claim of who is about
// to refresh it.
type sessionRecord struct {
	Version int `json:"v"`
	sessionState
	Claim *keeper.Claim `json:"claim,omitempty"`
}

// MarshalJSON writes the version that this package writes.
func (r *sessionRecord) MarshalJSON() ([]byte, error) {
	type plain sessionRecord
	stamped := plain(*r)
	stamped.Version = recordVersion
	return json.Marshal(stamped)
}

// UnmarshalJSON refuses what a later version has written and this one may misread.
func (r *sessionRecord) UnmarshalJSON(data []byte) error {
	type plain sessionRecord
	if err := json.Unmarshal(data, (*plain)(r)); err != nil {
		return err
	}
	if r.Version > recordVersion {
		return fmt.Errorf("version %d is newer than this program, which knows version %d", r.Version, recordVersion)
	}
	return nil
}

// sessionState is what is known of a session.
type sessionState struct {
	ClientID           string            `json:"client_id"`
	Asked              string            `json:"asked,omitempty"` // the scope of the login; what was granted is in Tokens
	Issuer             string            `json:"issuer"`
	TokenEndpoint      string            `json:"token_endpoint"`
	RevocationEndpoint string            `json:"revocation_endpoint,omitempty"`
	PDS                string            `json:"pds"`
	Handle             syntax.Handle     `json:"handle"`
	Key                *dpopKey          `json:"dpop_key"`
	ClientKey          string            `json:"client_key,omitempty"` // ID of the key the session is tied to
	Tokens             tokenSet          `json:"tokens"`
	Nonces             map[string]string `json:"nonces,omitempty"`
	CreatedAt          time.Time         `json:"created_at"`
	VerifiedAt         time.Time         `json:"verified_at"`           // when Issuer was last found to serve the account
	HandleAt           time.Time         `json:"handle_at"`             // when Handle was last found to be the account's
	EndpointsAt        time.Time         `json:"endpoints_at,omitzero"` // when Issuer last named its endpoints
}

// idleEnd is when the session ends unless it is refreshed.
func (s *sessionState) idleEnd() time.Time {
	if s.ClientKey != "" {
		return s.Tokens.IssuedAt.Add(confidentialSessionIdle)
	}
	return s.Tokens.IssuedAt.Add(publicSessionLife)
}

// outlived reports whether the session is as old as servers let it become, however often
// it was refreshed.
func (s *sessionState) outlived(now time.Time) bool {
	life := publicSessionLife
	if s.ClientKey != "" {
		life = confidentialSessionLife
	}
	return !now.Before(s.idleEnd()) || now.Sub(s.CreatedAt) >= life-clocksApart
}

// keep is how long the record of a session is kept that has new tokens. A session that
// was given some now lives on, whatever our clock says of its age.
func (s *sessionState) keep(now time.Time) time.Duration {
	left := s.CreatedAt.Add(confidentialSessionLife + sessionMargin).Sub(now)
	return min(sessionKeep, max(left, sessionMargin))
}

// over reports whether the login is too old to be ended. The record's own time is no part
// of that: it was not sealed (P124).
func (l *loginState) over(now time.Time) bool {
	return now.Sub(l.CreatedAt) >= stateLife
}

// clocksApart is how much earlier by its own clock a server may end a session.
const clocksApart = 5 * time.Minute

// A tokenSet is what one answer of the token endpoint granted.
type tokenSet struct {
	Access  string `json:"access"`
	Refresh string `json:"refresh,omitempty"`
	Scope   string `json:"scope"`
	token.Life
}

// same reports whether t and other came with one answer. Either token alone may stay what it
// is when the other is renewed.
func (t *tokenSet) same(other *tokenSet) bool {
	return t.Access == other.Access && t.Refresh == other.Refresh
}

// isDue reports whether the tokens will run out soon, and can be renewed.
func (t *tokenSet) isDue(now time.Time, part float64) bool {
	return t.Refresh != "" && t.IsDue(now, part)
}

// load reads and opens a record. It returns the record so that the caller can write the next
// revision.
func (c *Client) load(ctx context.Context, key store.RecordKey, into any) (*store.Record, error) {
	r, _, err := c.vault.Load(ctx, key, into)
	return r, err
}

// save seals payload and writes it as the given revision. keep is that of a Record.
func (c *Client) save(ctx context.Context, key store.RecordKey, revision uint64, keep time.Duration, payload any) error {
	return c.vault.Save(ctx, key, revision, keep, payload)
}

// storeError wraps a failure of the store that is neither ErrNotFound nor
// ErrConflict, which callers handle themselves.
func storeError(err error) error {
	return &Error{Kind: ErrStore, Retryable: true, Err: err}
}
