package oauth

import (
	"errors"
	"net/url"
	"strings"

	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// MissingScope returns the permission that a call lacked, if err says that a PDS refused the call
// for that reason. It understands the different messages of servers. The String of the permission
// is the scope to ask for in a new login. errors.Is(err, xrpc.ErrScopeMissing) finds the error even
// if the server does not say which scope is missing. The session stays valid: nothing was
// refreshed, and nothing ended.
//
// Some servers name a service by its DID only, as in "rpc:…?aud=did:web:api.example.com". The
// permission then has that audience too, but a login must ask for the full service,
// "did:web:api.example.com#name".
func MissingScope(err error) (scope.Permission, bool) {
	e, ok := errors.AsType[*xrpc.Error](err)
	if !ok || !errors.Is(e, xrpc.ErrScopeMissing) {
		return nil, false
	}
	if p, ok := scopeInMessage(e.Message); ok {
		return p, true
	}
	for _, c := range e.Challenges() {
		if c.Params["error"] != "insufficient_scope" {
			continue
		}
		// The scope parameter lists everything that the call needs (RFC 6750 §3). Scopes that every
		// session has are not the missing ones.
		for token := range strings.FieldsSeq(c.Params["scope"]) {
			if p, ok := parseMissing(token); ok && p != scope.Permission(scope.Atproto) {
				return p, true
			}
		}
	}
	return nil, false
}

// scopeInMessage finds the scope in messages such as `Missing required scope "repo:…"`. The scope
// may be in quotation marks of any kind or in none, with or without a colon before it.
func scopeInMessage(message string) (scope.Permission, bool) {
	for _, quote := range []string{`"`, "'", "`"} {
		_, rest, found := strings.Cut(message, quote)
		if !found {
			continue
		}
		token, _, closed := strings.Cut(rest, quote)
		if !closed {
			return nil, false
		}
		return parseMissing(token)
	}
	const word = "scope"
	at := strings.Index(strings.ToLower(message), word)
	if at < 0 || at+len(word) > len(message) {
		return nil, false
	}
	for token := range strings.FieldsSeq(strings.TrimLeft(message[at+len(word):], "s: ")) {
		if token = strings.TrimRight(token, ".,;"); strings.Contains(token, ":") {
			return parseMissing(token)
		}
		return nil, false // plain text, not a scope
	}
	return nil, false
}

// parseMissing parses a scope in the spelling of servers.
func parseMissing(token string) (scope.Permission, bool) {
	if p, err := scope.ParseToken(token); err == nil {
		return p, true
	}
	head, query, _ := strings.Cut(token, "?")
	parameters, err := url.ParseQuery(query)
	if err != nil {
		return nil, false
	}
	audience := parameters.Get("aud")
	if syntax.DID(audience).Validate() != nil {
		return nil, false
	}
	parameters.Set("aud", audience+"#service") // any fragment will do; this checks the rest
	p, err := scope.ParseToken(head + "?" + parameters.Encode())
	call, isRPC := p.(scope.RPCPermission)
	if err != nil || !isRPC {
		return nil, false
	}
	call.Audience = audience
	return call, true
}
