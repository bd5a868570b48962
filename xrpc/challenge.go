package xrpc

import (
	"net/http"
	"strings"
)

// A Challenge is one challenge of a WWW-Authenticate header (RFC 9110 §11.6.1).
type Challenge struct {
	Scheme string            // as the server sent it, such as "DPoP"
	Token  string            // the value in token68 form, if the challenge has one
	Params map[string]string // the keys are in lower case
}

// ParseChallenges parses the WWW-Authenticate fields of a response. It leaves out what it cannot
// parse.
func ParseChallenges(h http.Header) []Challenge {
	var all []Challenge
	for _, field := range h.Values("WWW-Authenticate") {
		all = parseChallenges(all, field)
	}
	return all
}

func parseChallenges(all []Challenge, s string) []Challenge {
	for {
		s = strings.TrimLeft(s, " \t,")
		if s == "" {
			return all
		}
		word, rest := cutToken(s)
		if word == "" {
			return all // not a token: what follows cannot be trusted
		}
		value := strings.TrimLeft(rest, " \t")
		if len(all) > 0 && strings.HasPrefix(value, "=") && !strings.HasPrefix(value, "==") {
			// Another parameter of the challenge before.
			var text string
			var ok bool
			if text, s, ok = cutValue(strings.TrimLeft(value[1:], " \t")); !ok {
				return all
			}
			all[len(all)-1].Params[strings.ToLower(word)] = text
			continue
		}
		c := Challenge{Scheme: word, Params: make(map[string]string)}
		s = strings.TrimLeft(rest, " \t")
		if token, after, ok := cutToken68(s); ok {
			c.Token, s = token, after
		}
		all = append(all, c)
	}
}

// cutToken cuts a token (RFC 9110 §5.6.2) from the beginning of s.
func cutToken(s string) (token, rest string) {
	i := 0
	for i < len(s) && isTokenByte(s[i]) {
		i++
	}
	return s[:i], s[i:]
}

func isTokenByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// cutValue cuts a token or a quoted string from the beginning of s.
func cutValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		value, rest = cutToken(s)
		return value, rest, value != ""
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
			b.WriteByte(s[i])
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", false
}

// cutToken68 cuts credentials in token68 form from the beginning of s. They end at a comma or at
// the end of s; the name of a parameter does not.
func cutToken68(s string) (token, rest string, ok bool) {
	i := 0
	for i < len(s) && (isTokenByte(s[i]) || s[i] == '/') {
		i++
	}
	if i == 0 {
		return "", s, false
	}
	j := i
	for j < len(s) && s[j] == '=' {
		j++
	}
	end := strings.TrimLeft(s[j:], " \t")
	if end != "" && end[0] != ',' {
		return "", s, false
	}
	return s[:j], end, true
}
