package xrpc

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A RateLimit is what the RateLimit header fields of a response say. Limit is 0 if
// there were none.
type RateLimit struct {
	Limit     int           // requests per window
	Remaining int           // requests left in this window
	Reset     time.Time     // when the window ends
	Window    time.Duration // length of the window, 0 if it was not said
}

// Names of fields as net/http writes them: others would be written anew for every answer.
const (
	nonceField     = "Dpop-Nonce"
	limitField     = "Ratelimit-Limit"
	remainingField = "Ratelimit-Remaining"
	resetField     = "Ratelimit-Reset"
	policyField    = "Ratelimit-Policy"
)

// readInfo collects what a response says besides its body.
func readInfo(resp *http.Response, now time.Time) ResponseInfo {
	header := resp.Header
	if header.Get(nonceField) != "" {
		// It is the Doer's, and should be in nothing that prints an answer (P78).
		header = header.Clone()
		header.Del(nonceField)
	}
	info := ResponseInfo{
		Status:     resp.StatusCode,
		Header:     header,
		RateLimit:  parseRateLimit(resp.Header),
		RetryAfter: parseRetryAfter(resp.Header, now),
	}
	if info.RetryAfter == 0 && info.Status == http.StatusTooManyRequests && !info.RateLimit.Reset.IsZero() {
		// The end of the window is by the server's clock (P87).
		if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			now = date
		}
		info.RetryAfter = max(info.RateLimit.Reset.Sub(now), 0)
	}
	return info
}

func parseRateLimit(h http.Header) RateLimit {
	number := func(name string) int64 {
		n, _ := readNumber(h.Get(name))
		return n
	}
	l := RateLimit{
		Limit:     int(min(number(limitField), math.MaxInt)),
		Remaining: int(min(number(remainingField), math.MaxInt)),
	}
	if reset := number(resetField); reset > 0 {
		l.Reset = time.Unix(min(reset, lastSecond), 0)
	}
	// RateLimit-Policy: 3000;w=300
	for param := range strings.SplitSeq(h.Get(policyField), ";") {
		if value, ok := strings.CutPrefix(strings.TrimSpace(param), "w="); ok {
			window, _ := readNumber(value)
			l.Window = inSeconds(window)
		}
	}
	return l
}

// lastSecond is that of the year 9999. Times after it cannot be written in most formats.
const lastSecond = 253402300799

// readNumber reads a number of a header field. One beyond 64 bits is taken as the largest
// that fits: a server that asks for patience must not get none because it asked for too
// much. One below zero is 0. It reports whether this was a number.
func readNumber(text string) (n int64, ok bool) {
	if text == "" {
		return 0, false // most answers have none of these fields, and an error costs more than they do
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false
	}
	return max(n, 0), true
}

// inSeconds returns a number of seconds as a Duration, or the longest one there is.
func inSeconds(n int64) time.Duration {
	return time.Duration(min(n, math.MaxInt64/int64(time.Second))) * time.Second
}

// parseRetryAfter reads both forms of the field (RFC 9110 §10.2.3).
func parseRetryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0
	}
	if seconds, ok := readNumber(value); ok {
		return inSeconds(seconds)
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// RetryAfter reads the field of that name: how long the server asks to wait, 0 if
// it does not. It is for implementations of Doer.
func RetryAfter(h http.Header, now time.Time) time.Duration { return parseRetryAfter(h, now) }
