package xrpc

import (
	"net/http"
	"strings"
)

// ErrScopeMissing is the name of the error, with status 403, by which a PDS refuses a call that the
// scope of an OAuth session does not allow. errors.Is also finds it if a server uses other words:
// "InsufficientScope", the challenge "insufficient_scope" of RFC 6750, or a message about a missing
// scope. oauth.MissingScope returns the scope that is needed, if the server names it.
const ErrScopeMissing ErrorName = "ScopeMissingError"

// Other words for it, from servers that people run (P57).
const (
	insufficientName      = "InsufficientScope"
	insufficientScope     = "insufficient_scope"
	missingScopeBeginning = "missing required scope"
)

// isScopeMissing reports whether the error says in any words that a scope is missing.
func (e *Error) isScopeMissing() bool {
	switch {
	case e.Name == ErrScopeMissing, e.Name == insufficientName, e.Name == insufficientScope:
		return true
	case e.Status != http.StatusForbidden && e.Status != http.StatusUnauthorized:
		return false
	}
	for _, c := range e.Challenges() {
		if c.Params["error"] == insufficientScope {
			return true
		}
	}
	message := strings.TrimSpace(e.Message)
	return len(message) >= len(missingScopeBeginning) && strings.EqualFold(message[:len(missingScopeBeginning)], missingScopeBeginning)
}
