package xrpc

import (
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

// readInfo collects what a response says besides its body.
func readInfo(resp *http.Response, now time.Time) ResponseInfo {
	return ResponseInfo{
		Status:     resp.StatusCode,
		Header:     resp.Header,
		RateLimit:  parseRateLimit(resp.Header),
		RetryAfter: parseRetryAfter(resp.Header, now),
	}
}

func parseRateLimit(h http.Header) RateLimit {
	number := func(name string) int {
		n, err := strconv.Atoi(strings.TrimSpace(h.Get(name)))
		if err != nil || n < 0 {
			return 0
		}
		return n
	}
	l := RateLimit{Limit: number("RateLimit-Limit"), Remaining: number("RateLimit-Remaining")}
	if reset := number("RateLimit-Reset"); reset > 0 {
		l.Reset = time.Unix(int64(reset), 0)
	}
	// RateLimit-Policy: 3000;w=300
	for param := range strings.SplitSeq(h.Get("RateLimit-Policy"), ";") {
		if value, ok := strings.CutPrefix(strings.TrimSpace(param), "w="); ok {
			if seconds, err := strconv.ParseInt(value, 10, 32); err == nil && seconds > 0 {
				l.Window = time.Duration(seconds) * time.Second
			}
		}
	}
	return l
}

// parseRetryAfter reads both forms of the field (RFC 9110 §10.2.3).
func parseRetryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		return time.Duration(max(seconds, 0)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// RetryAfter reads the field of that name: how long the server asks to wait, 0 if
// it does not. It is for implementations of Doer.
func RetryAfter(h http.Header, now time.Time) time.Duration { return parseRetryAfter(h, now) }
