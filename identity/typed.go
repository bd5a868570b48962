package identity

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Typed is the result of ParseTyped: the account or server that a person means. Exactly one field
// is set, or none if nothing was typed.
type Typed struct {
	// Account is a handle in lower case, or a DID.
	Account syntax.AtIdentifier
	// Server is the origin of a server: scheme, host in lower case, and the port unless it is the
	// default. It may be http; the caller decides whether that is acceptable.
	Server string
}

// An InputError says why ParseTyped does not understand an input, in words for the person who typed
// it.
type InputError struct {
	Input  string // the input, cut off; invisible characters are written as U+202A
	Reason string // what is wrong with it, such as "has a space in it"
	Advice string // what to type instead: "type …"
}

// Error returns Reason and Advice. Input is the Subject of the *Error around it.
func (e *InputError) Error() string { return "it " + e.Reason + "; " + e.Advice }

// Limits of ParseTyped.
const (
	profileSite = "bsky.app"
	maxTyped    = 2048 // as long as the longest DID
)

// ParseTyped understands what people type into a login form or on a command line, or copy from
// elsewhere:
//
//   - a handle in any letter case, with an @ before it, or with a dot or a slash after it
//   - a DID
//   - an at:// URI, which means the account in it
//   - the URL of a profile on bsky.app
//   - the URL of a server
//
// It removes white space, text direction marks and other invisible characters at both ends and
// after an @, because apps put them there (P64). It removes nothing elsewhere. It does not replace
// characters that look alike, because handles that look alike are different accounts.
//
// It fails with ErrInvalidHandle, ErrInvalidDID or ErrInvalidService, and with an *InputError that
// says what to type instead. For identifiers from programs, use syntax.ParseAtIdentifier, which is
// strict.
func ParseTyped(text string) (Typed, error) {
	t, err := parseTyped(text)
	if err != nil {
		return Typed{}, err
	}
	return t, nil
}

func parseTyped(text string) (Typed, error) {
	if len(text) > maxTyped {
		return Typed{}, refused(text, ErrInvalidHandle, fmt.Sprintf("has %d bytes, more than any handle or DID", len(text)), typeHandle)
	}
	name := trimInvisible(text)
	if name == "" {
		return Typed{}, nil
	}
	scheme, rest, ok := strings.Cut(name, "://")
	switch {
	case ok && strings.EqualFold(scheme, "at"):
		authority, _, _ := strings.Cut(rest, "/")
		return parseAccount(text, authority)
	case ok && (strings.EqualFold(scheme, "https") || strings.EqualFold(scheme, "http")):
		return parseURL(text, name)
	case ok:
		return Typed{}, refused(text, ErrInvalidService, "is neither an https URL nor an at:// URI", suggest(name))
	}
	// Browsers show URLs without the scheme.
	if host, path, ok := strings.Cut(name, "/"); ok && isProfileSite(host) && path != "" {
		return parseURL(text, "https://"+name)
	}
	return parseAccount(text, name)
}

// parseAccount parses a handle or a DID.
func parseAccount(text, name string) (Typed, error) {
	name = strings.TrimPrefix(trimInvisible(name), "@")
	name = trimInvisible(strings.TrimSuffix(name, "/"))
	if len(name) >= 4 && strings.EqualFold(name[:4], "did:") {
		return parseDID(text, name)
	}
	name = trimInvisible(strings.TrimSuffix(name, "."))
	h, err := syntax.ParseHandle(name)
	if err != nil {
		reason, advice := handleProblem(name)
		return Typed{}, refused(text, ErrInvalidHandle, reason, advice)
	}
	if h = h.Normalize(); h == syntax.HandleInvalid {
		return Typed{}, refused(text, ErrReservedTLD, "is what apps show if an account's handle does not work", "type the DID of the account, which starts with did:")
	}
	return Typed{Account: syntax.AtIdentifier(h)}, nil
}

