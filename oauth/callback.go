package oauth

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A CallbackResult is a login that succeeded.
type CallbackResult struct {
	Session  *Session
	AppState string // what WithAppState carried
}

// Callback ends a login. query is the query of the URL the user came back to,
// binding what Authorize returned as Login.Binding.
//
// It takes the state once, compares the issuer, exchanges the code, and accepts
// the tokens only if the account they name is the one asked for and is served by
// this very authorization server. Tokens that it does not accept are revoked.
//
// Errors: ErrStateUnknown for a state that is unknown, used or older than an hour,
// ErrBinding, ErrInvalidCallback, ErrIssuerMismatch, ErrAccessDenied when the user
// refused, ErrAuthorization for other refusals, ErrToken, ErrAccountMismatch,
// ErrIssuerChanged, ErrUnresolved, ErrNetwork, ErrStore. Once the state is known,
// errors carry the application's state in Error.AppState.
func (c *Client) Callback(ctx context.Context, query url.Values, binding string) (*CallbackResult, error) {
	if err := checkCallback(query); err != nil {
		return nil, err
	}
	login, err := c.takeLogin(ctx, query.Get("state"), binding)
	if err != nil {
		return nil, err
	}
	session, err := c.finish(ctx, login, query)
	if err != nil {
		if e, ok := errors.AsType[*Error](err); ok {
			e.AppState = login.AppState
		}
		return nil, err
	}
	return &CallbackResult{Session: session, AppState: login.AppState}, nil
}

// checkCallback refuses what no honest server sends (O62).
func checkCallback(query url.Values) error {
	invalid := func(format string, args ...any) error {
		return &Error{Kind: ErrInvalidCallback, Stage: StageAuthorization, Err: fmt.Errorf(format, args...)}
	}
	for _, name := range []string{"state", "iss", "code", "error", "error_description", "error_uri", "response"} {
		if len(query[name]) > 1 {
			return invalid("parameter %q is repeated", name)
		}
	}
	if query.Has("response") {
		return invalid("JWT-secured responses are not part of the profile")
	}
	if query.Get("state") == "" {
		return invalid("parameter \"state\" is missing")
	}
	return nil
}

// takeLogin takes the login in progress out of the store: of two callbacks with
// one state, one gets it (O59). The binding is looked at first, so that somebody
// else's browser cannot use a state up.
func (c *Client) takeLogin(ctx context.Context, state, binding string) (*loginState, error) {
	unknown := &Error{Kind: ErrStateUnknown, Stage: StageAuthorization}
	login := new(loginState)
	key := stateKey(state)
	r, err := c.load(ctx, key, login)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, unknown
	case err != nil:
		return nil, err
	case login.ClientID != c.config.ClientID:
		return nil, unknown
	case subtle.ConstantTimeCompare([]byte(login.Binding), []byte(hash(binding))) != 1:
		return nil, &Error{Kind: ErrBinding, Stage: StageAuthorization}
	}
	switch err := c.store.Delete(ctx, key, r.Revision); {
	case errors.Is(err, ErrConflict), errors.Is(err, ErrNotFound):
		return nil, unknown
	case err != nil:
		return nil, storeError(err)
	}
	return login, nil
}

// finish turns a login and the server's answer into a session.
func (c *Client) finish(ctx context.Context, login *loginState, query url.Values) (*Session, error) {
	// Also on errors: a mix-up attack may well pretend one (O61).
	if iss := query.Get("iss"); iss != login.Issuer {
		return nil, &Error{Kind: ErrIssuerMismatch, Stage: StageAuthorization,
			Err: fmt.Errorf("the callback names issuer %q, the login went to %q", iss, login.Issuer)}
	}
	if query.Has("error") {
		return nil, authorizationError(query)
	}
	code := query.Get("code")
	if code == "" {
		return nil, &Error{Kind: ErrInvalidCallback, Stage: StageAuthorization, Err: errors.New("neither code nor error")}
	}
	server, err := c.serverOf(ctx, login.Issuer)
	if err != nil {
		return nil, err
	}
	nonces := newNonceTable(login.Nonces)
	answer, err := c.requestTokens(ctx, server.TokenEndpoint, server.Issuer, login.ClientKey, login.Key, nonces, true, url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code},
		"code_verifier": {login.Verifier},
		"redirect_uri":  {login.RedirectURI},
	})
	if err != nil {
		return nil, err
	}
	session, err := c.accept(ctx, login, server, answer, nonces)
	if err != nil {
		// Nobody will use these tokens; the server should not go on honouring them.
		c.revoke(context.WithoutCancel(ctx), server.RevocationEndpoint, server.Issuer, login.ClientKey, answer.tokens, login.Key, nonces)
		return nil, err
	}
	return session, nil
}

