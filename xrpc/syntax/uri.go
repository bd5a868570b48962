package syntax

import "strings"

// A URI is a uniform resource identifier with any scheme (RFC 3986 §3).
type URI string

// ParseURI checks s and returns it as a URI.
func ParseURI(s string) (URI, error) {
	u := URI(s)
	if err := u.Validate(); err != nil {
		return "", err
	}
	return u, nil
}

// Validate checks the generic form: a scheme, a colon, and one or more visible ASCII characters, at
// most 8 KiB in all. It does not check the rules of the scheme.
func (u URI) Validate() error {
	s := string(u)
	if len(s) > maxURI {
		return invalid(KindURI, s, "is longer than 8 KiB")
	}
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || scheme == "" || rest == "" {
		return invalid(KindURI, s, "lacks a scheme or what follows it")
	}
	if !isAlpha(scheme[0]) {
		return invalid(KindURI, s, "has a scheme that does not start with a letter")
	}
	for i := range len(scheme) {
		switch c := scheme[i]; {
		case isAlnum(c), c == '+', c == '-', c == '.':
		default:
			return invalid(KindURI, s, "has a scheme with a character other than letters, digits and + - .")
		}
	}
	for i := range len(rest) {
		if c := rest[i]; c <= ' ' || c > '~' {
			return invalid(KindURI, s, "has a space, a control or a character outside ASCII")
		}
	}
	return nil
}

// Scheme returns the scheme in lower case.
func (u URI) Scheme() string {
	scheme, _, ok := strings.Cut(string(u), ":")
	if !ok {
		return ""
	}
	return strings.ToLower(scheme)
}
