package oauth

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/gimucco/atproto-go/internal/clientmetadata"
	"github.com/gimucco/atproto-go/internal/dpop"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A CallbackResult is the result of a successful login.
type CallbackResult struct {
	Session  *Session      // nil after WithIdentityOnly
	DID      syntax.DID    // the account
	Handle   syntax.Handle // its verified handle, or syntax.HandleInvalid
	AppState string        // the value of WithAppState
}

// Callback completes a login. query is the query of the URL that the user came back to; binding is
// the Login.Binding from Authorize.
//
// It uses the state once, compares the issuer, and exchanges the code. It accepts the tokens only
// if their account is the one that was asked for, and if the account's PDS names this authorization
// server. It revokes tokens that it does not accept.
//
// Errors: ErrStateUnknown for a state that is unknown, used or older than an hour; ErrBinding;
// ErrInvalidCallback; ErrIssuerMismatch; ErrAccessDenied if the user refused; ErrAuthorization for
// other refusals; ErrToken; ErrAccountMismatch; ErrIssuerChanged; ErrUnresolved; ErrNetwork;
// ErrStore. Once the state is known, Error.AppState holds the application's value.
func (c *Client) Callback(ctx context.Context, query url.Values, binding string) (*CallbackResult, error) {
	result, _, err := c.callback(ctx, query, binding)
	return result, err
}

// callback does the work of Callback. It also returns the login in progress, once that is known.
func (c *Client) callback(ctx context.Context, query url.Values, binding string) (*CallbackResult, *loginState, error) {
	if err := checkCallback(query); err != nil {
		return nil, nil, err
	}
	login, err := c.takeLogin(ctx, query.Get("state"), binding)
	if err != nil {
		return nil, nil, err
	}
	result, err := c.finish(ctx, login, query)
	if err != nil {
		if e, ok := errors.AsType[*Error](err); ok {
			e.AppState = login.AppState
		}
		return nil, login, err
	}
	result.AppState = login.AppState
	return result, login, nil
}

// checkCallback refuses a callback that no honest server sends (O62).
func checkCallback(query url.Values) error {
	invalid := func(format string, args ...any) error {
		return &Error{Kind: ErrInvalidCallback, Err: fmt.Errorf(format, args...)}
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

// takeLogin takes the login in progress out of the store. If two callbacks have the same state,
// only one of them gets it (O59). The binding is checked first, so that another person's browser
// cannot use up a state.
func (c *Client) takeLogin(ctx context.Context, state, binding string) (*loginState, error) {
	unknown := &Error{Kind: ErrStateUnknown}
	login := new(loginState)
	key := stateKey(state)
	r, err := c.load(ctx, key, login)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, unknown
	case err != nil:
		return nil, err
	case !clientmetadata.SameClient(login.ClientID, c.config.ClientID), login.over(c.now()):
		return nil, unknown
	case subtle.ConstantTimeCompare([]byte(login.Binding), []byte(hash(binding))) != 1:
		return nil, &Error{Kind: ErrBinding}
	}
	switch err := c.store.Delete(ctx, key, r.Revision); {
	case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrNotFound):
		return nil, unknown
	case err != nil:
		return nil, storeError(err)
	}
	return login, nil
}

// finish turns a login and the server's answer into a session.
func (c *Client) finish(ctx context.Context, login *loginState, query url.Values) (*CallbackResult, error) {
	// The issuer is checked on errors too: an attacker may fake an error in a mix-up attack (O61).
	if iss := query.Get("iss"); iss != login.Issuer {
		return nil, &Error{Kind: ErrIssuerMismatch,
			Err: fmt.Errorf("the callback names issuer %q, the login went to %q", iss, login.Issuer)}
	}
	if query.Has("error") {
		return nil, authorizationError(query)
	}
	code := query.Get("code")
	if code == "" {
		return nil, &Error{Kind: ErrInvalidCallback, Err: errors.New("the callback has neither code nor error")}
	}
	server, err := c.serverOf(ctx, login.Issuer)
	if err != nil {
		return nil, err
	}
	nonces := c.nonces.Session(login.Nonces)
	answer, err := c.requestTokens(ctx, &asRequest{
		endpoint: server.TokenEndpoint, issuer: server.Issuer, clientID: login.ClientID, clientKey: login.ClientKey, key: login.Key, nonces: nonces,
		form: url.Values{
			"grant_type":    {"authorization_code"},
			"code":          {code},
			"code_verifier": {login.Verifier},
			"redirect_uri":  {login.RedirectURI},
		},
	})
	if answer == nil {
		return nil, err
	}
	var result *CallbackResult
	if err == nil {
		result, err = c.accept(ctx, login, server, answer, nonces)
	}
	if err != nil {
		// Nobody will use these tokens, so the server should stop accepting them.
		c.revoke(context.WithoutCancel(ctx), login.session(server, answer), nonces)
		return nil, err
	}
	return result, nil
}

