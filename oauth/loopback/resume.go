package loopback

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// ErrWhichAccount: several accounts have sessions, and identifier is none of them.
var ErrWhichAccount = errors.New("there are sessions of several accounts: say which one")

// ResumeOrLogin resumes the newest session of an account in the client's store. If there is none,
// it logs the person in. identifier is a handle, a DID or the URL of a server. "" means the only
// account that has sessions. A handle is compared with the one that the account had when it was
// last looked up.
//
// If the server has ended the session meanwhile, it is still resumed. The first call then fails
// with oauth.ErrReauthRequired; use Login.
//
// Errors: ErrWhichAccount; errors of Client.Resume that may pass, such as oauth.ErrStore; those of
// Login.
func ResumeOrLogin(ctx context.Context, client *oauth.Client, identifier string, opts ...Option) (*oauth.Session, error) {
	newest, err := find(ctx, client, identifier)
	if err != nil {
		return nil, err
	}
	if newest.Key != (oauth.SessionKey{}) {
		session, err := client.Resume(ctx, newest.Key)
		if !errors.Is(err, oauth.ErrReauthRequired) {
			return session, err
		}
		if identifier == "" {
			identifier = string(newest.Key.DID)
		}
	}
	if identifier == "" {
		return nil, fmt.Errorf("loopback: there is no session yet: say whose account to log in to")
	}
	return Login(ctx, client, identifier, opts...)
}

// find returns the newest session of an account, or the zero value if there is none.
func find(ctx context.Context, client *oauth.Client, identifier string) (newest oauth.SessionDetails, err error) {
	wanted := func(oauth.SessionDetails) bool { return true }
	if identifier != "" {
		typed, err := identity.ParseTyped(identifier)
		if err != nil {
			return newest, nil // Login says what is wrong with it
		}
		wanted = func(d oauth.SessionDetails) bool { return names(typed, d) }
	}
	accounts := make(map[syntax.DID]bool)
	for d, err := range client.SessionDetails(ctx, "") {
		if err != nil {
			return newest, err
		}
		if !wanted(d) {
			continue
		}
		accounts[d.Key.DID] = true
		if newest.Key == (oauth.SessionKey{}) || d.Began.After(newest.Began) {
			newest = d
		}
	}
	if identifier == "" && len(accounts) > 1 {
		return newest, fmt.Errorf("loopback: %w", ErrWhichAccount)
	}
	return newest, nil
}

// names reports whether the typed identifier is the account of a session.
func names(typed identity.Typed, d oauth.SessionDetails) bool {
	return typed.Account != "" && (typed.Account == syntax.AtIdentifier(d.Key.DID) || strings.EqualFold(string(typed.Account), string(d.Handle)))
}
