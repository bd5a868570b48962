package oauth_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/gimucco/atproto-go/oauth"
)

func TestKindsThatMeanToLogInAgain(t *testing.T) {
	for kind, again := range map[oauth.Kind]bool{
		oauth.ErrReauthRequired: true, oauth.ErrRevoked: true, oauth.ErrSessionExpired: true, oauth.ErrAmbiguousRefresh: true,
		oauth.ErrLoggedOut: true, oauth.ErrClientKeyGone: true, oauth.ErrSessionUnknown: true,

		oauth.ErrConfig: false, oauth.ErrUnresolved: false, oauth.ErrInvalidMetadata: false, oauth.ErrIssuerMismatch: false,
		oauth.ErrIssuerChanged: false, oauth.ErrAccountMismatch: false, oauth.ErrStateUnknown: false, oauth.ErrBinding: false,
		oauth.ErrAccessDenied: false, oauth.ErrAuthorization: false, oauth.ErrInvalidCallback: false, oauth.ErrToken: false,
		oauth.ErrClientKey: false, oauth.ErrDPoP: false, oauth.ErrForm: false, oauth.ErrBodyNotReplayable: false,
		oauth.ErrOrigin: false, oauth.ErrStore: false, oauth.ErrSealed: false, oauth.ErrNetwork: false,
	} {
		for form, err := range map[string]error{
			"bare": kind, "wrapped": fmt.Errorf("reading the page: %w", kind), "in an Error": &oauth.Error{Kind: kind},
		} {
			t.Run(kind.Error()+", "+form, func(t *testing.T) {
				if got := errors.Is(err, oauth.ErrReauthRequired); got != again {
					t.Errorf("means to log in again: %v", got)
				}
				if !errors.Is(err, kind) {
					t.Error("is not itself")
				}
				if errors.Is(err, oauth.ErrRevoked) != (kind == oauth.ErrRevoked) {
					t.Error("is mistaken for another")
				}
			})
		}
	}
}
