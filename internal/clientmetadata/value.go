package clientmetadata

import (
	"bytes"
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strings"
)

// A kind says of a JSON value what it has to be, where nothing but that is asked of it.
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

// of reports of JSON values whether they are a T, and not null, of which more is true.
func of[T any](more func(T) bool) func(json.RawMessage) bool {
	return func(raw json.RawMessage) bool {
		var v T
		return !isNull(raw) && json.Unmarshal(raw, &v) == nil && (more == nil || more(v))
	}
}

// listOf reports of JSON values whether they are a list of strings that are all fit.
func listOf(fit func(string) bool) func(json.RawMessage) bool {
	return of(func(list []*string) bool {
		return !slices.ContainsFunc(list, func(s *string) bool { return s == nil || !fit(*s) })
	})
}

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

// same reports whether raw is the compact JSON in want, but for white space.
func same(raw json.RawMessage, want string) bool {
	var b bytes.Buffer
	return json.Compact(&b, raw) == nil && b.String() == want
}

// mailAddress is what the reference server takes for one, together with isMailAddress.
var mailAddress = regexp.MustCompile(`^[A-Za-z0-9_'+\-.]*[A-Za-z0-9_+\-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$`)

func isMailAddress(s string) bool {
	return mailAddress.MatchString(s) && !strings.HasPrefix(s, ".") && !strings.Contains(s, "..")
}
