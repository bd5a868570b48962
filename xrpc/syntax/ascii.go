package syntax

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isAlpha(c byte) bool { return isLower(c) || 'A' <= c && c <= 'Z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isAlnum(c byte) bool { return isAlpha(c) || isDigit(c) }

// label checks one part of a domain name (RFC 1035 §2.3.1, and leading digits as in RFC 1123). It
// returns the broken rule, or "".
func label(s string) string {
	switch {
	case s == "":
		return "has an empty part"
	case len(s) > 63:
		return "has a part longer than 63 characters"
	case s[0] == '-' || s[len(s)-1] == '-':
		return "has a part that starts or ends with a hyphen"
	}
	for i := range len(s) {
		if !isAlnum(s[i]) && s[i] != '-' {
			return "has a character other than letters, digits, hyphens and dots"
		}
	}
	return ""
}
