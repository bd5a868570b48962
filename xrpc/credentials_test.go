package xrpc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCredentials(t *testing.T) {
	for _, tt := range []struct {
		name string
		doer func(Doer) Doer
		want []string
	}{
		{"X32 of an administrator", func(d Doer) Doer { return Basic(d, "admin", "secret-token") }, []string{"Basic YWRtaW46c2VjcmV0LXRva2Vu"}},
		{"X32 a token", func(d Doer) Doer { return Bearer(d, "secret-token") }, []string{"Bearer secret-token"}},
		{"X32 none", func(d Doer) Doer { return d }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			client, err := NewClient("https://pds.test", ClientConfig{UnguardedTransport: roundTripFunc(func(req *http.Request) (*http.Response, error) {
				got = req.Header.Values("Authorization")
				return answer(200, "application/json", `{}`), nil
			})})
			if err != nil {
				t.Fatal(err)
			}
			doer := tt.doer(client)
			req := &Request{Method: "GET", NSID: "a.b.c", Header: http.Header{"X-Mine": {"1"}}}
			if _, err := doer.Do(t.Context(), req); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(http.Header{"X-Mine": {"1"}}, req.Header); diff != "" {
				t.Errorf("the request was changed (-want +got):\n%s", diff)
			}
			if _, err := doer.Do(t.Context(), &Request{Method: "GET", NSID: "a.b.c"}); err != nil {
				t.Error(err)
			}
		})
	}
	for name, option := range map[string]Option{
		"Authorization": WithHeader("Authorization", "Bearer mine"), "authorization": WithHeader("authorization", "x"),
		"DPoP": WithHeader("DPoP", "x"), "to remove it": WithHeader("Authorization", ""),
	} {
		t.Run("X32 they are no option, "+name, func(t *testing.T) {
			sent := false
			c := NewCaller(roundTripDoer(func() { sent = true }))
			if _, err := Call[value](t.Context(), c, query, nil, Input{}, []Option{option}); err == nil || !strings.Contains(err.Error(), "see Bearer and Basic") || sent {
				t.Errorf("got %v, sent: %t", err, sent)
			}
			if _, err := HeaderOf(option); err == nil {
				t.Error("HeaderOf took it")
			}
		})
	}
	t.Run("P78 X32 they are in nothing that prints", func(t *testing.T) {
		client, err := NewClient("https://pds.test", ClientConfig{})
		if err != nil {
			t.Fatal(err)
		}
		for _, doer := range []Doer{Basic(client, "admin", "secret-token"), Bearer(client, "secret-token")} {
			type holder struct {
				doer Doer
				Doer Doer
			}
			var log bytes.Buffer
			for _, v := range []any{doer, []Doer{doer}, holder{doer, doer}, &holder{doer, doer}} {
				fmt.Fprintf(&log, "%v %+v %#v %s %q\n", v, v, v, v, v)
				slog.New(slog.NewTextHandler(&log, nil)).Info("x", "doer", v)
				slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "doer", v)
				encoded, _ := json.Marshal(v)
				log.Write(encoded)
			}
			for _, secret := range []string{"secret-token", "YWRtaW46c2VjcmV0LXRva2Vu"} {
				if strings.Contains(log.String(), secret) {
					t.Errorf("told: %s", &log)
				}
			}
		}
	})
}

// roundTripDoer is a Doer that always succeeds, and tells.
func roundTripDoer(sent func()) Doer {
	return doerFunc(func(_ context.Context, _ *Request) (*http.Response, error) {
		sent()
		return answer(200, "application/json", `{}`), nil
	})
}

type (
	did   string
	count int64
)

func (did) String() string { return "another text" }

func TestUndeclaredParameters(t *testing.T) {
	for _, tt := range []struct {
		name     string
		defaults []Option
		call     []Option
		want     string
		err      string
	}{
		{"X6 scalars and arrays", nil, []Option{WithParam("a", "x y"), WithParam("b", true, false), WithParam("c", 7), WithParam("d", count(-1)), WithParam("e", did("did:web:a"))},
			"limit=50&tags=a+b&tags=%C3%BC%26%23&reverse=false&a=x+y&b=true&b=false&c=7&d=-1&e=did%3Aweb%3Aa", ""},
		{"X6 the call wins", []Option{WithParam("a", 1), WithParam("b", 2)}, []Option{WithParam("a", 3)}, "limit=50&tags=a+b&tags=%C3%BC%26%23&reverse=false&b=2&a=3", ""},
		{"X6 the call switches one off", []Option{WithParam("a", 1)}, []Option{WithParam[string]("a")}, "limit=50&tags=a+b&tags=%C3%BC%26%23&reverse=false", ""},
		{"X6 what is declared is set there, the first", nil, []Option{WithParam("limit", 7)}, "", `WithParam("limit"): the method declares this parameter`},
		{"X6 what is declared is set there, another", nil, []Option{WithParam("reverse", true)}, "", `WithParam("reverse"): the method declares`},
		{"X6 a name that ends like a declared one", nil, []Option{WithParam("imit", 7)}, "limit=50&tags=a+b&tags=%C3%BC%26%23&reverse=false&imit=7", ""},
		{"X6 no name", nil, []Option{WithParam("", 7)}, "", "the parameter has no name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			doer := doerFunc(func(_ context.Context, req *Request) (*http.Response, error) {
				got = req.Query
				return answer(200, "application/json", `{}`), nil
			})
			_, err := Call[value](t.Context(), NewCaller(doer, tt.defaults...), query, &params{}, Input{}, tt.call)
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %v", err)
			}
			if got != tt.want {
				t.Errorf("sent ?%s", got)
			}
		})
	}
}
