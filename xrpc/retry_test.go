package xrpc

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gimucco/atproto-go/xrpc/lex"
)

func TestRetry(t *testing.T) { // X17, X19, P16
	unavailable := func() (*http.Response, error) { return answer(503, "", ""), nil }
	limited := func() (*http.Response, error) { return answer(429, "", "", "Retry-After", "3"), nil }
	patient := func() (*http.Response, error) { return answer(429, "", "", "Retry-After", "3600"), nil }
	never := func() (*http.Response, error) { return answer(501, "", ""), nil }
	unsent := func() (*http.Response, error) { return nil, &SendError{Sent: SentNo, Err: io.EOF} }
	lost := func() (*http.Response, error) { return nil, &SendError{Sent: SentMaybe, Err: io.EOF} }
	ended := func() (*http.Response, error) { return nil, errors.New("session ended") }
	policy := WithRetry(RetryPolicy{}) // three attempts
	for _, tt := range []struct {
		name   string
		method Method
		in     Input
		opts   []Option
		fails  func() (*http.Response, error)
		want   int
	}{
		{"X17 off by default", query, Input{}, nil, unavailable, 1},
		{"X17 a query", query, Input{}, []Option{policy}, unavailable, 3},
		{"X17 P16 a query whose answer was lost", query, Input{}, []Option{policy}, lost, 3},
		{"X18 a query that is limited", query, Input{}, []Option{policy}, limited, 3},
		{"a server that asks for too much patience", query, Input{}, []Option{policy}, patient, 1},
		{"X17 501 never passes", query, Input{}, []Option{policy}, never, 1},
		{"an error of the Doer", query, Input{}, []Option{policy}, ended, 1},
		{"P16 X19 a procedure that may have arrived", procedure, Input{}, []Option{policy}, lost, 1},
		{"X19 a procedure that was refused", procedure, Input{}, []Option{policy}, unavailable, 1},
		{"X19 a procedure that never left", procedure, Input{}, []Option{policy}, unsent, 3},
		{"X19 an idempotent procedure", procedure, Input{}, []Option{policy, Idempotent()}, lost, 3},
		{"P15 X19 a one-way body", upload, Raw(StreamBody(strings.NewReader("x"), 1, "a/b")), []Option{policy, Idempotent()}, lost, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				attempts := 0
				c := NewCaller(doerFunc(func(context.Context, *Request) (*http.Response, error) {
					attempts++
					return tt.fails()
				}))
				start := time.Now()
				_, err := Call[value](t.Context(), c, tt.method, nil, tt.in, tt.opts)
				if err == nil || attempts != tt.want {
					t.Errorf("%d attempts, want %d: %v", attempts, tt.want, err)
				}
				waited := time.Since(start)
				if attempts == 1 && waited > 0 || attempts == 3 && (waited < 750*time.Millisecond || waited > 7*time.Second) {
					t.Errorf("waited %s between %d attempts", waited, attempts)
				}
			})
		})
	}
}

func TestRetryEndsWithTheContext(t *testing.T) {
	t.Run("X17 P84 and the failure before it is told", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			c := NewCaller(doerFunc(func(context.Context, *Request) (*http.Response, error) {
				return answer(503, "", "", "Retry-After", "20"), nil
			}))
			start := time.Now()
			_, err := Call[value](ctx, c, query, nil, Input{}, []Option{WithRetry(RetryPolicy{Attempts: 9})})
			if e, ok := errors.AsType[*Error](err); !ok || e.Status != 503 || time.Since(start) != time.Second {
				t.Errorf("after %s: %v", time.Since(start), err)
			}
		})
	})
}

func TestRetryPolicies(t *testing.T) {
	const hour = time.Hour
	for _, tt := range []struct {
		name   string
		policy RetryPolicy
		want   []time.Duration // the longest that each pause may be; the shortest is half of it
	}{
		{"the zero policy", RetryPolicy{}, []time.Duration{500 * time.Millisecond, time.Second}},
		{"switched off", RetryPolicy{Attempts: 1}, nil},
		{"two attempts", RetryPolicy{Attempts: 2}, []time.Duration{500 * time.Millisecond}},
		{"pauses double", RetryPolicy{Attempts: 4, FirstPause: time.Second}, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}},
		{"up to the longest", RetryPolicy{Attempts: 5, FirstPause: time.Second, LongestPause: 3 * time.Second},
			[]time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 3 * time.Second}},
		{"up to 30 s", RetryPolicy{Attempts: 4, FirstPause: 20 * time.Second}, []time.Duration{20 * time.Second, 30 * time.Second, 30 * time.Second}},
		{"a long first pause alone", RetryPolicy{FirstPause: hour}, []time.Duration{hour, hour}},
		{"a short longest pause alone", RetryPolicy{LongestPause: time.Millisecond}, []time.Duration{time.Millisecond, time.Millisecond}},
		{"the longest there is", RetryPolicy{Attempts: 4, FirstPause: math.MaxInt64 / 3, LongestPause: math.MaxInt64},
			[]time.Duration{math.MaxInt64 / 3, math.MaxInt64 / 3 * 2, math.MaxInt64}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			policy, err := tt.policy.complete()
			if err != nil {
				t.Fatal(err)
			}
			if policy.Attempts != len(tt.want)+1 {
				t.Errorf("%d attempts, want %d", policy.Attempts, len(tt.want)+1)
			}
			for i, longest := range tt.want {
				for range 20 {
					if got := policy.pause(i + 1); got > longest || got < longest/2 {
						t.Fatalf("pause %d is %s, want %s at most and half of it at least", i+1, got, longest)
					}
				}
			}
		})
	}
}

func TestRetryPoliciesThatMakeNoSense(t *testing.T) {
	for _, tt := range []struct {
		policy RetryPolicy
		want   string
	}{
		{RetryPolicy{Attempts: -1}, "Attempts is -1, below zero"},
		{RetryPolicy{FirstPause: 4}, "FirstPause is 4ns, less than 1ms: write it with its unit"},
		{RetryPolicy{LongestPause: 4}, "LongestPause is 4ns, less than 1ms: write it with its unit"},
		{RetryPolicy{FirstPause: -time.Second}, "FirstPause is -1s, less than 1ms"},
		{RetryPolicy{LongestPause: -time.Second}, "LongestPause is -1s, less than 1ms"},
		{RetryPolicy{FirstPause: time.Minute, LongestPause: time.Second}, "LongestPause is 1s, shorter than FirstPause, 1m0s"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			sent := false
			doer := doerFunc(func(context.Context, *Request) (*http.Response, error) {
				sent = true
				return answer(200, "application/json", `{}`), nil
			})
			_, ofClient := Call[value](t.Context(), NewCaller(doer, WithRetry(tt.policy)), query, nil, Input{}, nil)
			_, ofCall := Call[value](t.Context(), NewCaller(doer), query, nil, Input{}, []Option{WithRetry(tt.policy)})
			for _, err := range []error{ofClient, ofCall} {
				if err == nil || !strings.Contains(err.Error(), "WithRetry: "+tt.want) {
					t.Errorf("got %v, want an error with %q", err, tt.want)
				}
			}
			if sent {
				t.Error("the call was made")
			}
		})
	}
}

func TestLimitsThatMakeNoSense(t *testing.T) {
	for want, option := range map[string]Option{
		"WithHeaderTimeout: the time limit is -1ns, below zero":                       WithHeaderTimeout(-1),
		"WithHeaderTimeout: the time limit is 30ns, less than 1ms: write it with its": WithHeaderTimeout(30),
		"WithIdleTimeout: the time limit is -1s, below zero":                          WithIdleTimeout(-time.Second),
		"WithOutputTimeout: the time limit is -1s, below zero":                        WithOutputTimeout(-time.Second),
		"WithMaxOutput: the limit is -1, below zero":                                  WithMaxOutput(-1),
		"WithMaxNesting: the limit is -1, below zero":                                 WithMaxNesting(-1),
	} {
		t.Run(want, func(t *testing.T) {
			c := NewCaller(doerFunc(func(context.Context, *Request) (*http.Response, error) {
				t.Error("the call was made")
				return answer(200, "application/json", `{}`), nil
			}))
			if _, err := Call[value](t.Context(), c, query, nil, Input{}, []Option{option}); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestOptionsWithoutEffectAreRefused(t *testing.T) {
	for name, option := range map[string]Option{
		"WithParam": WithParam("a", 1), "WithHeaderTimeout": WithHeaderTimeout(0), "WithIdleTimeout": WithIdleTimeout(DefaultIdleTimeout),
		"WithOutputTimeout": WithOutputTimeout(time.Second), "WithUploadProgress": WithUploadProgress(func(_, _ int64) {}),
		"WithDownloadProgress": WithDownloadProgress(func(_, _ int64) {}), "WithCID": WithCID("bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"),
		"WithBlobLimits": WithBlobLimits(lex.BlobLimits{}), "WithMaxOutput": WithMaxOutput(1), "WithMaxNesting": WithMaxNesting(1), "WithRetry": WithRetry(RetryPolicy{}),
		"WithReconnect": WithReconnect(RetryPolicy{Attempts: 2}), "WithStreamEvents": WithStreamEvents(func(StreamEvent) {}), "Idempotent": Idempotent(),
		"WithResponse": WithResponse(new(ResponseInfo)), "WithValidation": WithValidation(true),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := HeaderOf(WithHeader("X-Mine", "1"), option); err == nil || !strings.Contains(err.Error(), "does not use "+name+": remove") {
				t.Errorf("got %v", err)
			}
		})
	}
	h, err := HeaderOf(WithHeader("X-Mine", "1"), WithUserAgent("mine"), WithProxy(string(BlueskyAppView)), WithLabelers(), nil)
	if err != nil || len(h) != 4 {
		t.Errorf("got %v, %v", h, err)
	}
}
