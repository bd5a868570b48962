package syntax

import "strings"

// A Handle is the name of an account that people read and type: a domain name
// (https://atproto.com/specs/handle). It can move to another account; the DID identifies the
// account.
type Handle string

// HandleInvalid replaces a handle that does not belong to its account.
const HandleInvalid Handle = "handle.invalid"

const maxHandle = 253

// ParseHandle checks s and returns it as a Handle. It keeps the letter case.
func ParseHandle(s string) (Handle, error) {
	h := Handle(s)
	if err := h.Validate(); err != nil {
		return "", err
	}
	return h, nil
}

// Validate checks the syntax. It accepts handles that can never be resolved; see Reserved.
func (h Handle) Validate() error {
	s := string(h)
	if len(s) > maxHandle {
		return invalid(KindHandle, s, "is longer than 253 characters")
	}
	dots, last := 0, ""
	for last = range strings.SplitSeq(s, ".") {
		if reason := label(last); reason != "" {
			return invalid(KindHandle, s, reason)
		}
		dots++
	}
	if dots < 2 {
		return invalid(KindHandle, s, "has only one part")
	}
	if !isAlpha(last[0]) {
		return invalid(KindHandle, s, "has a last part that does not start with a letter")
	}
	return nil
}

// Normalize returns the handle in lower case. Use this form to compare and to show handles.
func (h Handle) Normalize() Handle { return Handle(strings.ToLower(string(h))) }

// TLD returns the last part of the handle in lower case.
func (h Handle) TLD() string {
	return strings.ToLower(string(h[strings.LastIndexByte(string(h), '.')+1:]))
}

// Reserved reports whether the handle has a top-level domain that no account can have: alt, arpa,
// example, internal, invalid, local, localhost or onion. HandleInvalid is such a handle. The domain
// test, for development, is not reserved.
func (h Handle) Reserved() bool {
	switch h.TLD() {
	case "alt", "arpa", "example", "internal", "invalid", "local", "localhost", "onion":
		return true
	}
	return false
}