// authorizationError is the typed form of an error callback (RFC 6749 §4.1.2.1).
func authorizationError(query url.Values) error {
	e := &Error{
		Kind: ErrAuthorization, Stage: StageAuthorization,
		Code: query.Get("error"), Description: query.Get("error_description"), URI: query.Get("error_uri"),
	}
	switch e.Code {
	case "access_denied":
		e.Kind = ErrAccessDenied
	case "server_error", "temporarily_unavailable":
		e.Retryable = true
	}
	return e
}

// accept decides whether the tokens may be used, and stores them (O74–O79).
func (c *Client) accept(ctx context.Context, login *loginState, server *serverMetadata, answer *tokenAnswer, nonces *nonceTable) (*Session, error) {
	if err := answer.check(); err != nil {
		return nil, err
	}
	did, err := syntax.ParseDID(answer.subject)
	if err != nil {
		return nil, answer.invalid(fmt.Errorf("sub: %w", err))
	}
	if login.Account != "" && did != login.Account {
		return nil, &Error{Kind: ErrAccountMismatch, Stage: StageToken,
			Err: fmt.Errorf("asked for %s, the server logged in %s", login.Account, did)}
	}
	account, err := c.verifyAuthority(ctx, did, server.Issuer)
	if err != nil {
		return nil, err
	}
	key := SessionKey{DID: did, ID: randomString(16)}
	state := &sessionState{
		ClientID:           c.config.ClientID,
		Issuer:             server.Issuer,
		TokenEndpoint:      server.TokenEndpoint,
		RevocationEndpoint: server.RevocationEndpoint,
		PDS:                account.PDS,
		Handle:             account.Handle,
		Key:                login.Key,
		ClientKey:          login.ClientKey,
		Tokens:             answer.tokens,
		Nonces:             nonces.snapshot(),
		CreatedAt:          c.now(),
		VerifiedAt:         c.now(),
	}
	if err := c.save(ctx, key.record(), 1, c.sessionExpiry(state), state); err != nil {
		// The store may have written it all the same; its tokens are about to be revoked.
		c.store.Delete(context.WithoutCancel(ctx), key.record(), 0)
		return nil, err
	}
	c.log.Info("oauth: logged in", "did", did, "issuer", server.Issuer)
	return c.sessions.intern(key, c.newSession(key, state, 1)), nil
}

// verifyAuthority resolves an account freshly and makes sure that its PDS names
// issuer as the server that speaks for it. Without this any server could log in
// anybody (O79).
func (c *Client) verifyAuthority(ctx context.Context, did syntax.DID, issuer string) (*identity.Identity, error) {
	account, err := c.lookup(ctx, c.fresh, syntax.AtIdentifier(did))
	if err != nil {
		return nil, err
	}
	current, err := c.issuerOfPDS(ctx, account.PDS)
	if err != nil {
		return nil, err
	}
	if current != issuer {
		return nil, &Error{Kind: ErrIssuerChanged, Stage: StageToken,
			Err: fmt.Errorf("%s is served by %q, not by %q", did, current, issuer)}
	}
	return account, nil
}

// sessionExpiry is when a session that was stored just now is of no more use.
func (c *Client) sessionExpiry(state *sessionState) time.Time { return c.now().Add(state.life()) }

// hasScope reports whether a scope string holds token.
func hasScope(scope, token string) bool {
	return slices.Contains(strings.Split(scope, " "), token)
}