// authorizationError converts an error callback to an *Error (RFC 6749 §4.1.2.1).
func authorizationError(query url.Values) error {
	e := &Error{
		Kind: ErrAuthorization,
	}
	e.saidBy(query.Get("error"), query.Get("error_description"), query.Get("error_uri"))
	switch e.Code {
	case "access_denied":
		e.Kind = ErrAccessDenied
	case "server_error", "temporarily_unavailable":
		e.Retryable = true
	}
	return e
}

// accept decides whether the tokens may be used, and stores them (O74–O79).
func (c *Client) accept(ctx context.Context, login *loginState, server *serverMetadata, answer *tokenAnswer, nonces *dpop.Nonces) (*CallbackResult, error) {
	if err := answer.check(); err != nil {
		return nil, err
	}
	did, err := syntax.ParseDID(answer.subject)
	if err != nil {
		return nil, answer.invalid(fmt.Errorf("sub: %w", err))
	}
	if login.Account != "" && did != login.Account {
		return nil, &Error{Kind: ErrAccountMismatch,
			Err: fmt.Errorf("asked for %s, but the server logged in %s", login.Account, did)}
	}
	account, err := c.verifyAuthority(ctx, did, server.Issuer)
	if err != nil {
		return nil, err
	}
	result := &CallbackResult{DID: did, Handle: account.Handle}
	if login.Identity {
		c.dropTokens(login.session(server, answer), nonces)
		return result, nil
	}
	key := SessionKey{DID: did, ID: randomString(16)}
	state := login.session(server, answer)
	state.PDS, state.Handle = account.PDS, account.Handle
	state.Nonces = nonces.Stored()
	state.CreatedAt = c.now()
	state.VerifiedAt, state.HandleAt, state.EndpointsAt = state.CreatedAt, state.CreatedAt, state.CreatedAt
	if err := c.save(ctx, key.record(), 1, state.keep(c.now()), &sessionRecord{sessionState: *state}); err != nil {
		// The store may have written the record in spite of its error, but these tokens are about
		// to be revoked.
		c.store.Delete(context.WithoutCancel(ctx), key.record(), 0)
		return nil, err
	}
	c.log.Info("oauth: logged in", "did", did, "issuer", server.Issuer)
	result.Session = c.sessions.Intern(key, c.newSession(key, state, 1))
	return result, nil
}

// dropTokens revokes tokens that nobody will use. It works in the background, so that the user does
// not wait; Shutdown waits for it.
func (c *Client) dropTokens(state *sessionState, nonces *dpop.Nonces) {
	c.keepers.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), orphanLimit)
		defer cancel()
		c.revoke(ctx, state, nonces) // it logs what goes wrong
	})
}

// session returns the session state of a login before its account is known.
func (login *loginState) session(server *serverMetadata, answer *tokenAnswer) *sessionState {
	return &sessionState{
		ClientID:           login.ClientID,
		Asked:              login.Scope,
		Issuer:             server.Issuer,
		TokenEndpoint:      server.TokenEndpoint,
		RevocationEndpoint: server.RevocationEndpoint,
		Key:                login.Key,
		ClientKey:          login.ClientKey,
		Tokens:             answer.tokens,
	}
}

// hasScope reports whether a scope string holds token.
func hasScope(scope, token string) bool {
	return slices.Contains(strings.Split(scope, " "), token)
}