// parseDID parses a DID. Its scheme and method are in lower case, and so is all of a did:plc.
func parseDID(text, name string) (Typed, error) {
	_, rest, _ := strings.Cut(name, ":")
	method, id, _ := strings.Cut(rest, ":")
	method = strings.ToLower(method)
	if method == "plc" {
		id = strings.ToLower(strings.TrimSuffix(id, "."))
	}
	did, err := syntax.ParseDID("did:" + method + ":" + id)
	if err != nil {
		reason := "is not a DID"
		if r, ok := oddCharacter(name); ok {
			reason = fmt.Sprintf("is not a DID: it has %s in it", describe(r))
		}
		return Typed{}, refused(text, ErrInvalidDID, reason, "copy the whole DID, such as did:plc:ewvi7nxzyoun6zhxrhs64oiz, or type the handle")
	}
	return Typed{Account: syntax.AtIdentifier(did)}, nil
}

// parseURL parses the URL of a profile or of a server.
func parseURL(text, written string) (Typed, error) {
	u, err := url.Parse(written)
	if err != nil || u.Hostname() == "" {
		return Typed{}, refused(text, ErrInvalidService, "is not a URL", suggest(written))
	}
	if isProfileSite(u.Host) {
		return parseProfile(text, u)
	}
	if i := strings.IndexFunc(u.Host, func(r rune) bool { return r > unicode.MaxASCII }); i >= 0 {
		r, _ := utf8.DecodeRuneInString(u.Host[i:])
		return Typed{}, refused(text, ErrInvalidService, "has a character in its host, "+describe(r)+", that may look like another one", "type the host by hand, in the letters a to z")
	}
	origin, err := parseOrigin(written)
	if err == nil {
		return Typed{Server: origin}, nil
	}
	advice := suggest(u.Path)
	if advice == typeHandle && u.User == nil && u.Path != "" {
		advice = fmt.Sprintf("type your handle, or https://%s for the server", visible(strings.ToLower(u.Host)))
	}
	return Typed{}, refused(text, ErrInvalidService, "is not the URL of a server: "+err.Error(), advice)
}

// parseProfile returns the account in the URL of its profile, or of a page below that.
func parseProfile(text string, u *url.URL) (Typed, error) {
	parts := strings.Split(strings.TrimPrefix(u.Path, "/"), "/")
	if len(parts) < 2 || parts[0] != "profile" || parts[1] == "" {
		return Typed{}, refused(text, ErrInvalidService, "is a page of "+profileSite+", which is not a server to log in at", "type your handle, or copy the address of your profile there")
	}
	return parseAccount(text, parts[1])
}

func isProfileSite(host string) bool {
	host = strings.ToLower(host)
	return host == profileSite || host == "www."+profileSite
}

// typeHandle is the advice if there is no better one.
const typeHandle = "type a handle, such as alice.bsky.social, or a DID"

// handleProblem says why name is not a handle, in words for people, and what to type instead.
func handleProblem(name string) (reason, advice string) {
	r, odd := oddCharacter(name)
	user, host, at := strings.Cut(name, "@")
	advice = suggest(name)
	switch {
	case name == "":
		return "names nobody", advice
	case strings.HasSuffix(name, "…"):
		return "is cut off", "copy or type the whole handle"
	case odd && r == utf8.RuneError:
		return "has something in it that is not a character", "type the handle by hand"
	case odd && isInvisible(r) && !unicode.IsSpace(r):
		return "has an invisible character in it, " + describe(r), "type the handle by hand"
	case at && user != "" && strings.Contains(host, ".") && !strings.ContainsFunc(name, unicode.IsSpace):
		return "is an e-mail address, or an address of another network", "type the handle of the account, such as alice.bsky.social"
	case odd && unicode.IsSpace(r):
		if advice == typeHandle {
			advice = "type the handle and not the name that is shown, such as alice.bsky.social"
		}
		if r != ' ' {
			return "has a space in it, " + describe(r), advice
		}
		return "has a space in it", advice
	case odd && r > unicode.MaxASCII:
		if advice == typeHandle {
			advice = "type the handle in the letters a to z; a domain with other letters has a form that starts with xn--"
		}
		return "has a character that handles do not have, " + describe(r), advice
	case strings.Contains(name, "_"):
		return "has an underscore in it", "look the handle up: it has letters, digits, hyphens and dots"
	case odd:
		if host, port, ok := strings.Cut(name, ":"); ok && port != "" && strings.Trim(port, "0123456789") == "" {
			return "is a host with a port", fmt.Sprintf("type https://%s:%s for a server, or a handle", host, port)
		}
		return "has a character that handles do not have, " + describe(r), advice
	case !strings.Contains(name, "."):
		return "is only the first part of a handle", fmt.Sprintf("type the whole of it, such as %s.bsky.social", strings.ToLower(visible(name)))
	}
	if e, ok := syntax.Handle(name).Validate().(*syntax.Error); ok {
		return "is not a handle: it " + e.Reason, advice
	}
	return "is not a handle", advice
}

