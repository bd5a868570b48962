package xrpc

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func TestNumbersOfHeaderFields(t *testing.T) { // P127
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	const longest = math.MaxInt64 / int64(time.Second)
	for _, tt := range []struct {
		text    string
		seconds int64
	}{
		{"", 0}, {"0", 0}, {"-1", 0}, {"-99999999999999999999", 0}, {"x", 0}, {"1.5", 0}, {"1e3", 0},
		{"7", 7}, {" 7 ", 7}, {"2147483647", math.MaxInt32}, {"2147483648", math.MaxInt32 + 1}, {"4294967297", 4294967297},
		{"9223372036", longest}, {"9223372037", longest}, {"9223372036854775807", longest}, {"99999999999999999999", longest},
	} {
		t.Run(tt.text, func(t *testing.T) {
			h := make(http.Header)
			for _, name := range []string{"Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"} {
				h.Set(name, tt.text)
			}
			h.Set("RateLimit-Policy", "100;w="+tt.text)
			want := time.Duration(tt.seconds) * time.Second
			if got := RetryAfter(h, now); got != min(want, 24*time.Hour) {
				t.Errorf("Retry-After is %s, want %s and 24 hours at most", got, want)
			}
			l := parseRateLimit(h)
			if l.Window != want {
				t.Errorf("the window is %s, want %s", l.Window, want)
			}
			if int64(l.Limit) < min(tt.seconds, math.MaxInt) || int64(l.Remaining) < min(tt.seconds, math.MaxInt) {
				t.Errorf("limit %d, remaining %d, want at least %d", l.Limit, l.Remaining, tt.seconds)
			}
			if l.Reset.IsZero() != (tt.seconds == 0) || l.Reset.Year() > 9999 || tt.seconds > 0 && l.Reset.Unix() < tt.seconds {
				t.Errorf("reset at %s, want %d seconds after 1970", l.Reset, tt.seconds)
			}
		})
	}
	for date, want := range map[string]time.Duration{
		now.Add(90 * time.Second).Format(http.TimeFormat): 90 * time.Second,
		now.Add(-time.Hour).Format(http.TimeFormat):       0,
		now.AddDate(1, 0, 0).Format(http.TimeFormat):      24 * time.Hour,
		"Fri, 31 Dec 9999 23:59:59 GMT":                   24 * time.Hour,
	} {
		if got := RetryAfter(http.Header{"Retry-After": {date}}, now); got != want {
			t.Errorf("the date %s gives %s, want %s", date, got, want)
		}
	}
}

func TestEndOfTheWindow(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(seconds int) string {
		return strconv.FormatInt(now.Unix()+int64(seconds), 10)
	}
	for _, tt := range []struct {
		name   string
		status int
		header []string
		want   time.Duration
	}{
		{"P87 X18 is waited for", 429, []string{"RateLimit-Reset", at(20)}, 20 * time.Second},
		{"P87 X18 is by the server's clock", 429, []string{"RateLimit-Reset", at(3620), "Date", now.Add(time.Hour).Format(http.TimeFormat)}, 20 * time.Second},
		{"P87 X18 comes second to what the server asks for", 429, []string{"RateLimit-Reset", at(20), "Retry-After", "3"}, 3 * time.Second},
		{"P87 X18 is not waited for longer than a day", 429, []string{"RateLimit-Reset", at(365 * 86400)}, 24 * time.Hour},
		{"P87 X18 that is over is not waited for", 429, []string{"RateLimit-Reset", at(-20)}, 0},
		{"P87 X18 means nothing where nothing was refused", 200, []string{"RateLimit-Reset", at(20)}, 0},
		{"P87 X18 means nothing where something else failed", 500, []string{"RateLimit-Reset", at(20)}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := readInfo(answer(tt.status, "", "", tt.header...), now).RetryAfter; got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	t.Run("P87 X17 the next attempt is behind it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			reset := strconv.FormatInt(time.Now().Add(20*time.Second).Unix(), 10)
			var at []time.Duration
			start := time.Now()
			c := NewCaller(doerFunc(func(context.Context, *Request) (*http.Response, error) {
				at = append(at, time.Since(start))
				if len(at) == 1 {
					return answer(429, "", "", "RateLimit-Reset", reset), nil
				}
				return answer(200, "application/json", `{}`), nil
			}))
			if _, err := Call[value](t.Context(), c, query, nil, Input{}, []Option{WithRetry(RetryPolicy{})}); err != nil {
				t.Fatal(err)
			}
			if len(at) != 2 || at[1] != 20*time.Second {
				t.Errorf("sent after %s", at)
			}
		})
	})
}
