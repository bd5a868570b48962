package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/xrpc"
)

// Limits of a request to an authorization server.
const (
	serverTimeout   = 15 * time.Second
	maxServerAnswer = 512 << 10
)

// An asRequest is one request to an authorization server: pushed authorization,
// token, refresh and revocation differ in nothing but their form.
type asRequest struct {
	endpoint string
	issuer   string
	stage    Stage
	form     url.Values
	key      *dpopKey
	nonces   *nonceTable

	clientKey string // ID of the key to authenticate with, "" for a public client
	login     bool   // the specification's rule about missing nonces applies (O100)
}

// An asAnswer is what the authorization server answered.
type asAnswer struct {
	stage   Stage
	status  int
	header  http.Header
	body    []byte
	started time.Time // when the request that got this answer was begun
	now     time.Time
	ahead   time.Duration // how far the server's clock is ahead
}

// post sends r, and again with a new proof when the server asks for another nonce, as
// far as the budget goes (O98). Errors are about the sending: a *Error of kind ErrNetwork
// whose cause is a *xrpc.SendError, or ErrDPoP when the server asks for ever.
func (c *Client) post(ctx context.Context, r *asRequest) (*asAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	spending := c.newBudget()
	for {
		answer, why, err := c.postOnce(ctx, r)
		switch {
		case err != nil:
			return nil, err
		case spending.spend(why):
			c.log.Debug("oauth: trying again", "endpoint", r.endpoint, "code", answer.words().Code)
			if err := spending.pause(ctx, why); err != nil {
				return nil, networkError(ctx, r.stage, err)
			}
			continue
		case why == wantsNonce:
			e := answer.refusal(ErrDPoP)
			e.Stage, e.Retryable = StageDPoP, true
			e.Err = fmt.Errorf("%s kept asking for another nonce, %d times in a row", r.endpoint, spending.spent[wantsNonce]+1)
			return nil, e
		}
		if r.login && answer.status < 300 && answer.header.Get(nonceHeader) == "" {
			return nil, answer.invalid(ErrDPoP, errors.New("the answer carries no DPoP-Nonce"))
		}
		return answer, nil
	}
}

// postOnce sends r with a proof of its own and reports why the server wants it again, if
// it does.
func (c *Client) postOnce(ctx context.Context, r *asRequest) (answer *asAnswer, why cause, err error) {
	started := c.now()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.endpoint, nil)
	if err != nil {
		return nil, none, &Error{Kind: ErrInvalidMetadata, Stage: r.stage, Err: err}
	}
	origin := originOf(req.URL)
	at := c.timeAt(origin)
	form := maps.Clone(r.form)
	if err := c.authenticate(form, r, at); err != nil {
		return nil, none, err
	}
	// No GetBody: net/http must not send it again on its own, a code or a refresh token
	// works once.
	encoded := form.Encode()
	req.Body, req.ContentLength = io.NopCloser(strings.NewReader(encoded)), int64(len(encoded))
	known, ticket := c.nonceFor(r.nonces, origin)
	signed, err := r.key.sign(proof{method: http.MethodPost, url: dpopURL(req.URL), nonce: known, at: at})
	if err != nil {
		return nil, none, err
	}
	req.Header.Set("Content-Type", contentTypeForm)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("DPoP", signed)

	resp, err := xrpc.SendHTTP(c.http.RoundTripper(), req, "")
	if err != nil {
		return nil, none, networkError(ctx, r.stage, err)
	}
	defer resp.Body.Close()
	c.learnNonce(r.nonces, origin, resp.Header, ticket)
	ahead, redated := c.learnTime(origin, resp.Header, started)
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxServerAnswer+1))
	if err != nil {
		return nil, none, networkError(ctx, r.stage, &xrpc.SendError{Sent: xrpc.SentMaybe, Err: fmt.Errorf("reading the answer: %w", err)})
	}
	answer = &asAnswer{stage: r.stage, status: resp.StatusCode, header: resp.Header, body: data, started: started, now: c.now(), ahead: ahead}
	if len(data) > maxServerAnswer {
		return nil, none, answer.invalid(ErrToken, fmt.Errorf("the answer is larger than %d bytes", maxServerAnswer))
	}
	if resp.StatusCode == http.StatusBadRequest || resp.StatusCode == http.StatusUnauthorized {
		switch code := answer.words().Code; {
		case code == "use_dpop_nonce" && resp.Header.Get(nonceHeader) != "":
			return answer, wantsNonce, nil
		case redated && (code == "invalid_dpop_proof" || code == "invalid_client"):
			// Both are told before a code or a refresh token is looked at.
			return answer, wantsProof, nil
		}
	}
	return answer, none, nil
}

// words are the server's own about an error (RFC 6749 §5.2). What is not of that
// form has none.
func (a *asAnswer) words() (w struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
	URI         string `json:"error_uri"`
}) {
	if json.Unmarshal(a.body, &w) != nil {
		w.Code, w.Description, w.URI = "", "", ""
	}
	return w
}

