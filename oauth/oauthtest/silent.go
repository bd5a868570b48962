package oauthtest

import (
	"net/url"
	"slices"
	"strings"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// SetSignedIn sets which accounts are signed in at this server, in the next browsers. By default
// there are none. A login with prompt=none then gets an answer without a page, if the account is
// signed in and has agreed to this client and scope before.
func (s *Server) SetSignedIn(accounts ...syntax.DID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, did := range accounts {
		s.mustAccount(did)
	}
	s.signedIn = slices.Clone(accounts)
}

// agreements are the scopes that accounts have agreed to, by client and account.
type agreements map[string][]string

func agreementOf(r *request, who *account) string { return r.client.ID + " " + string(who.DID) }

// note remembers what an account has agreed to now.
func (a agreements) note(r *request, who *account) {
	a[agreementOf(r, who)] = append(a[agreementOf(r, who)], r.agreed...)
}

// silently answers a request with prompt=none (OpenID Connect Core §3.1.2.6). s.mu is held.
func (s *Server) silently(r *request) *url.URL {
	refuse := func(code, description string) *url.URL {
		s.grants.forget(r)
		return s.redirect(r, "error", code, "error_description", description)
	}
	who := s.account(r.params.Get("login_hint"))
	switch {
	case who == nil || !slices.Contains(s.signedIn, who.DID):
		return refuse("login_required", "Login is required")
	case r.code != "":
		return refuse("access_denied", "This request was already authorized")
	}
	for _, token := range strings.Fields(r.params.Get("scope")) {
		if !slices.Contains(s.agreed[agreementOf(r, who)], token) {
			return refuse("consent_required", "Consent is required")
		}
	}
	return s.decide(r, who)
}
