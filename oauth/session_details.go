package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/url"
	"time"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// SessionDetails are what an account page shows of a session, as it is stored.
type SessionDetails struct {
	Key       SessionKey
	Began     time.Time // the login
	Refreshed time.Time // when it was given its tokens, at the login or since
	Scope     string    // what was granted
	Handle    syntax.Handle
	Issuer    string // the authorization server
}

// SessionDetails yields what is stored of the sessions of an account, or of all (did ""). One that
// cannot be opened comes with its Key alone and an error of kind ErrSealed, and the others
// follow. An error of kind ErrStore ends the sequence. Sessions of other clients are passed over.
//
// Client.Logout ends one of them, here and at its server.
func (c *Client) SessionDetails(ctx context.Context, did syntax.DID) iter.Seq2[SessionDetails, error] {
	return func(yield func(SessionDetails, error) bool) {
		for key, err := range c.Sessions(ctx, did) {
			if err != nil {
				yield(SessionDetails{}, err)
				return
			}
			state, _, _, err := c.loadSession(ctx, key)
			switch {
			case errors.Is(err, ErrSessionUnknown): // another client's, or over meanwhile
				continue
			case errors.Is(err, ErrSealed):
				if !yield(SessionDetails{Key: key}, err) {
					return
				}
				continue
			case err != nil:
				yield(SessionDetails{}, err)
				return
			}
			if !yield(state.details(key), nil) {
				return
			}
		}
	}
}

func (s *sessionState) details(key SessionKey) SessionDetails {
	return SessionDetails{
		Key: key, Began: s.CreatedAt, Refreshed: s.Tokens.IssuedAt, Scope: s.Tokens.Scope, Handle: s.Handle, Issuer: s.Issuer,
	}
}

// AccountURL returns the page where the user manages the account at its authorization server,
// such as the applications that may use it; "" if the server names none (account_management_uri
// in its metadata), or none that a browser should be sent to. It fails where the server's metadata
// cannot be had.
func (s *Session) AccountURL(ctx context.Context) (string, error) {
	server, err := s.client.serverOf(ctx, s.Issuer())
	if err != nil {
		return "", err
	}
	var page string
	if json.Unmarshal(server.AccountPage, &page) != nil {
		return "", nil
	}
	if u, err := url.Parse(page); err != nil || u.Host == "" || u.User != nil || !s.client.secure(u) {
		return "", nil
	}
	return page, nil
}
