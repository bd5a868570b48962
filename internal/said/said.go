// Package said prepares the words of others, such as servers and strangers, for errors and logs. It
// limits their length, and makes sure that they cannot control a terminal or begin a new line.
package said

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Lengths at which words are cut off, in bytes.
const (
	maxWord  = 80
	maxQuote = 300
	// MaxText is the maximum length of a cause's text.
	MaxText = 2000
)

// Word is for codes and names. A text of letters, digits and -_.: stays unchanged; any other is
// quoted and cut off.
func Word(s string) string {
	if s != "" && len(s) <= maxWord && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:") == "" {
		return s
	}
	return strconv.Quote(Cut(s, maxWord))
}

// Quote is for sentences. It quotes the text and cuts it off.
func Quote(s string) string { return strconv.Quote(Cut(s, maxQuote)) }

// Text is for the text of an error that may contain words of others. It cuts the text off at
// MaxText, and escapes what does not print as in a Go string. Text that is quoted already stays
// unchanged.
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

// Cut returns the beginning of s, with … if something is missing.
func Cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + "…"
}

// Visible reports whether s has at most limit bytes and only the printing ASCII characters of
// header and form values, without the space: VSCHAR of RFC 6749, appendix A.
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
