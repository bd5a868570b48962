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
	"strings"
	"time"

	"github.com/gimucco/atproto-go/internal/dpop"
	"github.com/gimucco/atproto-go/internal/said"
	"github.com/gimucco/atproto-go/xrpc"
)

// Limits of a request to an authorization server.
const (
	serverTimeout   = 15 * time.Second
	maxServerAnswer = 512 << 10
)

// An asRequest is one request to an authorization server. Pushed authorization, token, refresh and
// revocation requests differ only in their form.
type asRequest struct {
	endpoint string
	issuer   string
	form     url.Values
	key      *dpopKey
	nonces   *dpop.Nonces

	clientID  string // the client that the session was granted to
	clientKey string // ID of the key to authenticate with; "" for a public client

	// fence, if set, is asked directly before every attempt: a refresh token must not be sent late.
	// In this case only the context limits the time of the whole request.
	fence func(context.Context) error
}

// An asAnswer is what the authorization server answered.
type asAnswer struct {
	origin  string // the origin that answered
	status  int
	header  http.Header
	body    []byte
	started time.Time // when the request of this answer began
	now     time.Time
	large   bool          // body holds only the beginning
	ahead   time.Duration // how far the server's clock is ahead
}

// post sends r, and sends it again with a new proof if the server asks for another nonce, as long
// as the budget allows (O98). Its errors are about sending: an *Error of kind ErrNetwork with an
// *xrpc.SendError as its cause, or ErrDPoP if the server asks again and again.
func (c *Client) post(ctx context.Context, r *asRequest) (*asAnswer, error) {
	if r.fence == nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, serverTimeout)
		defer cancel()
	}
	spending := c.newBudget()
	challenge := "" // the nonce that the last answer asked for
	for {
		answer, why, err := c.postOnce(ctx, r, challenge)
		switch {
		case err != nil:
			return nil, err
		case spending.spend(why):
			c.log.Debug("oauth: trying again", "endpoint", r.endpoint, "code", said.Word(answer.words().Code))
			if err := spending.pause(ctx, why); err != nil {
				return nil, networkError(ctx, err)
			}
			challenge = ""
			if why == wantsNonce {
				challenge = dpop.NonceOf(answer.header)
			}
			continue
		case why == wantsNonce:
			e := answer.refusal(ErrDPoP)
			e.Retryable = true
			e.Err = fmt.Errorf("%s kept asking for another nonce, %d times in a row", r.endpoint, spending.spent[wantsNonce]+1)
			return nil, e
		}
		if answer.status >= 400 {
			// Neither the body nor the description is logged: they may repeat what was sent.
			c.log.WarnContext(ctx, "oauth: server refused", "endpoint", r.endpoint, "status", answer.status, "code", said.Word(answer.words().Code))
		}
		c.noteNonceless(answer.origin, answer.status, dpop.NonceOf(answer.header))
		return answer, nil
	}
}

