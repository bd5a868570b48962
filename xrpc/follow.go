package xrpc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// A Follower is a Doer that can fetch the target of a redirected download. A Doer that wraps
// another one must forward Follow; otherwise redirects are errors.
type Follower interface {
	Doer

	// Follow sends a GET to target with exactly this header: no credentials, no cookies, and
	// nothing about the account. It connects to public addresses by https only, follows no redirect
	// itself, and learns nothing from the answer, because it comes from another server. Its errors
	// are those of Do. An error that is errors.ErrUnsupported means that it cannot follow
	// redirects.
	Follow(ctx context.Context, target *url.URL, header http.Header) (*http.Response, error)
}

// FollowHTTP implements Follow with rt: one GET, with nothing but header. It is for implementations
// of Follower.
func FollowHTTP(ctx context.Context, rt http.RoundTripper, target *url.URL, header http.Header) (*http.Response, error) {
	req, err := NewHTTPRequest(ctx, http.MethodGet, target, header, nil)
	if err != nil {
		return nil, err
	}
	return SendHTTP(rt, req, "")
}

// maxRedirects is how many redirects of a download are followed.
const maxRedirects = 5

// isRedirect reports whether a status says that the same content is elsewhere.
func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// follow follows the redirect of a download, as far as that is allowed (P82). It never follows the
// redirect of a typed answer, because whoever can make a server redirect could then forge it. If it
// does not follow, it returns the response unchanged, and that becomes an error that names the
// target.
func (c *Caller) follow(ctx context.Context, m Method, req *Request, resp *http.Response) (_ *http.Response, elsewhere bool, err error) {
	follower, ok := c.doer.(Follower)
	if !ok || !m.stream || m.Kind != KindQuery {
		return resp, false, nil
	}
	header := make(http.Header)
	for _, name := range []string{"Accept", "Range", "User-Agent"} {
		if values := req.Header.Values(name); len(values) > 0 {
			header[name] = values
		}
	}
	var from *url.URL
	if resp.Request != nil {
		from = resp.Request.URL
	}
	for range maxRedirects {
		if !isRedirect(resp.StatusCode) {
			break
		}
		target, ok := redirectTarget(from, resp.Header.Get("Location"))
		if !ok {
			break
		}
		next, err := follower.Follow(ctx, target, header)
		if errors.Is(err, errors.ErrUnsupported) {
			break
		}
		resp.Body.Close()
		if err != nil {
			sent := SentMaybe
			if send, ok := errors.AsType[*SendError](err); ok {
				sent = send.Sent
			}
			return nil, true, &SendError{NSID: m.NSID, Sent: sent, Err: fmt.Errorf("redirected to %.300q: %w", target.Redacted(), err), final: isFinal(err)}
		}
		resp, from, elsewhere = next, target, true
	}
	return resp, elsewhere, nil
}

// redirectTarget returns the target of a Location, if it is valid.
func redirectTarget(from *url.URL, location string) (*url.URL, bool) {
	target, err := url.Parse(location)
	if err != nil || location == "" {
		return nil, false
	}
	if from != nil {
		target = from.ResolveReference(target)
	}
	target.Fragment, target.RawFragment = "", ""
	return target, target.Host != ""
}

func isFinal(err error) bool {
	send, ok := errors.AsType[*SendError](err)
	return ok && send.final
}