// refusal is the error for an answer that is not a success.
func (a *asAnswer) refusal(kind Kind) *Error {
	w := a.words()
	return &Error{
		Kind: kind, Stage: a.stage, Status: a.status,
		Code: w.Code, Description: w.Description, URI: w.URI,
		RetryAfter: retryAfter(a.header, a.now), ServerAhead: a.ahead,
		Retryable: a.status == http.StatusTooManyRequests || a.status >= 500,
	}
}

// invalid is the error for a success that breaks the rules.
func (a *asAnswer) invalid(kind Kind, cause error) error {
	return &Error{Kind: kind, Stage: a.stage, Status: a.status, Err: cause}
}

// decode reads a JSON answer.
func (a *asAnswer) decode(into any) error {
	if media, _, err := mime.ParseMediaType(a.header.Get("Content-Type")); err != nil || media != "application/json" {
		return a.invalid(ErrToken, fmt.Errorf("the answer is %q, not application/json", a.header.Get("Content-Type")))
	}
	if err := json.Unmarshal(a.body, into); err != nil {
		return a.invalid(ErrToken, err)
	}
	return nil
}

// retryAfter reads the header of that name in both its forms (RFC 9110 §10.2.3).
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil { // more seconds than that are no time to wait
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// A tokenAnswer is a token response (RFC 6749 §5.1), read but not yet trusted.
type tokenAnswer struct {
	*asAnswer
	tokens    tokenSet
	tokenType string
	subject   string
}

// requestTokens posts form to a token endpoint. A refusal is ErrToken with the
// server's code.
func (c *Client) requestTokens(ctx context.Context, endpoint, issuer, clientKey string, key *dpopKey, nonces *nonceTable, login bool, form url.Values) (*tokenAnswer, error) {
	answer, err := c.post(ctx, &asRequest{
		endpoint: endpoint, issuer: issuer, stage: StageToken,
		form: form, key: key, nonces: nonces, login: login, clientKey: clientKey,
	})
	if err != nil {
		return nil, err
	}
	if answer.status != http.StatusOK {
		return nil, answer.refusal(ErrToken)
	}
	var body struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
		TokenType    string `json:"token_type"`
		ExpiresIn    *int64 `json:"expires_in"`
		Scope        string `json:"scope"`
		Subject      string `json:"sub"`
	}
	if err := answer.decode(&body); err != nil {
		return nil, err
	}
	// Without a lifetime, five minutes: short enough to notice soon, long enough
	// not to refresh on every call.
	life := int64(300)
	if body.ExpiresIn != nil {
		life = min(max(*body.ExpiresIn, 0), int64((30 * 24 * time.Hour).Seconds()))
	}
	return &tokenAnswer{
		asAnswer:  answer,
		tokenType: body.TokenType,
		subject:   body.Subject,
		tokens: tokenSet{
			Access: body.AccessToken, Refresh: body.RefreshToken, Scope: body.Scope,
			// From when the request was begun: the server's clock started no earlier (O81).
			IssuedAt: answer.started, ExpiresAt: answer.started.Add(time.Duration(life) * time.Second),
		},
	}, nil
}

// check enforces what every token response must hold (O74, O75, O77).
func (a *tokenAnswer) check() error {
	switch {
	case a.tokens.Access == "":
		return a.invalid(errors.New("access_token is missing"))
	case !strings.EqualFold(a.tokenType, "DPoP"):
		return a.invalid(fmt.Errorf("token_type is %q, not DPoP", a.tokenType))
	case !hasScope(a.tokens.Scope, "atproto"):
		return a.invalid(fmt.Errorf("scope %q lacks atproto", a.tokens.Scope))
	case a.subject == "":
		return a.invalid(errors.New("sub is missing"))
	}
	return nil
}

func (a *tokenAnswer) invalid(cause error) error { return a.asAnswer.invalid(ErrToken, cause) }

// revoke asks the server to end the grant behind tokens (RFC 7009). Revoking the
// refresh token ends the access token with it.
func (c *Client) revoke(ctx context.Context, endpoint, issuer, clientKey string, tokens tokenSet, key *dpopKey, nonces *nonceTable) error {
	token, hint := tokens.Refresh, "refresh_token"
	if token == "" {
		token, hint = tokens.Access, "access_token"
	}
	if endpoint == "" || token == "" {
		return nil
	}
	answer, err := c.post(ctx, &asRequest{
		endpoint: endpoint, issuer: issuer, stage: StageSession,
		form: url.Values{"token": {token}, "token_type_hint": {hint}},
		key:  key, nonces: nonces, clientKey: clientKey,
	})
	if err == nil && (answer.status < 200 || answer.status > 299) {
		err = answer.refusal(ErrToken)
	}
	if err != nil {
		c.log.Warn("oauth: tokens could not be revoked", "issuer", issuer, "error", err)
	}
	return err
}