// postOnce sends r with a new proof, with the nonce of challenge if there is one. It reports why
// the server wants the request again, if it does.
func (c *Client) postOnce(ctx context.Context, r *asRequest, challenge string) (answer *asAnswer, why cause, err error) {
	started := c.now()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.endpoint, nil)
	if err != nil {
		return nil, none, &Error{Kind: ErrInvalidMetadata, Err: err}
	}
	origin := originOf(req.URL)
	at, corrected := c.timeAt(origin)
	form := maps.Clone(r.form)
	if err := c.authenticate(form, r, at); err != nil {
		return nil, none, err
	}
	// No GetBody: net/http must not repeat the request by itself, because a code or a refresh token
	// works once.
	encoded := form.Encode()
	req.Body, req.ContentLength = io.NopCloser(strings.NewReader(encoded)), int64(len(encoded))
	nonce := r.nonces.Next(origin, challenge)
	signed, err := r.key.sign(proof{method: http.MethodPost, url: dpopURL(req.URL), nonce: nonce.Value, at: at})
	if err != nil {
		return nil, none, err
	}
	req.Header.Set("Content-Type", contentTypeForm)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("DPoP", signed)

	if r.fence != nil {
		if err := r.fence(ctx); err != nil {
			return nil, none, fenceError(err)
		}
	}
	resp, err := xrpc.SendHTTP(c.http.RoundTripper(), req, "")
	if err != nil {
		return nil, none, networkError(ctx, fmt.Errorf("%s: %w", r.endpoint, err))
	}
	defer resp.Body.Close()
	r.nonces.Learn(nonce, dpop.NonceOf(resp.Header))
	ahead := c.learnTime(origin, resp.Header, started)
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxServerAnswer+1))
	if err != nil {
		return nil, none, networkError(ctx, &xrpc.SendError{Sent: xrpc.SentMaybe, Err: fmt.Errorf("reading the answer of %s: %w", r.endpoint, err)})
	}
	answer = &asAnswer{origin: origin, status: resp.StatusCode, header: resp.Header, body: data, started: started, now: c.now(), ahead: ahead}
	if answer.large = len(data) > maxServerAnswer; answer.large {
		answer.body = data[:maxServerAnswer]
	}
	if resp.StatusCode == http.StatusBadRequest || resp.StatusCode == http.StatusUnauthorized {
		switch code := answer.words().Code; {
		case code == "use_dpop_nonce" && dpop.NonceOf(resp.Header) != "":
			r.nonces.Refused(nonce)
			return answer, wantsNonce, nil
		case c.redated(origin, corrected) && (code == "invalid_dpop_proof" || code == "invalid_client"):
			// Servers report both before they look at a code or a refresh token.
			return answer, wantsProof, nil
		}
	}
	return answer, none, nil
}

// fenceError says why something was not sent, or not sent again.
func fenceError(err error) error {
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	return storeError(err)
}

// words returns the server's own words about an error (RFC 6749 §5.2), as far as they have that
// form.
func (a *asAnswer) words() (w struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
	URI         string `json:"error_uri"`
}) {
	var members map[string]json.RawMessage
	if json.Unmarshal(a.body, &members) != nil {
		return w
	}
	for name, word := range map[string]*string{"error": &w.Code, "error_description": &w.Description, "error_uri": &w.URI} {
		if json.Unmarshal(members[name], word) != nil {
			*word = ""
		}
	}
	// Other protocols, such as XRPC, put the description of an error into "message".
	if message := ""; w.Description == "" && json.Unmarshal(members["message"], &message) == nil {
		w.Description = message
	}
	return w
}

// refusal returns the error for an answer that is not a success.
func (a *asAnswer) refusal(kind Kind) *Error {
	w := a.words()
	e := &Error{
		Kind: kind, Status: a.status,
		RetryAfter: xrpc.RetryAfter(a.header, a.now), ClockOffset: a.ahead,
		Retryable: a.status == http.StatusTooManyRequests || a.status >= 500,
	}
	return e.saidBy(w.Code, w.Description, w.URI)
}

// invalid returns the error for a success that breaks the rules.
func (a *asAnswer) invalid(kind Kind, cause error) error {
	return &Error{Kind: kind, Status: a.status, Err: cause}
}

// unsound says why a success cannot be used, whatever it contains.
func (a *asAnswer) unsound() error {
	switch media, _, err := mime.ParseMediaType(a.header.Get("Content-Type")); {
	case a.large:
		return fmt.Errorf("the answer is larger than %d bytes", maxServerAnswer)
	case err != nil || media != "application/json":
		return fmt.Errorf("the answer is %.100q, not application/json", a.header.Get("Content-Type"))
	}
	return nil
}

// decode reads a JSON answer.
func (a *asAnswer) decode(into any) error {
	if err := a.unsound(); err != nil {
		return a.invalid(ErrToken, err)
	}
	if err := json.Unmarshal(a.body, into); err != nil {
		return a.invalid(ErrToken, err)
	}
	return nil
}
