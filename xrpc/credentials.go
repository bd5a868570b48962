package xrpc

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
)

// Bearer returns a Doer that adds token to every request of doer, which is usually a *Client (RFC
// 6750 §2.1). It is for servers that issue tokens of their own. Nothing refreshes the token. For
// accounts of the network, use package oauth.
func Bearer(doer Doer, token string) Doer {
	return newCredentials(doer, "Bearer "+token)
}

// Basic returns a Doer that adds user and password to every request of doer, which is usually a
// *Client (RFC 7617). The com.atproto.admin methods of a PDS need this, with the user "admin".
func Basic(doer Doer, user, password string) Doer {
	return newCredentials(doer, "Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
}

// credentials is a Doer that sets the Authorization field.
type credentials struct {
	doer          Doer
	authorization func() string // a func, because fmt would print a string in another type's unexported field (P78)
}

func newCredentials(doer Doer, authorization string) *credentials {
	return &credentials{doer: doer, authorization: func() string { return authorization }}
}

var _ Follower = (*credentials)(nil)

// Do implements Doer.
func (c *credentials) Do(ctx context.Context, req *Request) (*http.Response, error) {
	signed := *req
	signed.Header = req.Header.Clone()
	if signed.Header == nil {
		signed.Header = make(http.Header)
	}
	signed.Header.Set("Authorization", c.authorization())
	return c.doer.Do(ctx, &signed)
}

// Follow implements Follower. It sends no credentials, because they are for one server only.
func (c *credentials) Follow(ctx context.Context, target *url.URL, header http.Header) (*http.Response, error) {
	if f, ok := c.doer.(Follower); ok {
		return f.Follow(ctx, target, header)
	}
	return nil, errors.ErrUnsupported
}

// String returns only a description.
func (c *credentials) String() string { return "xrpc.Doer with credentials" }

// Format writes the same text as String, for every verb.
func (c *credentials) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }

// LogValue gives loggers the description only.
func (c *credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }
