package scope

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Set is a scope: the permissions of its tokens, and their spelling. The zero Set has
// none. It does not change and is safe for concurrent use.
type Set struct {
	text        string
	permissions []Permission // one for each token, in their order
}

// Parse reads a scope: tokens with one space between them, none twice (RFC 6749 §3.3).
// What breaks this is an *Error. Tokens that cannot be interpreted are Opaque, so that
// a scope of a newer grammar can be read; Validate judges them.
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
			return Set{}, &Error{Offset: offset, Err: fmt.Errorf("has an empty token at byte %d: one space goes between tokens", offset)}
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

// ParseGranted reads the scope of a server's answer. It never fails: what is no token
// is Opaque, and tokens may come twice, as they do when permission sets overlap.
func ParseGranted(scope string) Set {
	set := Set{text: scope}
	for token := range strings.FieldsFuncSeq(scope, func(r rune) bool { return r == ' ' }) {
		set.permissions = append(set.permissions, interpret(token))
	}
	return set
}

// interpret returns what a token stands for.
func interpret(token string) Permission {
	if p, err := parseToken(token); err == nil {
		return p
	}
	return Opaque(token)
}

// String returns the scope as it was parsed, byte by byte.
func (s Set) String() string { return s.text }

// Equal reports whether both are the same scope in the same spelling.
func (s Set) Equal(other Set) bool { return s.text == other.text }

// Permissions returns what the tokens stand for, in their order.
func (s Set) Permissions() []Permission { return slices.Clone(s.permissions) }

// Validate checks a scope that a client means to ask for: it holds Atproto, no openid,
// TransitionChat only with TransitionGeneric, and no token that breaks the rules of its
// resource. Tokens of resources that are unknown here pass. It fails with an *Error.
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
		return &Error{Err: fmt.Errorf("%.200q lacks %q", s.text, Atproto)}
	}
	return nil
}

// judge checks one permission as a part of the set.
func (s Set) judge(p Permission) error {
	switch {
	case p == Opaque("openid"):
		return errors.New("is for OpenID Connect, which atproto is not")
	case p == TransitionChat && !s.has(TransitionGeneric):
		return fmt.Errorf("is of use only together with %q", TransitionGeneric)
	}
	return p.rule()
}

// has reports whether the set holds a static permission.
func (s Set) has(p Static) bool { return slices.Contains(s.permissions, Permission(p)) }

// Allows reports whether the set covers all of every need, as the reference server
// decides it: each collection with each action, each method at its audience, each
// media type. Tokens may share the work. What is needed of all, by Any, is covered by
// Any only. An Include and an Opaque are covered by a token with the same spelling, and by
// nothing else; a need that breaks the rules is not covered.
// An audience without the name of a service is covered by Any, as by servers.
func (s Set) Allows(need ...Permission) bool { return len(s.Missing(need...)) == 0 }

// Missing returns what of the needs the set does not cover, in their order and cut down
// to the part that lacks: the actions on a collection, the methods of an audience. The
// first makes a good message.
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

// covered reports whether one of the set's permissions of type P does it.
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
	// A service token may be for a DID as a whole, which no token of a scope can name.
	if p.rule() != nil && (p.methodRule() != nil || checkDID(syntax.DID(p.Audience)) != nil) {
		return []Permission{p}
	}
	var lacking []syntax.NSID
	for _, name := range normalNames(p.Methods) {
		method := syntax.NSID(name)
		// The wildcard is no method of chat.bsky to the reference, so that it is covered.
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

// accepts reports whether a media type or range holds all of another.
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

// unlessSpelled returns p, unless a token of the set is spelled like it. What a token means that
// cannot be interpreted is for the server to say, but that it was granted can be seen.
func (s Set) unlessSpelled(p Permission) []Permission {
	spelled := p.String()
	if slices.ContainsFunc(s.permissions, func(granted Permission) bool { return granted.String() == spelled }) {
		return nil
	}
	return []Permission{p}
}

// names reports whether a list holds a name, or Any.
func names(list []syntax.NSID, name syntax.NSID) bool {
	return slices.Contains(list, Any) || slices.Contains(list, name)
}
