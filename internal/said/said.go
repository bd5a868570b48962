// Package said writes the words of others, servers and strangers, into errors and logs: so
// that they are bounded, and nothing in them acts on a terminal or begins a line of its own.
package said

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Lengths, in bytes, that words are cut to.
const (
	maxWord  = 80
	maxQuote = 300
	// MaxText is how long the text of a cause may be.
	MaxText = 2000
)

// Word is for codes and names: one of letters, digits and -_.: stays as it is, anything else is
// quoted and cut short.
func Word(s string) string {
	if s != "" && len(s) <= maxWord && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:") == "" {
		return s
	}
	return strconv.Quote(Cut(s, maxWord))
}

// Quote is for sentences: quoted and cut short.
func Quote(s string) string { return strconv.Quote(Cut(s, maxQuote)) }

// Text is for the text of an error that may hold words of others: cut short at MaxText, and what does not
// print written as Go writes it in a string. What was quoted already stays as it is.
func Text(s string) string {
	s = Cut(s, MaxText)
	clean := true
	for _, r := range s {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch _, size := utf8.DecodeRuneInString(s[i:]); {
		case r == utf8.RuneError && size == 1:
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[i]), 16))
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

// Cut returns the beginning of s, with … where something is missing.
func Cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + "…"
}

// Visible reports whether s is made of the printing ASCII characters that values of headers and forms
// are written in, without the space, and has limit bytes at most: VSCHAR of RFC 6749, appendix A.
func Visible(s string, limit int) bool {
	if len(s) > limit {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
