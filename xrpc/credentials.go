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

// Bearer returns a Doer that sends token along with every request of doer, which is usually a
// *Client: the credentials of servers that give out tokens of their own (RFC 6750 §2.1). Nothing
// refreshes it; for accounts of the network there is package oauth.
func Bearer(doer Doer, token string) Doer {
	return newCredentials(doer, "Bearer "+token)
}

// Basic returns a Doer that sends user and password along with every request of doer, which is usually
// a *Client (RFC 7617). It is what the com.atproto.admin methods of a PDS want, by the user "admin".
func Basic(doer Doer, user, password string) Doer {
	return newCredentials(doer, "Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
}

// credentials is a Doer whose requests have an Authorization field.
type credentials struct {
	doer          Doer
	authorization func() string // a text would be printed out of somebody else's unexported field (P78)
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

// Follow implements Follower: without the credentials, which are for one server.
func (c *credentials) Follow(ctx context.Context, target *url.URL, header http.Header) (*http.Response, error) {
	if f, ok := c.doer.(Follower); ok {
		return f.Follow(ctx, target, header)
	}
	return nil, errors.ErrUnsupported
}

// String says no more than what it is.
func (c *credentials) String() string { return "xrpc.Doer with credentials" }

// Format writes what String returns, whatever the verb.
func (c *credentials) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }

// LogValue keeps all of it out of logs.
func (c *credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }
