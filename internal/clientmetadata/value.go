package clientmetadata

import (
	"bytes"
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strings"
)

// A kind describes what a JSON value must be, for values without other rules.
type kind struct {
	what string
	is   func(json.RawMessage) bool
}

var (
	text       = kind{"a string", of[string](nil)}
	notEmpty   = kind{"a string, or is empty", of(func(s string) bool { return s != "" })}
	texts      = kind{"a list of strings", listOf(func(string) bool { return true })}
	trueFalse  = kind{"true or false", of[bool](nil)}
	whole      = kind{"a whole number", of(func(f float64) bool { return f == math.Trunc(f) })}
	addresses  = kind{"a list of mail addresses", listOf(isMailAddress)}
	link       = kind{"an https URL on a public host", of(func(s string) bool { _, err := parseLink(s); return err == nil })}
	revocation = kind{"an object with the time revoked_at", of(func(members map[string]json.RawMessage) bool {
		reason, ok := members["reason"]
		return whole.is(members["revoked_at"]) && (!ok || text.is(reason))
	})}
)

// of returns a check that a JSON value is a T, is not null, and that more accepts it.
func of[T any](more func(T) bool) func(json.RawMessage) bool {
	return func(raw json.RawMessage) bool {
		var v T
		return !isNull(raw) && json.Unmarshal(raw, &v) == nil && (more == nil || more(v))
	}
}

// listOf returns a check that a JSON value is a list of strings that fit accepts.
func listOf(fit func(string) bool) func(json.RawMessage) bool {
	return of(func(list []*string) bool {
		return !slices.ContainsFunc(list, func(s *string) bool { return s == nil || !fit(*s) })
	})
}

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

// same reports whether raw is the compact JSON in want, apart from white space.
func same(raw json.RawMessage, want string) bool {
	var b bytes.Buffer
	return json.Compact(&b, raw) == nil && b.String() == want
}

// mailAddress is, together with isMailAddress, what the reference server accepts as an address.
var mailAddress = regexp.MustCompile(`^[A-Za-z0-9_'+\-.]*[A-Za-z0-9_+\-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$`)

func isMailAddress(s string) bool {
	return mailAddress.MatchString(s) && !strings.HasPrefix(s, ".") && !strings.Contains(s, "..")
}
