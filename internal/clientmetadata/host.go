package clientmetadata

import "strings"

// localNames are top-level domains that do not exist on the public Internet: those of
// https://www.iana.org/assignments/special-use-domain-names, and internal.
var localNames = map[string]bool{
	"test": true, "local": true, "localhost": true, "invalid": true, "example": true,
	"internal": true, "arpa": true, "onion": true, "alt": true,
}

// publicHost reports whether servers accept host as a public one: a name of at least two labels,
// not an address, and not below a name for local or special use. It does not decode Punycode: an
// invalid label passes here, but has no address.
func publicHost(host string) bool {
	labels := strings.Split(strings.ToLower(host), ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, notInLabel) {
			return false
		}
	}
	last := labels[len(labels)-1]
	return len(labels) > 1 && len(host) <= 253 && !isNumber(last) && !localNames[last]
}

// notInLabel reports whether a label must not contain r. URL parsers accept underscores.
func notInLabel(r rune) bool {
	return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' || r == '_')
}

// isNumber reports whether, for a URL parser, a host that ends in this label is an IPv4 address or
// invalid (https://url.spec.whatwg.org/#ends-in-a-number-checker).
func isNumber(label string) bool {
	if digits, ok := strings.CutPrefix(label, "0x"); ok {
		return !strings.ContainsFunc(digits, func(r rune) bool { return r > 0x7F || !isHex(byte(r)) })
	}
	return !strings.ContainsFunc(label, func(r rune) bool { return r < '0' || r > '9' })
}
