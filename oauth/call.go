package oauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// nonceAge is how old a nonce may be for a body that can be sent only once.
// Servers change theirs every minute or so.
const nonceAge = time.Minute

// An outgoing is a request before it has host and credentials.
type outgoing struct {
	method string
	target *url.URL // path and query; scheme and host only if the caller gave them
	header http.Header
	body   *xrpc.Body
	nsid   syntax.NSID // for error messages
}

// Do implements xrpc.Doer: it sends req to the session's PDS, with a proof and
// the current token, and returns the response whatever its status. A challenge for
// a nonce, an expired token and, for requests without a body, a replayed proof are
// dealt with by sending again, three times in all at most unless Config.Retries says
// otherwise.
//
// Errors: *xrpc.SendError when there was no response; ErrReauthRequired when the
// session is over; ErrBodyNotReplayable when the server wants the request again and
// its body can be read only once.
func (s *Session) Do(ctx context.Context, req *xrpc.Request) (*http.Response, error) {
	return s.send(ctx, &outgoing{
		method: req.Method,
		target: &url.URL{Path: "/xrpc/" + string(req.NSID), RawQuery: req.Query},
		header: req.Header,
		body:   req.Body,
		nsid:   req.NSID,
	})
}

// send is the one loop behind Do, the raw requests and HTTPClient.
func (s *Session) send(ctx context.Context, out *outgoing) (*http.Response, error) {
	if out.body != nil && !out.body.Replayable() {
		if err := s.prepareForOneWay(ctx); err != nil {
			return nil, err
		}
	}
	spending := s.client.newBudget()
	for {
		state, err := s.usable(ctx)
		if err != nil {
			return nil, err
		}
		resp, redated, err := s.sendOnce(ctx, out, state)
		if err != nil {
			return nil, err
		}
		why := none
		code := challenge(resp)
		switch code {
		case "use_dpop_nonce":
			if resp.Header.Get(nonceHeader) != "" {
				why = wantsNonce
			}
		case "invalid_token":
			why = wantsToken
		case "invalid_dpop_proof":
			// net/http sends a GET again, proof and all, when an idle connection dies
			// under it; the server then sees the proof twice (P50).
			if redated || out.body == nil && out.method == http.MethodGet {
				why = wantsProof
			}
		}
		if !spending.spend(why) {
			return resp, nil
		}
		s.client.log.DebugContext(ctx, "oauth: trying again", "session", s, "path", out.target.Path, "code", code)
		var refreshErr error
		if why == wantsToken {
			refreshErr = s.renew(ctx, state)
			if s.hasAdopted() {
				// Nothing was asked of the server: should it not take these tokens either, as
				// they may be older than they look, a refresh is still to come.
				spending.giveBack(wantsToken)
			}
		}
		resp.Body.Close()
		if refreshErr != nil {
			return nil, refreshErr
		}
		if out.body != nil && !out.body.Replayable() {
			return nil, &Error{Kind: ErrBodyNotReplayable, Stage: StageSession, Status: resp.StatusCode,
				Err: fmt.Errorf("%s %s: the server wants the request again", out.method, out.target.Path)}
		}
		if err := spending.pause(ctx, why); err != nil {
			return nil, &xrpc.SendError{NSID: out.nsid, Sent: xrpc.SentNo, Err: err}
		}
	}
}

// sendOnce sends out with the tokens of state and a proof of its own. It reports whether
// the proof was dated by a clock that is now known to be wrong.
func (s *Session) sendOnce(ctx context.Context, out *outgoing, state *sessionState) (resp *http.Response, redated bool, err error) {
	c := s.client
	target, err := resolveTarget(state.PDS, out.target)
	if err != nil {
		return nil, false, err
	}
	req, err := xrpc.NewHTTPRequest(ctx, out.method, target, out.header, out.body)
	if err != nil {
		return nil, false, err
	}
	origin := originOf(req.URL)
	known, ticket := c.nonceFor(s.nonces, origin)
	at, corrected := c.timeAt(origin)
	signed, err := state.Key.sign(proof{
		method: req.Method, url: dpopURL(req.URL), nonce: known, token: state.Tokens.Access, at: at,
	})
	if err != nil {
		return nil, false, err
	}
	for name := range req.Header { // also those that are not written as net/http writes them
		switch http.CanonicalHeaderKey(name) {
		case "Authorization", "Dpop":
			delete(req.Header, name)
		}
	}
	req.Header.Set("Authorization", "DPoP "+state.Tokens.Access)
	req.Header.Set("DPoP", signed)
	started := c.now()
	resp, err = xrpc.SendHTTP(c.http.RoundTripper(), req, out.nsid)
	if err != nil {
		return nil, false, err
	}
	c.learnNonce(s.nonces, origin, resp.Header, ticket)
	c.learnTime(origin, resp.Header, started)
	return resp, c.redated(origin, corrected), nil
}

