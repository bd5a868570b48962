package safehttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// MaxDocument is the largest discovery document, in bytes after decompression.
const MaxDocument = 512 << 10

// Rules are the conditions of a Get for the answer. The zero value means: status 200, any content
// type, no redirect, any port, at most MaxDocument.
type Rules struct {
	// Accept are the content types to ask for, the preferred one first. The answer must have one of
	// them; parameters and letter case are ignored. None means any.
	Accept []string
	// Redirects is how many redirects are followed. Each target is checked like the first URL.
	Redirects int
	// DefaultPort refuses URLs with another port than 443.
	DefaultPort bool
	// AnySuccess accepts every status from 200 to 299.
	AnySuccess bool
	// MaxBytes limits the body, after decompression. 0 means MaxDocument.
	MaxBytes int64
}

// GetJSON fetches a discovery document (RFC 8414 §3.2, RFC 9728 §3.2): status 200,
// application/json, no redirect, at most MaxDocument. It does not parse it.
func (c *Client) GetJSON(ctx context.Context, url string) ([]byte, error) {
	return c.Get(ctx, url, Rules{Accept: []string{"application/json"}})
}

// Get fetches a URL under the given rules and returns the body. Every error is an *Error.
func (c *Client) Get(ctx context.Context, target string, rules Rules) ([]byte, error) {
	answer, err := c.Fetch(ctx, target, rules)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// An Answer is the result of Fetch.
type Answer struct {
	Header http.Header
	Body   []byte
}

// Fetch is Get, but it also returns the header of the answer.
func (c *Client) Fetch(ctx context.Context, target string, rules Rules) (*Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	u, err := url.Parse(target)
	if err != nil {
		return nil, &Error{URL: target, Err: fmt.Errorf("%w: %w", ErrBlocked, err)}
	}
	for redirects := 0; ; redirects++ {
		resp, err := c.send(ctx, u, rules)
		if err != nil {
			return nil, &Error{URL: target, Err: err}
		}
		next, err := redirectTarget(u, resp)
		if err == nil && next == nil {
			defer resp.Body.Close()
			body, err := readBody(resp, rules)
			if err != nil {
				return nil, &Error{URL: target, Status: resp.StatusCode, Header: resp.Header, Err: err}
			}
			return &Answer{Header: resp.Header, Body: body}, nil
		}
		resp.Body.Close()
		if err == nil && redirects >= rules.Redirects {
			err = fmt.Errorf("%w: to %s", ErrRedirect, next.Redacted())
		}
		if err != nil {
			return nil, &Error{URL: target, Status: resp.StatusCode, Header: resp.Header, Err: err}
		}
		u = next
	}
}

func (c *Client) send(ctx context.Context, u *url.URL, rules Rules) (*http.Response, error) {
	if rules.DefaultPort {
		if err := c.checkPort(u); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBlocked, err)
	}
	if len(rules.Accept) > 0 {
		req.Header.Set("Accept", strings.Join(rules.Accept, ", "))
	}
	return roundTripper{c}.RoundTrip(req)
}

// redirectTarget returns the target of a redirect in the response to a request for u, or nil if
// there is none.
func redirectTarget(u *url.URL, resp *http.Response) (*url.URL, error) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	location := resp.Header.Get("Location")
	if location == "" {
		return nil, fmt.Errorf("%w: no location", ErrRedirect)
	}
	next, err := u.Parse(location)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRedirect, err)
	}
	return next, nil
}

func readBody(resp *http.Response, rules Rules) ([]byte, error) {
	if resp.StatusCode != http.StatusOK && (!rules.AnySuccess || resp.StatusCode/100 != 2) {
		return nil, ErrStatus
	}
	if len(rules.Accept) > 0 {
		t, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
		if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) || !slices.Contains(rules.Accept, t) {
			return nil, fmt.Errorf("%w: %.80q", ErrContentType, resp.Header.Get("Content-Type"))
		}
	}
	limit := rules.MaxBytes
	if limit <= 0 {
		limit = MaxDocument
	}
	if resp.ContentLength > limit {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	return body, nil
}
