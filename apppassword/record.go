package apppassword

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/gimucco/atproto-go/internal/keeper"
	"github.com/gimucco/atproto-go/internal/token"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// sessionKeep is how long a record is kept after new tokens. The reference server ends a session
// after 90 days without a refresh, and has no other limit.
const sessionKeep = 100 * 24 * time.Hour

// A SessionKey identifies a session. An account may have several sessions, one for each login. It
// is not secret: nobody can act for the account with it.
type SessionKey struct {
	DID syntax.DID // the account
	ID  string     // the session's own ID
}

func (k SessionKey) record() store.RecordKey {
	return store.RecordKey{Kind: store.RecordAppPassword, DID: k.DID, ID: k.ID}
}

func (k SessionKey) ending() store.RecordKey {
	return store.RecordKey{Kind: store.RecordEnding, DID: k.DID, ID: k.ID}
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
	Host      string        `json:"host"`   // origin of the account's server
	Handle    syntax.Handle `json:"handle"` // the handle that the server reports
	Login     string        `json:"login"`  // identifies the login that made it: see loginName
	Tokens    tokenSet      `json:"tokens"`
	CreatedAt time.Time     `json:"created_at"`
}

// A tokenSet is the result of a login or a refresh.
type tokenSet struct {
	Access  string `json:"access"`
	Refresh string `json:"refresh"`
	token.Life
}

func sameTokens(a, b *sessionState) bool {
	return a.Tokens.Access == b.Tokens.Access && a.Tokens.Refresh == b.Tokens.Refresh
}
