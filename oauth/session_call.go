package oauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/gimucco/atproto-go/internal/answer"
	"github.com/gimucco/atproto-go/internal/dpop"
	"github.com/gimucco/atproto-go/internal/raw"
	"github.com/gimucco/atproto-go/internal/said"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// An outgoing is a request that has no host and no credentials yet.
type outgoing struct {
	raw.Request
	nsid  syntax.NSID // for error messages
	probe bool        // sent only to find out whether the server wants a nonce
}

// Do implements xrpc.Doer. It sends req to the session's PDS with a proof and the current token,
// and returns the response whatever its status. It sends the request again if the server asks for a
// nonce, if the token has expired, or, for a request without a body, if the server has seen the
// proof before. It sends a request at most three times, unless Config.Retries says otherwise.
//
// Errors: *xrpc.SendError if there was no response; ErrReauthRequired if the session has ended;
// ErrBodyNotReplayable if the server wants the request again and its body can be read only once.
func (s *Session) Do(ctx context.Context, req *xrpc.Request) (*http.Response, error) {
	return s.send(ctx, &outgoing{
		Request: raw.Request{
			Method: req.Method,
			Target: &url.URL{Path: "/xrpc/" + string(req.NSID), RawQuery: req.Query},
			Header: req.Header,
			Body:   req.Body,
		},
		nsid: req.NSID,
	})
}

var _ xrpc.Follower = (*Session)(nil)

// Follow implements xrpc.Follower. It fetches the URL that the session's PDS redirected a download
// to, such as a blob. It sends no credentials of the session there, and learns nothing from the
// answer (P82).
func (s *Session) Follow(ctx context.Context, target *url.URL, header http.Header) (*http.Response, error) {
	return xrpc.FollowHTTP(ctx, s.client.http.RoundTripper(), target, header)
}

// send is the one loop behind Do, the raw requests and HTTPClient.
func (s *Session) send(ctx context.Context, out *outgoing) (*http.Response, error) {
	if ctx.Err() != nil { // this is no reason for a refresh (P121)
		return nil, &xrpc.SendError{NSID: out.nsid, Sent: xrpc.SentNo, Err: context.Cause(ctx)}
	}
	if out.Body != nil && !out.Body.Replayable() {
		if err := s.prepareForOneWay(ctx); err != nil {
			return nil, err
		}
	}
	spending := s.client.newBudget()
	asked := "" // the nonce that the last answer asked for
	for {
		state, err := s.usable(ctx)
		if err != nil {
			return nil, err
		}
		resp, nonce, redated, err := s.sendOnce(ctx, out, state, asked)
		if err != nil {
			return nil, err
		}
		asked = ""
		why := none
		code := challenge(resp)
		switch code {
		case "use_dpop_nonce":
			if asked = dpop.NonceOf(resp.Header); asked != "" {
				s.nonces.Refused(nonce)
				why = wantsNonce
			}
		case "invalid_token":
			why = wantsToken
		case "invalid_dpop_proof":
			// If an idle connection dies, net/http sends a GET again with the same proof. The
			// server then sees the proof twice (P50).
			if redated || out.Body == nil && out.Method == http.MethodGet {
				why = wantsProof
			}
		}
		if !spending.spend(why) {
			return resp, nil
		}
		s.client.log.DebugContext(ctx, "oauth: trying again", "session", s, "path", out.Target.Path, "code", said.Word(code))
		// Nobody needs this answer any more. If many of them stayed open here, they could use up
		// all connections to the server, and the refresh that they wait for would get none.
		resp.Body.Close()
		var refreshErr error
		if why == wantsToken {
			s.setRefused(state.Tokens.Access)
			var asked bool
			if asked, refreshErr = s.renew(ctx, state); !asked {
				// Another process got these tokens. They may be older than they look, so this call
				// may still renew them once (P118).
				spending.giveBack(wantsToken)
			}
		}
		if errors.Is(refreshErr, errNoRefreshToken) {
			refreshErr = s.finish(ctx, &Error{Kind: ErrSessionExpired, Err: errNoRefreshToken})
		}
		if refreshErr != nil {
			return nil, refreshErr
		}
		if out.Body != nil && !out.Body.Replayable() {
			return nil, &Error{Kind: ErrBodyNotReplayable, Status: resp.StatusCode,
				Err: fmt.Errorf("%s %s: the server wants the request again", out.Method, out.Target.Path)}
		}
		if err := spending.pause(ctx, why); err != nil {
			return nil, &xrpc.SendError{NSID: out.nsid, Sent: xrpc.SentNo, Err: err}
		}
	}
}

