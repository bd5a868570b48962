package scope

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// checkCharacters checks the characters of token by RFC 6749 §3.3.
func checkCharacters(token string) error {
	if token == "" {
		return errors.New("is empty")
	}
	for i := range len(token) {
		if c := token[i]; c < 0x21 || c > 0x7E || c == '"' || c == '\\' {
			return fmt.Errorf("holds %q, a character that scopes may not have", token[i:i+1])
		}
	}
	return nil
}

// ParseToken reads one token. A token with an unknown resource becomes Opaque. A token that breaks
// the rules of its resource is an *Error.
func ParseToken(token string) (Permission, error) {
	p, err := parseToken(token)
	if err != nil {
		return nil, tokenError(token, 0, err)
	}
	return p, nil
}

func parseToken(token string) (Permission, error) {
	if err := checkCharacters(token); err != nil {
		return nil, err
	}
	if isStatic(token) {
		return Static(token), nil
	}
	// "resource:positional?name=value&…": see "Scope String Syntax" in the specification.
	head, query, _ := strings.Cut(token, "?")
	resource, positional, hasPositional := strings.Cut(head, ":")
	read, known := resources[resource]
	if !known {
		return Opaque(token), nil
	}
	p := parameters{values: make(map[string]value)}
	if hasPositional {
		text, err := url.PathUnescape(positional)
		if err != nil || !utf8.ValidString(text) {
			return nil, errors.New("has a wrong percent-encoding before the parameters")
		}
		p.positional = &text
	}
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		name, text, _ := strings.Cut(pair, "=")
		name, text = unescapeQuery(name), unescapeQuery(text)
		if !utf8.ValidString(name) || !utf8.ValidString(text) {
			return nil, errors.New("has parameters that are not UTF-8")
		}
		items := append(p.values[name].items, text)
		p.values[name] = value{items: items, one: len(items) == 1, many: true}
	}
	return read(&p)
}

// resources are the resources known here.
var resources = map[string]func(*parameters) (Permission, error){
	"account":  readAccount,
	"blob":     readBlob,
	"identity": readIdentity,
	"include":  readInclude,
	"repo":     readRepo,
	"rpc":      readRPC,
}

// parameters are the parameters of a token, or of an entry of a permission set. The methods one and
// many take known parameters out; check tells whether any are left.
type parameters struct {
	positional *string
	values     map[string]value
	err        error // the first broken rule
}

// A value is the value of one parameter. In a token, a parameter that is not repeated may be a
// single value or a list. In a permission set, the JSON type decides; yes is true.
type value struct {
	items          []string
	one, many, yes bool
}

func (p *parameters) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

// first is many, for the parameter that may be positional.
func (p *parameters) first(name string) []string {
	named := p.many(name)
	if p.positional == nil {
		return named
	}
	if named != nil {
		p.fail("has %s twice: before the parameters and among them", name)
	}
	return []string{*p.positional}
}

// many takes a list out.
func (p *parameters) many(name string) []string {
	v, ok := p.values[name]
	if !ok {
		return nil
	}
	delete(p.values, name)
	if !v.many || len(v.items) == 0 {
		p.fail("%s is not a list with at least one value", name)
	}
	return v.items
}

// one takes a single value out; it is "" if there is none.
func (p *parameters) one(name string) string {
	v, ok := p.values[name]
	if !ok {
		return ""
	}
	delete(p.values, name)
	if !v.one || v.items[0] == "" {
		p.fail("%s is not a single value", name)
		return ""
	}
	return v.items[0]
}

// firstOne is one, for the parameter that may be positional.
func (p *parameters) firstOne(name string) string {
	if p.positional == nil {
		return p.one(name)
	}
	if _, ok := p.values[name]; ok {
		p.fail("has %s twice: before the parameters and among them", name)
	}
	return *p.positional
}

// check returns permission if no rule is broken and no unknown parameter is left.
func (p *parameters) check(permission Permission) (Permission, error) {
	for _, name := range slices.Sorted(maps.Keys(p.values)) {
		p.fail("has the unknown parameter %q", name)
	}
	if p.err == nil {
		p.err = permission.rule()
	}
	if p.err != nil {
		return nil, p.err
	}
	return permission, nil
}

