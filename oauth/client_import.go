package oauth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/internal/token"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// An ImportedSession is a session as another program kept it.
type ImportedSession struct {
	DID syntax.DID
	// ClientID is the client that the session was granted to. It has to be Config.ClientID: servers
	// give no other client new tokens.
	ClientID string
	// Issuer is the authorization server that granted it, an https origin.
	Issuer string
	// Scope is what was granted, separated by spaces.
	Scope string

	AccessToken, RefreshToken string

	// Expires is when the access token ends; zero: it is renewed by the first call.
	Expires time.Time
	// Began is when the user logged in, and Refreshed when the tokens were given; zero: now.
	Began, Refreshed time.Time

	// Key is the private key that the tokens are bound to (DPoP), an *ecdsa.PrivateKey on P-256. Where
	// it is text, ParseClientKeys reads it.
	Key crypto.Signer

	// ClientKeyID is the kid of the client key that the session was begun with, which is one of
	// Config.ClientKeys. "" for a public client, and for one with a single key.
	ClientKeyID string
}

// LogValue keeps tokens and key out of logs.
func (s ImportedSession) LogValue() slog.Value {
	return slog.GroupValue(slog.String("did", string(s.DID)), slog.String("issuer", s.Issuer))
}

// String returns the account and the issuer, and no secret.
func (s ImportedSession) String() string {
	return fmt.Sprintf("session of %s at %s, to be imported", s.DID, s.Issuer)
}

// Format writes what String returns, whatever the verb.
func (s ImportedSession) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// MarshalText writes what String returns: what stores tokens, sealed, is Import.
func (s ImportedSession) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Import takes a session over that another client of the AT Protocol has kept, so that its
// user need not log in again. It makes sure that the account's server still names the issuer,
// and stores the session; the user's browser or the caller's own tables get its Key. The tokens
// are not used: the first call shows whether they are still good.
//
// Stop the old program before. A refresh token works once: when both programs renew a session,
// the server ends it. A session is imported once: its ID is made from what does not change about
// it, so that a second Import returns the session of the first, with the tokens that it has
// by now. One that has ended here meanwhile comes back, with tokens that are of no use any more.
//
// Errors: ErrConfig names what is missing or does not fit this client, ErrIssuerChanged, ErrUnresolved,
// ErrInvalidMetadata, ErrNetwork, ErrStore.
func (c *Client) Import(ctx context.Context, s ImportedSession) (*Session, error) {
	key, err := c.checkImport(&s)
	if err != nil {
		return nil, err
	}
	imported := SessionKey{DID: s.DID, ID: importedID(&s, key)}
	known, err := c.Resume(ctx, imported)
	if !errors.Is(err, ErrSessionUnknown) {
		return known, err
	}
	account, err := c.verifyAuthority(ctx, s.DID, s.Issuer)
	if err != nil {
		return nil, err
	}
	server, err := c.serverOf(ctx, s.Issuer)
	if err != nil {
		return nil, err
	}
	now := c.now()
	state := &sessionState{
		ClientID: s.ClientID, Asked: c.mayAsk(s.Scope), Issuer: server.Issuer,
		TokenEndpoint: server.TokenEndpoint, RevocationEndpoint: server.RevocationEndpoint,
		PDS: account.PDS, Handle: account.Handle, Key: key, ClientKey: s.ClientKeyID,
		Tokens: tokenSet{
			Access: s.AccessToken, Refresh: s.RefreshToken, Scope: s.Scope,
			Life: token.Life{IssuedAt: orNow(s.Refreshed, now), ExpiresAt: orNow(s.Expires, now)},
		},
		CreatedAt: orNow(s.Began, now), VerifiedAt: now, HandleAt: now,
	}
	err = c.save(ctx, imported.record(), 1, state.keep(now), &sessionRecord{sessionState: *state})
	if errors.Is(err, store.ErrConflict) {
		return c.Resume(ctx, imported) // another process was faster
	}
	if err != nil {
		return nil, err
	}
	c.log.Info("oauth: session imported", "did", s.DID, "issuer", s.Issuer)
	return c.sessions.Intern(imported, c.newSession(imported, state, 1)), nil
}

func orNow(t, now time.Time) time.Time {
	if t.IsZero() {
		return now
	}
	return t.Round(0)
}

// checkImport says what is missing, and fills in what goes without saying.
func (c *Client) checkImport(s *ImportedSession) (*dpopKey, error) {
	wrong := func(field, format string, args ...any) (*dpopKey, error) {
		return nil, &Error{Kind: ErrConfig, Err: fmt.Errorf("ImportedSession."+field+" "+format, args...)}
	}
	if err := s.DID.Validate(); err != nil {
		return wrong("DID", "%w", err)
	}
	if s.ClientID != c.config.ClientID {
		return wrong("ClientID", "is %q; this client is %q", s.ClientID, c.config.ClientID)
	}
	if err := c.checkOrigin(s.Issuer); err != nil {
		return wrong("Issuer", "%w", err)
	}
	switch {
	case !hasScope(s.Scope, "atproto"):
		return wrong("Scope", "%q lacks atproto", s.Scope)
	case s.AccessToken == "":
		return wrong("AccessToken", "is empty")
	case s.RefreshToken == "":
		return wrong("RefreshToken", "is empty")
	case strings.ContainsFunc(s.AccessToken+s.RefreshToken, func(r rune) bool { return r <= ' ' || r > '~' }):
		return wrong("AccessToken", "or RefreshToken holds what no token holds")
	}
	private, ok := s.Key.(*ecdsa.PrivateKey)
	if !ok || private == nil || private.Curve != elliptic.P256() {
		return wrong("Key", "is a %T, not an *ecdsa.PrivateKey on P-256", s.Key)
	}
	key, err := dpopKeyOf(private)
	if err != nil {
		return wrong("Key", "%w", err)
	}
	switch {
	case s.ClientKeyID == "" && len(c.keys) == 1:
		s.ClientKeyID = c.keys[0].ID
	case s.ClientKeyID == "" && len(c.keys) > 1:
		return wrong("ClientKeyID", "is empty, and Config.ClientKeys has %d keys: a session stays with the one that it was begun with", len(c.keys))
	case s.ClientKeyID != "" && !slices.ContainsFunc(c.keys, func(k *preparedKey) bool { return k.ID == s.ClientKeyID }):
		return wrong("ClientKeyID", "%q is none of Config.ClientKeys", s.ClientKeyID)
	}
	return key, nil
}

// importedID is made from what stays the same as long as a session lives: the key of its tokens
// above all, which no other session has.
func importedID(s *ImportedSession, key *dpopKey) string {
	return hash(strings.Join([]string{"imported session", s.ClientID, s.Issuer, string(s.DID), key.header}, "\n"))
}
