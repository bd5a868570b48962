package apppassword

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/gimucco/atproto-go/internal/answer"
	"github.com/gimucco/atproto-go/internal/raw"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// Do implements xrpc.Doer. It sends req to the account's server with the current token, and returns
// the response whatever its status. If the server says that the token has expired, Do refreshes it
// and sends req once more.
//
// Errors: *xrpc.SendError if there was no response; ErrReauthRequired if the session has ended;
// ErrBodyNotReplayable if the server wants the request again and its body can be read only once;
// the errors of Refresh if a new token is needed and is not available now.
func (s *Session) Do(ctx context.Context, req *xrpc.Request) (*http.Response, error) {
	return s.send(ctx, req.NSID, &raw.Request{
		Method: req.Method,
		Target: &url.URL{Path: "/xrpc/" + string(req.NSID), RawQuery: req.Query},
		Header: req.Header,
		Body:   req.Body,
	})
}

// send is the loop of all calls. nsid is for error messages; it may be empty.
func (s *Session) send(ctx context.Context, nsid syntax.NSID, req *raw.Request) (*http.Response, error) {
	if ctx.Err() != nil { // this is no reason for a refresh (P121)
		return nil, &xrpc.SendError{NSID: nsid, Sent: xrpc.SentNo, Err: context.Cause(ctx)}
	}
	oneWay := req.Body != nil && !req.Body.Replayable()
	if oneWay {
		if err := s.prepareForOneWay(ctx); err != nil {
			return nil, err
		}
	}
	renewed := false
	for adopted := 0; ; {
		state, err := s.usable(ctx)
		if err != nil {
			return nil, err
		}
		resp, err := s.sendOnce(ctx, nsid, req, state)
		if err != nil {
			return nil, err
		}
		if renewed || !s.wantsToken(resp, state) {
			return resp, nil
		}
		// Nobody needs this answer any more. If many of them stayed open here, they could use up
		// all connections to the server, and the refresh that they wait for would get none.
		resp.Body.Close()
		s.setUseless(state.Tokens.Access)
		asked, err := s.renew(ctx, state)
		if err != nil {
			return nil, err
		}
		// Tokens from another process may be older than they look. So this call may still refresh
		// them once (P118).
		adopted++
		renewed = asked || adopted == maxAdopted
		if oneWay {
			return nil, &Error{Kind: ErrBodyNotReplayable, Status: resp.StatusCode, Err: fmt.Errorf("%s %s: the server wants the request again", req.Method, req.Target.Path)}
		}
	}
}

var _ xrpc.Follower = (*Session)(nil)

// Follow implements xrpc.Follower. It fetches the URL that the account's server redirected a
// download to, such as a blob. It sends no credentials of the session there, and learns nothing
// from the answer (P82).
func (s *Session) Follow(ctx context.Context, target *url.URL, header http.Header) (*http.Response, error) {
	return xrpc.FollowHTTP(ctx, s.client.http.RoundTripper(), target, header)
}

// sendOnce sends req with the tokens of state.
func (s *Session) sendOnce(ctx context.Context, nsid syntax.NSID, req *raw.Request, state *sessionState) (*http.Response, error) {
	target, err := raw.Resolve(state.Host, req.Target)
	if err != nil {
		return nil, rawError(err)
	}
	out, err := xrpc.NewHTTPRequest(ctx, req.Method, target, req.Header, req.Body)
	if err != nil {
		return nil, err
	}
	for name := range out.Header { // including names that are not in the canonical form of net/http
		switch http.CanonicalHeaderKey(name) {
		case "Authorization", "Dpop":
			delete(out.Header, name)
		}
	}
	out.Header.Set("Authorization", "Bearer "+state.Tokens.Access)
	started := s.client.now()
	resp, err := xrpc.SendHTTP(s.client.http.RoundTripper(), out, nsid)
	if err != nil {
		return nil, err
	}
	s.client.learnTime(state.Host, resp.Header, started)
	return resp, nil
}

// wantsToken reports whether the answer is a refusal that another token may change. Servers say
// "ExpiredToken" for an expired token. They say "InvalidToken" for a token that they do not know,
// but a service behind them may say it about a token of its own. So that not every call makes a
// refresh, "InvalidToken" is ignored for a token that was issued within the last minute.
func (s *Session) wantsToken(resp *http.Response, state *sessionState) bool {
	if resp.StatusCode != http.StatusBadRequest && resp.StatusCode != http.StatusUnauthorized {
		return false
	}
	switch answer.ErrorName(resp) {
	case "ExpiredToken":
		return true
	case "InvalidToken":
		return !state.Tokens.IsNew(s.client.now())
	}
	return false
}

// maxAdopted is how often in a row one call takes tokens from another process that turn out to be
// useless.
const maxAdopted = 10

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
		case !state.Tokens.Spent(now) || state.Tokens.IsNew(now):
			if state.Tokens.IsDue(now, s.jitter) {
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

// oneWayWait is how long a request waits for fresh tokens if its body can be read only once.
const oneWayWait = 5 * time.Second

// prepareForOneWay prepares for a body that can be read only once, so that it is not sent in vain.
// It gets the newest tokens, with time left.
func (s *Session) prepareForOneWay(ctx context.Context) error {
	attempt, cancel := context.WithTimeout(ctx, oneWayWait)
	defer cancel()
	s.keeper.Look(attempt) // if the store does not answer, the known tokens may do
	state, err := s.current()
	if err != nil {
		return err
	}
	if state.Tokens.IsDue(s.client.now(), s.jitter) {
		s.renew(attempt, state)
	}
	if state, err = s.usable(ctx); err != nil {
		return err
	}
	if !state.Tokens.IsDoubtful(s.client.now()) {
		return nil
	}
	resp, err := s.Do(ctx, &xrpc.Request{Method: http.MethodGet, NSID: getSession})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be reused
	return nil
}
