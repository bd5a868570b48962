package scope

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Set is a parsed scope: its text, and the permissions of its tokens. The zero Set has no
// permissions. A Set does not change, and is safe for concurrent use.
type Set struct {
	text        string
	permissions []Permission // one for each token, in the same order
}

// Parse reads a scope: tokens with single spaces between them, and no token twice (RFC 6749 §3.3).
// If the text breaks these rules, the error is an *Error. A token that cannot be interpreted
// becomes Opaque, so scopes of a newer grammar can be read. Validate checks the tokens.
func Parse(scope string) (Set, error) {
	if scope == "" {
		return Set{}, &Error{Err: errors.New("is empty")}
	}
	seen := make(map[string]bool)
	set, offset := Set{text: scope}, 0
	for token := range strings.SplitSeq(scope, " ") {
		err := checkCharacters(token)
		switch {
		case token == "":
			return Set{}, &Error{Offset: offset, Err: fmt.Errorf("has an empty token at byte %d: put one space between tokens", offset)}
		case err == nil && seen[token]:
			err = errors.New("comes twice")
		}
		if err != nil {
			return Set{}, tokenError(token, offset, err)
		}
		seen[token] = true
		set.permissions = append(set.permissions, interpret(token))
		offset += len(token) + 1
	}
	return set, nil
}

// ParseGranted reads the scope in a server's answer. It never fails: text that is not a token
// becomes Opaque, and tokens may come twice, because permission sets can overlap.
func ParseGranted(scope string) Set {
	set := Set{text: scope}
	for token := range strings.FieldsFuncSeq(scope, func(r rune) bool { return r == ' ' }) {
		set.permissions = append(set.permissions, interpret(token))
	}
	return set
}

// interpret returns the permission of a token.
func interpret(token string) Permission {
	if p, err := parseToken(token); err == nil {
		return p
	}
	return Opaque(token)
}

// String returns the parsed text, byte for byte.
func (s Set) String() string { return s.text }

// Equal reports whether both have the same text.
func (s Set) Equal(other Set) bool { return s.text == other.text }

// Permissions returns the permissions of the tokens, in their order.
func (s Set) Permissions() []Permission { return slices.Clone(s.permissions) }

// Validate checks a scope that a client wants to ask for. It must contain Atproto, must not contain
// openid, and may contain TransitionChat only with TransitionGeneric. No token may break the rules
// of its resource; tokens of unknown resources pass. The error is an *Error.
func (s Set) Validate() error {
	offset, permissions := 0, s.permissions
	for token := range strings.SplitSeq(s.text, " ") {
		if token != "" {
			if err := s.judge(permissions[0]); err != nil {
				return tokenError(token, offset, err)
			}
			permissions = permissions[1:]
		}
		offset += len(token) + 1
	}
	if !s.has(Atproto) {
		for token := range strings.FieldsSeq(s.text) {
			if strings.TrimRight(token, ",;") == Atproto.String() {
				return &Error{Err: fmt.Errorf("%.200q has %q where it needs %q: scopes are separated by spaces alone", s.text, token, Atproto)}
			}
		}
		return &Error{Err: fmt.Errorf("%.200q lacks %q", s.text, Atproto)}
	}
	return nil
}

// judge checks one permission as a part of the set.
func (s Set) judge(p Permission) error {
	switch {
	case p == Opaque("openid"):
		return errors.New("is for OpenID Connect, which atproto does not use: remove it")
	case p == TransitionChat && !s.has(TransitionGeneric):
		return fmt.Errorf("has no effect without %q: add that", TransitionGeneric)
	}
	return p.rule()
}

// has reports whether the set contains a static permission.
func (s Set) has(p Static) bool { return slices.Contains(s.permissions, Permission(p)) }

// Allows reports whether the set covers every permission in need completely, by the rules of the
// reference server: each collection with each action, each method at its audience, each media type.
// Several tokens together may cover one need. A need with Any is covered only by Any. An Include or
// an Opaque is covered only by a token with the same spelling. A need that is not valid is not
// covered. An audience without a service name is covered only by Any, as on servers.
func (s Set) Allows(need ...Permission) bool { return len(s.Missing(need...)) == 0 }

// Missing returns the parts of need that the set does not cover, in their order. Each is reduced to
// what is missing: the actions on a collection, or the methods of an audience. The first one makes
// a good message.
func (s Set) Missing(need ...Permission) []Permission {
	var missing []Permission
	for _, p := range need {
		switch {
		case p == nil:
			missing = append(missing, Opaque(""))
		default:
			missing = append(missing, p.missing(s)...)
		}
	}
	return missing
}

