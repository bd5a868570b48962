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

// How long records are kept: a login, and a session after it got new tokens. Servers end a session
// after three months without use, and every session after two years. A record that lives longer
// than its session is useless, so the times are these with a margin. Many servers give public
// clients less time; the records of their sessions go when their tokens are refused.
const (
	stateLife     = time.Hour
	sessionKeep   = 100 * 24 * time.Hour
	sessionMargin = 10 * 24 * time.Hour
)

// How long servers keep sessions without a refresh, and in all (O117). The client refuses nothing
// because of these times: they explain why a server has refused.
const (
	publicSessionLife       = 14 * 24 * time.Hour
	confidentialSessionIdle = 90 * 24 * time.Hour
	confidentialSessionLife = 2 * 365 * 24 * time.Hour
)

// A SessionKey identifies a session. An account may have several sessions, one for each login.
type SessionKey struct {
	DID syntax.DID // the account
	ID  string     // the session's own ID
}

func (k SessionKey) record() store.RecordKey {
	return store.RecordKey{Kind: store.RecordSession, DID: k.DID, ID: k.ID}
}

// loginState is stored between Authorize and Callback (O57).
type loginState struct {
	Issuer      string            `json:"issuer"`
	ClientID    string            `json:"client_id"`
	RedirectURI string            `json:"redirect_uri"`
	Scope       string            `json:"scope"`
	Verifier    string            `json:"verifier"`
	Binding     string            `json:"binding"` // hash of Login.Binding
	Key         *dpopKey          `json:"dpop_key"`
	ClientKey   string            `json:"client_key,omitempty"`
	Account     syntax.DID        `json:"account,omitempty"` // empty if the user chooses the account at the server
	AppState    string            `json:"app_state,omitempty"`
	Lost        string            `json:"lost,omitempty"`     // ID of the lost session of Account for which Web asks again
	Identity    bool              `json:"identity,omitempty"` // WithIdentityOnly: only find out who the user is
	Nonces      map[string]string `json:"nonces,omitempty"`
	CreatedAt   time.Time         `json:"created_at"`
}

// recordVersion is the version of the records that this package writes. Later versions of this
// package can read it.
const recordVersion = 1

// A sessionRecord is a session in the store: its state, and the claim of the process that is about
// to refresh it.
type sessionRecord struct {
	Version int `json:"v"`
	sessionState
	Claim *keeper.Claim `json:"claim,omitempty"`
}

// MarshalJSON writes the version of this package.
func (r *sessionRecord) MarshalJSON() ([]byte, error) {
	type plain sessionRecord
	stamped := plain(*r)
	stamped.Version = recordVersion
	return json.Marshal(stamped)
}

// UnmarshalJSON refuses a record of a later version, because this version may misread it.
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

// sessionState is everything that is known about a session.
type sessionState struct {
	ClientID           string            `json:"client_id"`
	Asked              string            `json:"asked,omitempty"` // the scope of the login; Tokens holds the granted one
	Issuer             string            `json:"issuer"`
	TokenEndpoint      string            `json:"token_endpoint"`
	RevocationEndpoint string            `json:"revocation_endpoint,omitempty"`
	PDS                string            `json:"pds"`
	Handle             syntax.Handle     `json:"handle"`
	Key                *dpopKey          `json:"dpop_key"`
	ClientKey          string            `json:"client_key,omitempty"` // ID of the session's client key
	Tokens             tokenSet          `json:"tokens"`
	Nonces             map[string]string `json:"nonces,omitempty"`
	CreatedAt          time.Time         `json:"created_at"`
	VerifiedAt         time.Time         `json:"verified_at"`           // when Issuer was last verified to serve the account
	HandleAt           time.Time         `json:"handle_at"`             // when Handle was last verified
	EndpointsAt        time.Time         `json:"endpoints_at,omitzero"` // when Issuer last named its endpoints
}

// idleEnd is when the session ends if it is not refreshed.
func (s *sessionState) idleEnd() time.Time {
	if s.ClientKey != "" {
		return s.Tokens.IssuedAt.Add(confidentialSessionIdle)
	}
	return s.Tokens.IssuedAt.Add(publicSessionLife)
}

// outlived reports whether the session has reached the maximum age that servers allow, no matter
// how often it was refreshed.
func (s *sessionState) outlived(now time.Time) bool {
	life := publicSessionLife
	if s.ClientKey != "" {
		life = confidentialSessionLife
	}
	return !now.Before(s.idleEnd()) || now.Sub(s.CreatedAt) >= life-clocksApart
}

// keep is how long the record of a session with new tokens is kept. The server just issued tokens,
// so the session lives on, whatever its age by our clock is.
func (s *sessionState) keep(now time.Time) time.Duration {
	left := s.CreatedAt.Add(confidentialSessionLife + sessionMargin).Sub(now)
	return min(sessionKeep, max(left, sessionMargin))
}

// over reports whether the login is too old to be completed. It does not use the record's own time,
// because that is not sealed (P124).
func (l *loginState) over(now time.Time) bool {
	return now.Sub(l.CreatedAt) >= stateLife
}

// clocksApart is how much earlier, by its own clock, a server may end a session.
const clocksApart = 5 * time.Minute

// A tokenSet is what one answer of the token endpoint granted.
type tokenSet struct {
	Access  string `json:"access"`
	Refresh string `json:"refresh,omitempty"`
	Scope   string `json:"scope"`
	token.Life
}

// same reports whether t and other came with the same answer. When one of the two tokens is
// renewed, the other may stay the same.
func (t *tokenSet) same(other *tokenSet) bool {
	return t.Access == other.Access && t.Refresh == other.Refresh
}

// isDue reports whether the tokens expire soon and can be refreshed.
func (t *tokenSet) isDue(now time.Time, part float64) bool {
	return t.Refresh != "" && t.IsDue(now, part)
}

// load reads and opens a record. It returns the record too, so that the caller can write the next
// revision.
func (c *Client) load(ctx context.Context, key store.RecordKey, into any) (*store.Record, error) {
	r, _, err := c.vault.Load(ctx, key, into)
	return r, err
}

// save seals payload and writes it at the given revision. keep has the meaning of Record.Keep.
func (c *Client) save(ctx context.Context, key store.RecordKey, revision uint64, keep time.Duration, payload any) error {
	return c.vault.Save(ctx, key, revision, keep, payload)
}

// storeError wraps a failure of the store. It is not for ErrNotFound and ErrConflict, which the
// callers handle.
func storeError(err error) error {
	return &Error{Kind: ErrStore, Retryable: true, Err: err}
}