// oddCharacter returns the first character that no handle may have.
func oddCharacter(s string) (rune, bool) {
	for _, r := range s {
		switch {
		case r > unicode.MaxASCII, r <= ' ':
			return r, true
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '.', r == ':', r == '%':
		default:
			return r, true
		}
	}
	if strings.ContainsAny(s, ":%") {
		return rune(s[strings.IndexAny(s, ":%")]), true
	}
	return 0, false
}

// suggest returns the handle or DID in the input, if there is exactly one. It uses whole words
// only, because a part of a word may be somebody else's handle.
func suggest(name string) string {
	found := ""
	for _, word := range strings.FieldsFunc(halfWidth(name), func(r rune) bool {
		return strings.ContainsRune(" \t\r\n()<>[]{}\",;@/?#=&", r) || r != 0x2019 && unicode.In(r, unicode.Pi, unicode.Pf, unicode.Ps, unicode.Pe)
	}) {
		word = strings.Trim(word, ".:!*'`")
		if syntax.DID(word).Validate() != nil && syntax.Handle(word).Validate() != nil {
			continue
		}
		if found != "" {
			return typeHandle
		}
		found = word
	}
	if found == "" {
		return typeHandle
	}
	return fmt.Sprintf("if you mean %s, type that alone", found)
}

// halfWidth replaces wide Latin characters, which Chinese and Japanese keyboards make, with plain
// ones. It is used for advice only.
func halfWidth(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 0xFF01 <= r && r <= 0xFF5E:
			return r - 0xFEE0
		case r == 0x3002, r == 0xFF61: // ideographic full stops
			return '.'
		}
		return r
	}, s)
}

// rightToLeftOverride reverses the characters after it, so the text that a person sees is not the
// real text. It is not removed.
const rightToLeftOverride = 0x202E

// trimInvisible removes invisible characters at both ends.
func trimInvisible(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return r != rightToLeftOverride && isInvisible(r) })
}

// isInvisible reports whether r is invisible: white space, control and format characters, and the
// default ignorable characters of Unicode
// (https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point).
func isInvisible(r rune) bool {
	return unicode.IsSpace(r) ||
		unicode.In(r, unicode.Cc, unicode.Cf, unicode.Z, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// describe names a character that people may not see, or may mistake for another.
func describe(r rune) string {
	switch {
	case r == ' ':
		return "a space"
	case isInvisible(r):
		return fmt.Sprintf("%U", r)
	case r > unicode.MaxASCII:
		return fmt.Sprintf("%q (%U)", r, r)
	}
	return fmt.Sprintf("%q", r)
}

// visible returns s for people to read: cut off, and with invisible or invalid characters written
// as U+202A.
func visible(s string) string {
	var b strings.Builder
	for i, r := range s {
		if b.Len() > 80 {
			b.WriteString("…")
			break
		}
		switch _, size := utf8.DecodeRuneInString(s[i:]); {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, "<%#02x>", s[i])
		case r == ' ', unicode.IsPrint(r) && !isInvisible(r) && r != '"':
			b.WriteRune(r)
		case r == '"':
			b.WriteString("'")
		default:
			fmt.Fprintf(&b, "<%U>", r)
		}
	}
	return b.String()
}

func refused(text string, kind error, reason, advice string) error {
	shown := visible(withoutCredentials(text))
	return &Error{Subject: shown, Kind: kind, Err: &InputError{Input: shown, Reason: reason, Advice: advice}}
}

// withoutCredentials removes a password from a text that may be a URL.
func withoutCredentials(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	authority, _, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(authority, '@'); ok && at > 0 {
		return scheme + "://…" + rest[at:]
	}
	return text
}
