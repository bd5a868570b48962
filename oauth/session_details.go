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

// SessionDetails are the stored facts of a session that an account page shows.
type SessionDetails struct {
	Key       SessionKey    // for Client.Resume and Client.Logout
	Began     time.Time     // when the user logged in
	Refreshed time.Time     // when the server issued the current tokens
	Scope     string        // the granted scope
	Handle    syntax.Handle // the account's handle as it was last verified
	Issuer    string        // the authorization server
}

// SessionDetails yields what is stored about the sessions of one account, or about all if did is
// "". For a session that cannot be opened, it yields only the Key, with an error of kind ErrSealed,
// and goes on. An error of kind ErrStore ends the sequence. It skips sessions of other clients.
//
// To end one of them, here and at its server, use Client.Logout.
func (c *Client) SessionDetails(ctx context.Context, did syntax.DID) iter.Seq2[SessionDetails, error] {
	return func(yield func(SessionDetails, error) bool) {
		for key, err := range c.Sessions(ctx, did) {
			if err != nil {
				yield(SessionDetails{}, err)
				return
			}
			state, _, _, err := c.loadSession(ctx, key)
			switch {
			case errors.Is(err, ErrSessionUnknown): // it belongs to another client, or has ended meanwhile
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

// AccountURL returns the page where the user manages the account at its authorization server, for
// example which applications may use it. The server's metadata names it as account_management_uri.
// The result is "" if the server names none, or one that is not safe for a browser. AccountURL
// returns an error if the server's metadata cannot be fetched.
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
