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

// sessionKeep is how long a record is kept after it was given tokens. The reference server ends a
// session that was not refreshed for 90 days, and no other.
const sessionKeep = 100 * 24 * time.Hour

// A SessionKey names a session: an account may have several, one per login. It is no secret: nobody
// can act for the account with it.
type SessionKey struct {
	DID syntax.DID
	ID  string
}

func (k SessionKey) record() store.RecordKey {
	return store.RecordKey{Kind: store.RecordAppPassword, DID: k.DID, ID: k.ID}
}

func (k SessionKey) ending() store.RecordKey {
	return store.RecordKey{Kind: store.RecordEnding, DID: k.DID, ID: k.ID}
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
	Host      string        `json:"host"`   // origin of the account's server
	Handle    syntax.Handle `json:"handle"` // as the server says
	Login     string        `json:"login"`  // which login made it: see loginName
	Tokens    tokenSet      `json:"tokens"`
	CreatedAt time.Time     `json:"created_at"`
}

// A tokenSet is what a login or a refresh gave.
type tokenSet struct {
	Access  string `json:"access"`
	Refresh string `json:"refresh"`
	token.Life
}

func sameTokens(a, b *sessionState) bool {
	return a.Tokens.Access == b.Tokens.Access && a.Tokens.Refresh == b.Tokens.Refresh
}
