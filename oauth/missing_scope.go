package oauth

import (
	"errors"
	"net/url"
	"strings"

	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// MissingScope returns the permission for lack of which a PDS refused a call, if err
// says so, in whatever words; its String is the scope to ask for in a new login. The error itself is found
// with errors.Is(err, xrpc.ErrScopeMissing), also where the server does not tell what
// is missing. The session lives on: nothing was refreshed, and nothing ended.
//
// Some servers name a service by its DID alone, as in "rpc:…?aud=did:web:api.example.com". So does the
// permission then; a login asks for the service, "did:web:api.example.com#name".
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
		// All that the call needs (RFC 6750 §3). What every session has is not what lacks.
		for token := range strings.FieldsSeq(c.Params["scope"]) {
			if p, ok := parseMissing(token); ok && p != scope.Permission(scope.Atproto) {
				return p, true
			}
		}
	}
	return nil, false
}

// scopeInMessage reads messages such as `Missing required scope "repo:…"`, with the scope in
// quotation marks of any kind or in none, and with a colon before it or without.
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
		return nil, false // prose
	}
	return nil, false
}

// parseMissing reads a scope as a server spells it.
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
	parameters.Set("aud", audience+"#service") // any name will do, to have the rest checked
	p, err := scope.ParseToken(head + "?" + parameters.Encode())
	call, isRPC := p.(scope.RPCPermission)
	if err != nil || !isRPC {
		return nil, false
	}
	call.Audience = audience
	return call, true
}