// sendOnce sends out with the tokens of state and a new proof, with the nonce that was asked for,
// if there is one. It returns the nonce that it used. It also reports whether the proof has a time
// from a clock that is now known to be wrong.
func (s *Session) sendOnce(ctx context.Context, out *outgoing, state *sessionState, asked string) (resp *http.Response, nonce dpop.Use, redated bool, err error) {
	c := s.client
	target, err := raw.Resolve(state.PDS, out.Target)
	if err != nil {
		return nil, nonce, false, rawError(err)
	}
	req, err := xrpc.NewHTTPRequest(ctx, out.Method, target, out.Header, out.Body)
	if err != nil {
		return nil, nonce, false, err
	}
	origin := originOf(req.URL)
	nonce = s.nonces.Next(origin, asked)
	at, corrected := c.timeAt(origin)
	signed, err := state.Key.sign(proof{
		method: req.Method, url: dpopURL(req.URL), nonce: nonce.Value, token: state.Tokens.Access, at: at,
	})
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, nonce, false, err
	}
	for name := range req.Header { // including names that are not in the canonical form of net/http
		switch http.CanonicalHeaderKey(name) {
		case "Authorization", "Dpop":
			delete(req.Header, name)
		}
	}
	req.Header.Set("Authorization", "DPoP "+state.Tokens.Access)
	req.Header.Set("Dpop", signed)
	started := c.now()
	resp, err = xrpc.SendHTTP(c.http.RoundTripper(), req, out.nsid)
	if err != nil {
		return nil, nonce, false, err
	}
	given := dpop.NonceOf(resp.Header)
	s.nonces.Learn(nonce, given)
	if req.Method == http.MethodPost || out.probe { // other requests may need no credentials, and then the server checks no proof
		c.noteNonceless(origin, resp.StatusCode, given)
	}
	c.learnTime(origin, resp.Header, started)
	if out.probe && given == "" && provesNonceless(resp) {
		s.nonces.Without(nonce)
	}
	return resp, nonce, c.redated(origin, corrected), nil
}

// usable returns tokens that can be sent. It refreshes expired tokens first. It refreshes tokens
// that are about to expire in the background, and no call waits for that (P70).
func (s *Session) usable(ctx context.Context) (*sessionState, error) {
	for tries := 0; ; tries++ {
		state, err := s.current()
		if err != nil {
			return nil, err
		}
		now := s.client.now()
		switch {
		case state.Tokens.Refresh == "":
			return state, nil // the server decides when it has expired
		case s.movedAway() == nil && (!state.Tokens.Spent(now) || state.Tokens.IsNew(now)):
			if s.isDue(state, now) {
				s.keeper.Start(state)
			}
			return state, nil
		case tries == maxAdopted:
			return state, nil // our clock may be wrong; the server decides
		}
		if _, err := s.renew(ctx, state); err != nil {
			return nil, err
		}
	}
}

// maxAdopted is how often in a row one call takes tokens from another process that turn out to be
// useless.
const maxAdopted = 10

// isDue reports whether the tokens expire soon.
func (s *Session) isDue(state *sessionState, now time.Time) bool {
	return state.Tokens.isDue(now, s.jitter)
}

// oneWayWait is how long a request waits for fresh tokens if its body can be read only once.
const oneWayWait = 5 * time.Second

// prepareForOneWay prepares for a body that can be read only once, so that it is not sent in vain.
// It gets the newest tokens, with time left, and a fresh nonce.
func (s *Session) prepareForOneWay(ctx context.Context) error {
	attempt, cancel := context.WithTimeout(ctx, oneWayWait)
	defer cancel()
	s.keeper.Look(attempt) // if the store does not answer, the known tokens may do
	state, err := s.current()
	if err != nil {
		return err
	}
	if s.isDue(state, s.client.now()) {
		s.renew(attempt, state)
	}
	if state, err = s.usable(ctx); err != nil {
		return err
	}
	if now := s.client.now(); s.nonces.Fresh(state.PDS) && !state.Tokens.IsDoubtful(now) {
		return nil
	}
	resp, err := s.send(ctx, &outgoing{
		Request: raw.Request{Method: http.MethodGet, Target: &url.URL{Path: "/xrpc/com.atproto.server.getSession"}},
		nsid:    "com.atproto.server.getSession",
		probe:   true,
	})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be reused
	return nil
}

// challenge returns why the server wants the request again, in the terms of RFC 9449 and RFC 6750
// (O98, O114). An error name that is only in the body counts only if it asks for a nonce, as in the
// atproto profile. A service behind the PDS may also write there about tokens, and mean its own.
func challenge(resp *http.Response) string {
	if resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusBadRequest {
		return ""
	}
	for _, c := range xrpc.ParseChallenges(resp.Header) {
		if name := c.Params["error"]; name != "" {
			return name
		}
	}
	if dpop.NonceOf(resp.Header) != "" && answer.ErrorName(resp) == "use_dpop_nonce" {
		return "use_dpop_nonce"
	}
	return ""
}
