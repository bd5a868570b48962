package oauthtest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gimucco/atproto-go/oauth/scope"
)

// requires checks that the session's scope covers need. Its error names the first missing part as
// the reference does.
func (s *Server) requires(t *session, need scope.Permission) *xrpcError {
	missing := t.scope.Missing(need)
	if len(missing) == 0 {
		return nil
	}
	return s.missing(missing[0].String(), &xrpcError{status: http.StatusForbidden, name: "ScopeMissingError",
		message: fmt.Sprintf(`Missing required scope "%s"`, missing[0])})
}

// PublishPermissionSet publishes a permission set, as if its lexicon document were on the network.
// Clients can then ask for it with an include: scope. Tokens get the permissions of the set
// instead; a refresh uses the newest document. It panics if document is not a permission set.
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

// checkIncludes refuses a scope with a permission set that is not published.
func (s *Server) checkIncludes(asked string) *oauthError {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range scope.ParseGranted(asked).Permissions() {
		if include, ok := p.(scope.IncludePermission); ok && s.sets[include.Set] == nil {
			return refuse("invalid_scope", "Failed to resolve Lexicon (%s)", include.Set)
		}
	}
	return nil
}

// grantedFor returns the scope of a token for a requested scope: first the permissions of sets, and
// then the rest in its own spelling (O85). As at the reference, tokens that cannot be interpreted
// are left out. s.mu is held.
func (s *Server) grantedFor(asked string) scope.Set {
	var expanded, rest []string
	for token := range strings.SplitSeq(asked, " ") {
		p, err := scope.ParseToken(token)
		if err != nil || slices.Contains(rest, token) {
			continue
		}
		switch p := p.(type) {
		case scope.Opaque:
		case scope.IncludePermission:
			permissions, err := s.sets[p.Set].Expand(p)
			if err != nil {
				panic(err) // it was checked when the request was pushed
			}
			for _, p := range permissions {
				expanded = append(expanded, p.String())
			}
		default:
			rest = append(rest, token)
		}
	}
	return scope.ParseGranted(strings.Join(append(expanded, rest...), " "))
}
