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

// An ImportedSession is a session from another program.
type ImportedSession struct {
	DID syntax.DID // the account
	// ClientID is the client that the session was granted to. It must equal Config.ClientID:
	// servers give new tokens to no other client.
	ClientID string
	// Issuer is the authorization server that granted the session: an https origin.
	Issuer string
	// Scope is the granted scope: scopes separated by spaces.
	Scope string

	AccessToken, RefreshToken string // the tokens; both are required

	// Expires is when the access token expires. Zero means that the first call refreshes it.
	Expires time.Time
	// Began is when the user logged in, and Refreshed is when the server issued the tokens. Zero
	// means now.
	Began, Refreshed time.Time

	// Key is the private key that the tokens are bound to (DPoP): an *ecdsa.PrivateKey on P-256. If
	// you have the key as text, ParseClientKeys reads it.
	Key crypto.Signer

	// ClientKeyID is the kid of the client key that the login used. It must be one of
	// Config.ClientKeys. Leave it empty for a public client, or if there is only one key.
	ClientKeyID string
}

// LogValue keeps the tokens and the key out of logs.
func (s ImportedSession) LogValue() slog.Value {
	return slog.GroupValue(slog.String("did", string(s.DID)), slog.String("issuer", s.Issuer))
}

// String returns the account and the issuer, and no secret.
func (s ImportedSession) String() string {
	return fmt.Sprintf("session of %s at %s, to be imported", s.DID, s.Issuer)
}

// Format writes the same text as String, for every verb.
func (s ImportedSession) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// MarshalText writes the same text as String. To store the tokens, sealed, use Import.
func (s ImportedSession) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Import takes over a session that another AT Protocol client has kept, so that the user need not
// log in again. It checks that the account's server still names the issuer, and stores the session.
// Store the Key of the returned session where you keep the key of a new login: in the user's
// cookie, or in your own tables. Import does not use the tokens; the first call shows whether they
// are still valid.
//
// Stop the old program before you import. A refresh token works once: if both programs refresh a
// session, the server ends it.
//
// A session is imported only once. Its ID is made from values that do not change, so a second
// Import returns the session of the first, with its current tokens. If that session has ended
// meanwhile, the second Import stores it again, but its tokens no longer work.
//
// Errors: ErrConfig names what is missing or does not fit this client; ErrIssuerChanged,
// ErrUnresolved, ErrInvalidMetadata, ErrNetwork, ErrStore.
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

// checkImport says what is missing, and fills in the defaults.
func (c *Client) checkImport(s *ImportedSession) (*dpopKey, error) {
	wrong := func(field, format string, args ...any) (*dpopKey, error) {
		return nil, &Error{Kind: ErrConfig, Err: fmt.Errorf("ImportedSession."+field+" "+format, args...)}
	}
	if err := s.DID.Validate(); err != nil {
		return wrong("DID", "%w", err)
	}
	if s.ClientID != c.config.ClientID {
		return wrong("ClientID", "is %q, but this client is %q: import the session with the client that it was granted to", s.ClientID, c.config.ClientID)
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
		return wrong("AccessToken", "or RefreshToken contains a character that no token has: check how you read it")
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
		return wrong("ClientKeyID", "is empty, but Config.ClientKeys has %d keys: name the key that the login used", len(c.keys))
	case s.ClientKeyID != "" && !slices.ContainsFunc(c.keys, func(k *preparedKey) bool { return k.ID == s.ClientKeyID }):
		return wrong("ClientKeyID", "%q is not in Config.ClientKeys: add the key that the login used", s.ClientKeyID)
	}
	return key, nil
}

// importedID is made from values that do not change while the session lives. The most important one
// is the key of its tokens, because no other session has it.
func importedID(s *ImportedSession, key *dpopKey) string {
	return hash(strings.Join([]string{"imported session", s.ClientID, s.Issuer, string(s.DID), key.header}, "\n"))
}