// covered reports whether by accepts one of the set's permissions of type P.
func covered[P Permission](s Set, by func(P) bool) bool {
	return slices.ContainsFunc(s.permissions, func(p Permission) bool {
		granted, ok := p.(P)
		return ok && by(granted)
	})
}

func (p Static) missing(s Set) []Permission {
	if p.rule() == nil && s.has(p) {
		return nil
	}
	return []Permission{p}
}

func (p RepoPermission) missing(s Set) []Permission {
	if p.rule() != nil {
		return []Permission{p}
	}
	if s.has(TransitionGeneric) {
		return nil
	}
	var missing []Permission
	for _, name := range normalNames(p.Collections) {
		collection := syntax.NSID(name)
		var lacking []Action
		for _, action := range p.chosen() {
			if !covered(s, func(granted RepoPermission) bool {
				return names(granted.Collections, collection) && slices.Contains(granted.chosen(), action)
			}) {
				lacking = append(lacking, action)
			}
		}
		if lacking != nil {
			missing = append(missing, Repo(collection, lacking...))
		}
	}
	return missing
}

func (p RPCPermission) missing(s Set) []Permission {
	// A service token may be for a whole DID, which no token of a scope can name.
	if p.rule() != nil && (p.methodRule() != nil || checkDID(syntax.DID(p.Audience)) != nil) {
		return []Permission{p}
	}
	var lacking []syntax.NSID
	for _, name := range normalNames(p.Methods) {
		method := syntax.NSID(name)
		// The reference does not count the wildcard as a method of chat.bsky, so it is covered.
		if strings.HasPrefix(name, "chat.bsky.") {
			if s.has(TransitionChat) {
				continue
			}
		} else if s.has(TransitionGeneric) {
			continue
		}
		if !covered(s, func(granted RPCPermission) bool {
			return (granted.Audience == Any || granted.Audience == p.Audience) && names(granted.Methods, method)
		}) {
			lacking = append(lacking, method)
		}
	}
	if lacking == nil {
		return nil
	}
	return []Permission{RPC(p.Audience, lacking...)}
}

func (p BlobPermission) missing(s Set) []Permission {
	if p.rule() != nil {
		return []Permission{p}
	}
	if s.has(TransitionGeneric) {
		return nil
	}
	var lacking []string
	for _, need := range p.Accept {
		if !covered(s, func(granted BlobPermission) bool {
			return slices.ContainsFunc(granted.Accept, func(a string) bool { return accepts(a, need) })
		}) {
			lacking = append(lacking, need)
		}
	}
	if lacking == nil {
		return nil
	}
	return []Permission{BlobPermission{Accept: lacking}}
}

// accepts reports whether a media type or range contains all of another.
func accepts(accept, need string) bool {
	kind, isRange := strings.CutSuffix(accept, "*")
	return accept == need || accept == anyBlob || isRange && strings.HasPrefix(need, kind)
}

func (p AccountPermission) missing(s Set) []Permission {
	reads := p.Action != Manage
	if p.rule() == nil && (reads && p.Attribute == AccountEmail && s.has(TransitionEmail) ||
		covered(s, func(granted AccountPermission) bool {
			return granted.Attribute == p.Attribute && (reads || granted.Action == Manage)
		})) {
		return nil
	}
	return []Permission{p}
}

func (p IdentityPermission) missing(s Set) []Permission {
	if p.rule() == nil && covered(s, func(granted IdentityPermission) bool {
		return granted.Attribute == Any || granted.Attribute == p.Attribute
	}) {
		return nil
	}
	return []Permission{p}
}

func (p IncludePermission) missing(s Set) []Permission {
	if p.rule() != nil {
		return []Permission{p}
	}
	return s.unlessSpelled(p)
}

func (p Opaque) missing(s Set) []Permission { return s.unlessSpelled(p) }

// unlessSpelled returns p, unless the set has a token with the same spelling. Only the server knows
// the meaning of a token that cannot be interpreted, but the spelling shows that it was granted.
func (s Set) unlessSpelled(p Permission) []Permission {
	spelled := p.String()
	if slices.ContainsFunc(s.permissions, func(granted Permission) bool { return granted.String() == spelled }) {
		return nil
	}
	return []Permission{p}
}

// names reports whether a list contains a name, or Any.
func names(list []syntax.NSID, name syntax.NSID) bool {
	return slices.Contains(list, Any) || slices.Contains(list, name)
}
