package apppassword

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/internal/safehttp"
	"github.com/gimucco/atproto-go/internal/said"
	"github.com/gimucco/atproto-go/internal/token"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// The methods that a session itself uses.
const (
	createSession  = "com.atproto.server.createSession"
	refreshSession = "com.atproto.server.refreshSession"
	deleteSession  = "com.atproto.server.deleteSession"
	describeServer = "com.atproto.server.describeServer"
	getSession     = "com.atproto.server.getSession"
)

// Limits of a request for tokens.
const (
	requestTimeout = 15 * time.Second
	maxAnswer      = 512 << 10
)

// A request makes, refreshes or ends a session.
type request struct {
	verb   string // empty means POST
	host   string
	method syntax.NSID
	bearer string            // the token of the request; "" for none
	input  map[string]string // as JSON; nil for none

	// fence, if set, is asked directly before the request is sent: a refresh token must not be sent
	// late. In this case only the context limits the time.
	fence func(context.Context) error
}

// A reply is what the server answered.
type reply struct {
	status  int
	header  http.Header
	body    []byte
	large   bool          // body holds only the beginning
	started time.Time     // when the request began
	now     time.Time     // when the answer arrived
	ahead   time.Duration // how far the server's clock is ahead
	secrets []string      // secrets in the request, which the server may repeat
}

// ask sends r once. Its errors are about sending: the error of the fence, or ErrNetwork with an
// *xrpc.SendError as its cause.
func (c *Client) ask(ctx context.Context, r *request) (*reply, error) {
	if r.fence == nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, requestTimeout)
		defer cancel()
	}
	a := &reply{started: c.now(), secrets: []string{r.bearer}}
	verb := r.verb
	if verb == "" {
		verb = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, verb, r.host+"/xrpc/"+string(r.method), nil)
	if err != nil {
		return nil, &Error{Kind: ErrConfig, Err: err}
	}
	if r.input != nil {
		data, err := json.Marshal(r.input)
		if err != nil {
			return nil, &Error{Kind: ErrConfig, Err: err}
		}
		// No GetBody: net/http must not send a password again by itself.
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader(string(data))), int64(len(data))
		req.Header.Set("Content-Type", "application/json")
		for name, value := range r.input {
			if name != "identifier" {
				a.secrets = append(a.secrets, value)
			}
		}
	}
	req.Header.Set("Accept", "application/json")
	if r.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+r.bearer)
	}
	if r.fence != nil {
		if err := r.fence(ctx); err != nil {
			return nil, err
		}
	}
	resp, err := xrpc.SendHTTP(c.http.RoundTripper(), req, r.method)
	if err != nil {
		return nil, networkError(ctx, err)
	}
	defer resp.Body.Close()
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, networkError(ctx, &xrpc.SendError{NSID: r.method, Sent: xrpc.SentMaybe, Err: fmt.Errorf("reading the answer: %w", err)})
	}
	a.status, a.header, a.now = resp.StatusCode, resp.Header, c.now()
	if a.large = len(a.body) > maxAnswer; a.large {
		a.body = a.body[:maxAnswer]
	}
	a.ahead = c.learnTime(r.host, a.header, a.started)
	if !a.ok() {
		c.log.WarnContext(ctx, "apppassword: server refused", "host", r.host, "method", r.method, "status", a.status, "name", said.Word(a.words().name))
	}
	return a, nil
}

func (a *reply) ok() bool { return a.status >= 200 && a.status <= 299 }

// words returns the server's own words about an error, as far as they have the form of XRPC.
func (a *reply) words() (w struct{ name, message string }) {
	members := a.members()
	w.name, w.message = text(members["error"]), text(members["message"])
	for _, secret := range a.secrets {
		if len(secret) > 3 && (strings.Contains(w.message, secret) || strings.Contains(w.name, secret)) {
			return struct{ name, message string }{} // they repeat secrets
		}
	}
	return w
}

// members returns the members of the answer if it is a JSON object.
func (a *reply) members() map[string]json.RawMessage {
	var members map[string]json.RawMessage
	if a.large || json.Unmarshal(a.body, &members) != nil {
		return nil
	}
	return members
}

