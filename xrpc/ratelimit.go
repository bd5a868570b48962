package xrpc

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A RateLimit is the content of the RateLimit header fields of a response. Limit is 0 if there were
// none.
type RateLimit struct {
	Limit     int           // requests per window
	Remaining int           // requests left in this window
	Reset     time.Time     // when the window ends
	Window    time.Duration // length of the window; 0 if unknown
}

// Field names in the canonical form of net/http: with other forms, net/http would convert them for
// every answer.
const (
	nonceField     = "Dpop-Nonce"
	limitField     = "Ratelimit-Limit"
	remainingField = "Ratelimit-Remaining"
	resetField     = "Ratelimit-Reset"
	policyField    = "Ratelimit-Policy"
)

// readInfo collects the parts of a response that are not its body.
func readInfo(resp *http.Response, now time.Time) ResponseInfo {
	header := resp.Header
	if header.Get(nonceField) != "" {
		// The header belongs to the Doer, and nothing that prints an answer should show it (P78).
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
		// The server's clock decides when the window ends (P87).
		if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			now = date
		}
		info.RetryAfter = aWait(info.RateLimit.Reset.Sub(now))
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

// lastSecond is the last second of the year 9999. Most formats cannot write later times.
const lastSecond = 253402300799

// readNumber parses a number of a header field, and reports whether it is one. A number beyond 64
// bits becomes the largest one that fits: a server that asks for a very long wait must not get
// none. A negative number becomes 0.
func readNumber(text string) (n int64, ok bool) {
	if text == "" {
		return 0, false // most answers have none of these fields, and an error would be slower
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false
	}
	return max(n, 0), true
}

// inSeconds returns a number of seconds as a Duration, or the longest Duration.
func inSeconds(n int64) time.Duration {
	return time.Duration(min(n, math.MaxInt64/int64(time.Second))) * time.Second
}

// parseRetryAfter parses both forms of the field (RFC 9110 §10.2.3).
func parseRetryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0
	}
	if seconds, ok := readNumber(value); ok {
		return aWait(inSeconds(seconds))
	}
	if at, err := http.ParseTime(value); err == nil {
		return aWait(at.Sub(now))
	}
	return 0
}

// longestWait limits what a server can ask for, because programs sleep for that long. The longest
// window of the reference server is a day.
const longestWait = 24 * time.Hour

// aWait returns d within the limits of a wait.
func aWait(d time.Duration) time.Duration { return min(max(d, 0), longestWait) }

// RetryAfter returns how long the Retry-After field asks to wait, at most 24 hours; 0 if it does not
// ask. It is for implementations of Doer.
func RetryAfter(h http.Header, now time.Time) time.Duration { return parseRetryAfter(h, now) }
