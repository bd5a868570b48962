package oauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/gimucco/atproto-go/internal/dpop"
	"github.com/gimucco/atproto-go/internal/token"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A tokenAnswer is a token response (RFC 6749 §5.1) that was read but is not trusted yet.
type tokenAnswer struct {
	*asAnswer
	tokens    tokenSet
	tokenType string
	subject   string
	flaw      error // what is wrong with the answer as a whole
}

// requestTokens sends r to a token endpoint. If the answer contains tokens, it returns them
// together with the error, so that the caller can use or revoke them. It returns no answer if none
// came.
func (c *Client) requestTokens(ctx context.Context, r *asRequest) (*tokenAnswer, error) {
	answer, err := c.post(ctx, r)
	if err != nil {
		return nil, err
	}
	members, broken := readMembers(answer.body)
	text := func(name string) (s string) {
		if json.Unmarshal(members[name], &s) != nil {
			return "" // of another type: treated as missing
		}
		return s
	}
	a := &tokenAnswer{
		asAnswer:  answer,
		tokenType: text("token_type"),
		subject:   text("sub"),
		tokens: tokenSet{
			Access: text("access_token"), Refresh: text("refresh_token"), Scope: text("scope"),
			// Counted from the beginning of the request: the server's clock started no earlier
			// (O81).
			Life: token.Life{IssuedAt: answer.started},
		},
	}
	if life := readLifetime(members["expires_in"]); life > 0 {
		a.tokens.ExpiresAt = answer.started.Add(life)
	}
	switch {
	case answer.status != http.StatusOK:
		a.flaw = answer.refusal(ErrToken)
	case answer.unsound() != nil:
		a.flaw = a.invalid(answer.unsound())
	case broken != nil:
		a.flaw = a.invalid(broken)
	}
	return a, a.flaw
}

// readMembers reads the members of a JSON object as far as possible. It keeps what comes before a
// fault, and ignores what follows the object.
func readMembers(data []byte) (map[string]json.RawMessage, error) {
	members := make(map[string]json.RawMessage)
	d := json.NewDecoder(bytes.NewReader(data))
	start, err := d.Token()
	if err != nil {
		return members, fmt.Errorf("the answer is not JSON: %w", err)
	}
	if start != json.Delim('{') {
		return members, errors.New("the answer is not a JSON object")
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return members, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return members, err
		}
		members[name.(string)] = value // the decoder accepts no other type here
	}
	if _, err := d.Token(); err != nil {
		return members, err
	}
	if d.Decode(new(json.RawMessage)) != io.EOF {
		return members, errors.New("something follows the JSON object of the answer")
	}
	return members, nil
}

// check applies the rules for the token response of a login (O74, O75, O77).
func (a *tokenAnswer) check() error {
	switch {
	case a.checkAccess() != nil:
		return a.checkAccess()
	case !strings.EqualFold(a.tokenType, "DPoP"):
		return a.invalid(fmt.Errorf("token_type is %.50q, not DPoP", a.tokenType))
	case !hasScope(a.tokens.Scope, "atproto"):
		return a.invalid(fmt.Errorf("scope %.300q lacks atproto", a.tokens.Scope))
	case a.subject == "":
		return a.invalid(errors.New("sub is missing"))
	}
	return nil
}

// checkAccess checks that the access token can be sent in a header. A refresh token goes into a
// form, which accepts anything.
func (a *tokenAnswer) checkAccess() error {
	if a.tokens.Access == "" {
		return a.invalid(errors.New("access_token is missing or is not a text"))
	}
	if err := token.Check(a.tokens.Access); err != nil {
		return a.invalid(fmt.Errorf("access_token %w", err))
	}
	return nil
}

// merge applies the rules for a token response to a refresh of the held tokens of an account
// (O111). A missing member is no reason to refuse: the server has used up the earlier tokens, so
// whoever holds tokens that work must keep them (P61). A missing member keeps its earlier value.
func (a *tokenAnswer) merge(held *tokenSet, did syntax.DID) (tokenSet, error) {
	next := a.tokens
	switch err := a.checkAccess(); {
	case a.status < 200 || a.status > 299:
		return next, a.flaw
	case a.subject != "" && a.subject != string(did):
		return next, a.invalid(&otherAccountError{a.subject})
	case err != nil && a.flaw != nil:
		return next, a.flaw // it says more
	case err != nil:
		return next, err
	case a.tokenType != "" && !strings.EqualFold(a.tokenType, "DPoP"):
		return next, a.invalid(fmt.Errorf("token_type is %.50q, not DPoP", a.tokenType))
	}
	if next.Scope == "" {
		next.Scope = held.Scope // RFC 6749 §5.1: left out if it did not change
	}
	if next.Refresh == "" {
		next.Refresh = held.Refresh // RFC 6749 §6: without a new one, the old one stays valid
	}
	if !hasScope(next.Scope, "atproto") {
		return next, a.invalid(fmt.Errorf("scope %.300q lacks atproto", next.Scope))
	}
	return next, nil
}

// An otherAccountError says that a refresh returned the tokens of another account.
type otherAccountError struct{ subject string }

func (e *otherAccountError) Error() string {
	return fmt.Sprintf("the refresh names account %.100q", e.subject)
}

func (a *tokenAnswer) invalid(cause error) error { return a.asAnswer.invalid(ErrToken, cause) }

// revoke asks the server to end the grant of state's tokens (RFC 7009). Revoking the refresh token
// also ends the access token.
func (c *Client) revoke(ctx context.Context, state *sessionState, nonces *dpop.Nonces) error {
	token, hint := state.Tokens.Refresh, "refresh_token"
	if token == "" {
		token, hint = state.Tokens.Access, "access_token"
	}
	if token == "" {
		return nil
	}
	if state.RevocationEndpoint == "" {
		c.log.Warn("oauth: the server has no revocation endpoint, so tokens that are no longer used stay valid until they expire", "issuer", state.Issuer)
		return nil
	}
	request := &asRequest{
		endpoint: state.RevocationEndpoint, issuer: state.Issuer,
		form: url.Values{"token": {token}, "token_type_hint": {hint}},
		key:  state.Key, nonces: nonces, clientID: state.ClientID, clientKey: state.ClientKey,
	}
	err := c.postRevocation(ctx, request)
	if isNowhere(err) {
		if moved, readErr := c.readEndpoints(ctx, state); readErr == nil && moved.RevocationEndpoint != "" && moved.RevocationEndpoint != request.endpoint {
			request.endpoint = moved.RevocationEndpoint
			err = c.postRevocation(ctx, request)
		}
	}
	if err != nil {
		c.log.Warn("oauth: tokens could not be revoked", "issuer", state.Issuer, "error", err)
	}
	return err
}

func (c *Client) postRevocation(ctx context.Context, r *asRequest) error {
	answer, err := c.post(ctx, r)
	if err == nil && (answer.status < 200 || answer.status > 299) {
		err = answer.refusal(ErrToken)
	}
	return err
}