// text reads a string member. A member of another type counts as missing.
func text(raw json.RawMessage) (s string) {
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// refusal returns the error for an answer that is not a success.
func (a *reply) refusal(kind Kind) *Error {
	w := a.words()
	e := &Error{
		Kind: kind, Status: a.status, Name: xrpc.ErrorName(said.Cut(w.name, said.MaxText)), Message: said.Cut(w.message, said.MaxText),
		RetryAfter: a.retryAfter(), Retryable: a.status == http.StatusTooManyRequests || a.status >= 500,
	}
	if a.status == http.StatusTooManyRequests {
		e.Kind = ErrRateLimited
	}
	return e
}

// retryAfter returns how long the server asks to wait. The reference server says only when its
// window ends, by its own clock.
func (a *reply) retryAfter() time.Duration {
	if after := xrpc.RetryAfter(a.header, a.now); after > 0 || a.status != http.StatusTooManyRequests {
		return after
	}
	reset, err := strconv.ParseInt(strings.TrimSpace(a.header.Get("RateLimit-Reset")), 10, 64)
	if err != nil {
		return 0
	}
	reset = min(reset, math.MaxInt32<<8) // later times do not fit into a Time
	return min(max(time.Unix(reset, 0).Sub(a.now.Add(a.ahead)), 0), 24*time.Hour)
}

// A grant is the checked answer to a login or a refresh.
type grant struct {
	did    syntax.DID
	handle syntax.Handle // "" if the server does not say
	host   string        // the server in the account's document; "" if it names none
	tokens tokenSet
}

// grant reads a success. Optional members that are missing stay empty.
func (a *reply) grant(c *Client) (*grant, error) {
	members := a.members()
	if members == nil {
		return nil, a.unusable(errors.New("it is not a JSON object, or it is too large"))
	}
	did, err := syntax.ParseDID(text(members["did"]))
	if err != nil {
		return nil, a.unusable(fmt.Errorf("did: %w", err))
	}
	g := &grant{did: did}
	if handle, err := syntax.ParseHandle(text(members["handle"])); err == nil {
		g.handle = handle.Normalize()
	}
	if doc, err := identity.ParseDocument(members["didDoc"], did); err == nil {
		if host, err := doc.PDS(); err == nil && c.checkHost(host) == nil {
			g.host = host
		}
	}
	g.tokens.Access, g.tokens.Refresh = text(members["accessJwt"]), text(members["refreshJwt"])
	if g.tokens.Access == "" {
		return g, a.unusable(errors.New("accessJwt is missing"))
	}
	for name, jwt := range map[string]string{"accessJwt": g.tokens.Access, "refreshJwt": g.tokens.Refresh} {
		if err := token.Check(jwt); err != nil {
			return g, a.unusable(fmt.Errorf("%s %w", name, err))
		}
	}
	g.tokens.Life = lifeOf(g.tokens.Access, a.started, a.ahead)
	return g, nil
}

// unusable returns the error for a success that breaks the rules.
func (a *reply) unusable(cause error) error {
	return &Error{Kind: ErrServer, Status: a.status, Err: fmt.Errorf("the answer cannot be used: %w", cause)}
}

// maxLife is the longest life of an access token that the client believes.
const maxLife = 30 * 24 * time.Hour

// lifeOf finds out how long an access token lives. started is when its request began, by our clock.
// Tokens are opaque, so nothing is refused because of a token's content. But the tokens of most
// servers are JWTs, and reading the times in them saves a refused call. The difference of these
// times is the token's life, whatever our clock says. The life of any other token is unknown.
func lifeOf(jwt string, started time.Time, ahead time.Duration) token.Life {
	life := token.Life{IssuedAt: started}
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return life
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return life
	}
	var claims struct {
		Expires *float64 `json:"exp"`
		Issued  *float64 `json:"iat"`
	}
	if json.Unmarshal(payload, &claims) != nil || claims.Expires == nil {
		return life
	}
	from := float64(started.Add(ahead).Unix())
	if claims.Issued != nil {
		from = *claims.Issued
	}
	if seconds := *claims.Expires - from; seconds > 0 {
		life.ExpiresAt = started.Add(time.Duration(min(seconds, maxLife.Seconds()) * float64(time.Second)))
	}
	return life
}

// learnTime compares the clocks by the answer to a request that was sent at our time sent. It
// returns how far the server's clock is ahead.
func (c *Client) learnTime(host string, h http.Header, sent time.Time) time.Duration {
	ahead, _ := c.clocks.Measure(host, h, sent, c.now())
	return ahead
}

// checkHost checks that requests may go to an origin.
func (c *Client) checkHost(origin string) error {
	u, err := url.Parse(origin)
	if err != nil {
		return errors.New("is no URL")
	}
	if u.Host == "" || !c.http.AllowsScheme(u) || safehttp.Origin(u) != origin {
		return fmt.Errorf("%.200q is not an https origin without path, default port and credentials", u.Redacted())
	}
	return nil
}
