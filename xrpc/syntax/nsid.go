package syntax

import (
	"slices"
	"strings"
)

// An NSID identifies a lexicon: a query, a procedure, a record type and so on
// (https://atproto.com/specs/nsid).
type NSID string

const maxNSID = 253 + 1 + 63

// ParseNSID checks s and returns it as an NSID.
func ParseNSID(s string) (NSID, error) {
	n := NSID(s)
	if err := n.Validate(); err != nil {
		return "", err
	}
	return n, nil
}

// Validate checks the syntax: a reversed domain name and a name, at least three segments in all,
// and no fragment.
func (n NSID) Validate() error {
	s := string(n)
	if len(s) > maxNSID {
		return invalid(KindNSID, s, "is longer than 317 characters")
	}
	segments, last := 0, ""
	for last = range strings.SplitSeq(s, ".") {
		if reason := label(last); reason != "" {
			return invalid(KindNSID, s, reason)
		}
		segments++
	}
	if segments < 3 {
		return invalid(KindNSID, s, "has fewer than three segments")
	}
	if !isAlpha(s[0]) {
		return invalid(KindNSID, s, "does not start with a letter")
	}
	if !isAlpha(last[0]) || strings.Contains(last, "-") {
		return invalid(KindNSID, s, "has a name that does not start with a letter or has a hyphen")
	}
	return nil
}

// Authority returns the domain name that controls the NSID, in DNS order and in lower case:
// "feed.bsky.app" for "app.bsky.feed.post".
func (n NSID) Authority() string {
	segments := n.Segments()
	if len(segments) < 2 {
		return ""
	}
	domain := segments[:len(segments)-1]
	slices.Reverse(domain)
	return strings.ToLower(strings.Join(domain, "."))
}

// Name returns the last segment: "post" for "app.bsky.feed.post".
func (n NSID) Name() string { return string(n[strings.LastIndexByte(string(n), '.')+1:]) }

// Segments returns the parts between the dots, in their order.
func (n NSID) Segments() []string {
	if n == "" {
		return nil
	}
	return strings.Split(string(n), ".")
}