func readRepo(p *parameters) (Permission, error) {
	return p.check(RepoPermission{Collections: convert[syntax.NSID](p.first("collection")), Actions: convert[Action](p.many("action"))})
}

func readRPC(p *parameters) (Permission, error) {
	return p.check(RPCPermission{Methods: convert[syntax.NSID](p.first("lxm")), Audience: p.one("aud")})
}

func readBlob(p *parameters) (Permission, error) {
	return p.check(BlobPermission{Accept: p.first("accept")})
}

// readAccount accepts repeated actions, like the reference, although the specification allows one.
// Both together mean manage.
func readAccount(p *parameters) (Permission, error) {
	read := AccountPermission{Attribute: AccountAttribute(p.firstOne("attr"))}
	for _, action := range convert[AccountAction](p.many("action")) {
		if action != Read && action != Manage {
			p.fail("action %q is neither read nor manage", action)
		}
		if read.Action != Manage {
			read.Action = action
		}
	}
	return p.check(read)
}

func readIdentity(p *parameters) (Permission, error) {
	return p.check(IdentityPermission{Attribute: IdentityAttribute(p.firstOne("attr"))})
}

func readInclude(p *parameters) (Permission, error) {
	return p.check(IncludePermission{Set: syntax.NSID(p.firstOne("nsid")), Audience: p.one("aud")})
}

func convert[T ~string](items []string) []T {
	if items == nil {
		return nil
	}
	converted := make([]T, len(items))
	for i, item := range items {
		converted[i] = T(item)
	}
	return converted
}

// A token is a token that is being written.
type token struct {
	strings.Builder
	params bool
}

func newToken(resource string) *token {
	t := new(token)
	t.WriteString(resource)
	return t
}

func (t *token) positional(text string) *token {
	t.WriteByte(':')
	t.escape(text, "-_.!~*'():/+,@", false)
	return t
}

// list writes one item in the positional place, and several as parameters.
func (t *token) list(name string, items []string) *token {
	if len(items) == 1 {
		return t.positional(items[0])
	}
	for _, item := range items {
		t.param(name, item)
	}
	return t
}

func (t *token) param(name, text string) *token {
	separator := byte('&')
	if !t.params {
		separator, t.params = '?', true
	}
	t.WriteByte(separator)
	t.WriteString(name)
	t.WriteByte('=')
	t.escape(text, "-_.*:/,@", true)
	return t
}

// escape escapes text like the reference implementation, which escapes less than URLs usually do.
// It differs where the reference could not read its own output: a plus in a parameter would become
// a space, and a percent sign would begin an escape.
func (t *token) escape(text, clear string, parameter bool) {
	for i := range len(text) {
		c := text[i]
		switch {
		case isAlnum(c), strings.IndexByte(clear, c) >= 0,
			c == '%' && parameter && !isEscape(text[i:]):
			t.WriteByte(c)
		default:
			fmt.Fprintf(t, "%%%02X", c)
		}
	}
}

// unescapeQuery unescapes a name or value of a form. It keeps what is not an escape.
func unescapeQuery(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b.WriteByte(' ')
		case isEscape(s[i:]):
			b.WriteByte(unhex(s[i+1])<<4 | unhex(s[i+2]))
			i += 2
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// isEscape reports whether s begins with a percent-encoded byte.
func isEscape(s string) bool { return len(s) > 2 && s[0] == '%' && isHex(s[1]) && isHex(s[2]) }

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// Join returns a scope with these permissions, in their order and without repetitions. It does not
// check them; oauth.NewClient does.
func Join(permissions ...Permission) string {
	var tokens []string
	for _, p := range permissions {
		if p == nil {
			continue
		}
		if t := p.String(); !slices.Contains(tokens, t) {
			tokens = append(tokens, t)
		}
	}
	return strings.Join(tokens, " ")
}