// usable returns tokens that can be sent. It refreshes those that have run out,
// and those about to, as far as that succeeds.
func (s *Session) usable(ctx context.Context) (*sessionState, error) {
	s.mu.Lock()
	state, ended, unsaved, tried, moved := s.state, s.ended, s.unsaved, s.tried, s.moved
	s.mu.Unlock()
	if ended != nil {
		return nil, ended
	}
	now := s.client.now()
	if unsaved != nil && s.saving.TryLock() { // one call tries, the others go on
		s.saving.Unlock()
		attempt, cancel := context.WithTimeout(ctx, saveWait)
		err := s.saveUnsaved(attempt)
		cancel()
		if errors.Is(err, ErrReauthRequired) {
			return nil, err
		}
		state, _ = s.current()
	}
	if moved != nil && now.Sub(tried) < time.Minute {
		return nil, moved
	}
	if moved != nil || state.Tokens.expired(now) {
		if err := s.renew(ctx, state); err != nil {
			return nil, err
		}
		return s.current()
	}
	span := state.Tokens.refreshSpan()
	left := state.Tokens.ExpiresAt.Sub(now)
	if state.Tokens.Refresh == "" || left > time.Duration(s.jitter*float64(span)) || now.Sub(tried) < span {
		return state, nil
	}
	if err := s.renew(ctx, state); err != nil {
		if errors.Is(err, ErrReauthRequired) || errors.Is(err, ErrIssuerChanged) || ctx.Err() != nil {
			return nil, err
		}
		// The tokens still live; failing the call would make it worse.
	}
	return s.current()
}

// prepareForOneWay does what can be done so that a body that can be read only once
// is not sent in vain: the newest tokens, with time left, and a nonce that is fresh.
func (s *Session) prepareForOneWay(ctx context.Context) error {
	if _, _, err := s.reload(ctx); err != nil && errors.Is(err, ErrReauthRequired) {
		return err
	}
	state, err := s.usable(ctx)
	if err != nil {
		return err
	}
	if s.nonces.fresh(state.PDS, s.client.now().Add(-nonceAge)) {
		return nil
	}
	resp, err := s.send(ctx, &outgoing{
		method: http.MethodGet,
		target: &url.URL{Path: "/xrpc/com.atproto.server.getSession"},
		nsid:   "com.atproto.server.getSession",
	})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	return nil
}

// challenge returns why the server wants the request again, in the terms of RFC 9449 and
// RFC 6750 (O98, O114). Only a wish for a nonce is believed where it stands in the body alone,
// as the atproto profile has it: of tokens, a service behind the PDS may speak, too, and
// mean its own.
func challenge(resp *http.Response) string {
	if resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusBadRequest {
		return ""
	}
	for _, c := range xrpc.ParseChallenges(resp.Header) {
		if name := c.Params["error"]; name != "" {
			return name
		}
	}
	if resp.Header.Get(nonceHeader) != "" && errorInBody(resp) == "use_dpop_nonce" {
		return "use_dpop_nonce"
	}
	return ""
}

const (
	// maxChallenge is more than the body of a challenge needs.
	maxChallenge = 4 << 10
	// challengeWait is how long the body of a refusal is waited for.
	challengeWait = 5 * time.Second
)

// errorInBody reads the name of the error from a small JSON body, and leaves the body as
// it was.
func errorInBody(resp *http.Response) string {
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return ""
	}
	body := resp.Body
	late := time.AfterFunc(challengeWait, func() { body.Close() })
	start, err := io.ReadAll(io.LimitReader(body, maxChallenge))
	late.Stop()
	rest := io.Reader(body)
	if err != nil {
		rest = failedReader{err}
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(start), rest), body}
	var words struct {
		Error string `json:"error"`
	}
	json.Unmarshal(start, &words) // what cannot be read names nothing
	return words.Error
}

// A failedReader repeats an error that has been met already.
type failedReader struct{ err error }

func (r failedReader) Read([]byte) (int, error) { return 0, r.err }

// resolveTarget puts a path onto the session's origin. An absolute URL must be on
// that origin: a token and its proof are for one server (O102).
func resolveTarget(pds string, target *url.URL) (*url.URL, error) {
	base, err := url.Parse(pds)
	if err != nil {
		return nil, &Error{Kind: ErrOrigin, Stage: StageSession, Err: err}
	}
	if (target.Scheme != "" || target.Host != "") && (originOf(target) != originOf(base) || target.User != nil) {
		return nil, &Error{Kind: ErrOrigin, Stage: StageSession,
			Err: fmt.Errorf("the request goes to %s, the session is for %s", originOf(target), pds)}
	}
	full := *target
	full.Scheme, full.Host, full.Fragment = base.Scheme, base.Host, ""
	return &full, nil
}
