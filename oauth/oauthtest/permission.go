package oauthtest

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/gimucco/atproto-go/oauth/scope"
)

// requires checks that the session's scope covers need. The first part that it lacks is
// named as the reference names it.
func (t *session) requires(need scope.Permission) *xrpcError {
	missing := t.scope.Missing(need)
	if len(missing) == 0 {
		return nil
	}
	return &xrpcError{http.StatusForbidden, "ScopeMissingError", fmt.Sprintf(`Missing required scope "%s"`, missing[0])}
}

// PublishPermissionSet makes the authorization server know a permission set, as if the
// lexicon document had been published on the network: clients can ask for it by an
// include: scope. Tokens get the permissions of the set in its place, at a refresh those
// of the newest document. It panics if document is no permission set.
func (s *Server) PublishPermissionSet(document []byte) {
	set := mustPermissionSet(document)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sets[set.ID()] = set
}

func mustPermissionSet(document []byte) *scope.PermissionSet {
	set, err := scope.ParsePermissionSet(document)
	if err != nil {
		panic(fmt.Sprintf("oauthtest: %v", err))
	}
	return set
}

// includeOf reads a token of a scope that asks for a permission set.
func includeOf(token string) (scope.IncludePermission, bool) {
	p, err := scope.ParseToken(token)
	include, ok := p.(scope.IncludePermission)
	return include, err == nil && ok
}

// checkIncludes refuses a scope with a permission set that nobody published.
func (s *Server) checkIncludes(asked string) *oauthError {
	s.mu.Lock()
	defer s.mu.Unlock()
	for token := range strings.SplitSeq(asked, " ") {
		if include, ok := includeOf(token); ok && s.sets[include.Set] == nil {
			return refuse("invalid_scope", "Failed to resolve Lexicon (%s)", include.Set)
		}
	}
	return nil
}

// grantedFor returns what a token gets for a scope that was asked for: the permissions
// of sets first and then the rest, as it was spelled (O85). s.mu is held.
func (s *Server) grantedFor(asked string) scope.Set {
	var expanded, rest []string
	for token := range strings.SplitSeq(asked, " ") {
		include, ok := includeOf(token)
		if !ok {
			rest = append(rest, token)
			continue
		}
		permissions, err := s.sets[include.Set].Expand(include)
		if err != nil {
			panic(err) // it was checked when it was pushed
		}
		for _, p := range permissions {
			expanded = append(expanded, p.String())
		}
	}
	return scope.ParseGranted(strings.Join(append(expanded, rest...), " "))
}
