package oauth_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc"
)

func TestRetriesOfAChallenge(t *testing.T) {
	for retries, want := range map[int]int{0: 2, 1: 2, 3: 4} {
		t.Run(fmt.Sprintf("P19 O98 a server that challenges for ever gets %d requests with Retries %d", want, retries), func(t *testing.T) {
			challengedForEver(t, retries, want)
		})
	}
	t.Run("Retries has bounds", func(t *testing.T) {
		for _, wrong := range []int{-1, 11} {
			cfg := oauth.Localhost(redirectURI, "atproto")
			cfg.Retries = wrong
			_, err := oauth.NewClient(cfg)
			wantKind(t, err, oauth.ErrConfig)
		}
	})
	t.Run("P19 all reasons together have a bound", func(t *testing.T) {
		server := sandbox(t)
		requests := 0
		reasons := []string{"use_dpop_nonce", "invalid_token", "invalid_dpop_proof"}
		s := login(t, server, newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if req.URL.Path != callPath {
				return next()
			}
			reason := reasons[requests%3]
			requests++
			return respond(req, 401, `{"error":"`+reason+`"}`, "WWW-Authenticate", `DPoP error="`+reason+`"`, "DPoP-Nonce", "another"), nil
		})))
		if err := call(t.Context(), s); err == nil || requests != 3 {
			t.Errorf("%d requests: %v", requests, err)
		}
	})
	t.Run("P8 a token is renewed once, however many retries there are", func(t *testing.T) {
		server := sandbox(t)
		requests := 0
		s := login(t, server, newClient(t, server, func(cfg *oauth.Config) { cfg.Retries = 5 }, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if req.URL.Path != callPath {
				return next()
			}
			requests++
			return respond(req, 401, `{"error":"invalid_token"}`, "WWW-Authenticate", `DPoP error="invalid_token"`), nil
		})))
		if err := call(t.Context(), s); err == nil {
			t.Error("no error")
		}
		if n := server.Stats().Grants["refresh_token"]; requests != 2 || n != 1 {
			t.Errorf("%d requests, %d refreshes", requests, n)
		}
	})
}

func challengedForEver(t *testing.T, retries, want int) {
	server := sandbox(t)
	kept := new(store.Memory)
	key := login(t, server, newClient(t, server, withStore(kept))).Key()
	challenge := func(requests *int) hook {
		return func(req *http.Request, _ func() (*http.Response, error)) (*http.Response, error) {
			*requests++
			if req.URL.Path == callPath {
				return respond(req, 401, `{"error":"use_dpop_nonce"}`, "WWW-Authenticate", `DPoP error="use_dpop_nonce"`, "DPoP-Nonce", "again"), nil
			}
			if req.URL.Path == tokenPath {
				return respond(req, 400, `{"error":"use_dpop_nonce"}`, "DPoP-Nonce", "again"), nil
			}
			*requests--
			return nil, errors.New("no network here")
		}
	}
	// Within the bubble time is what its timers make of it, so the pauses can be measured.
	synctest.Test(t, func(t *testing.T) {
		var requests int
		client := newClient(t, server, withStore(kept), withHook(challenge(&requests)), func(cfg *oauth.Config) { cfg.Retries = retries })
		s, err := client.Resume(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		started := time.Now()
		err = call(t.Context(), s)
		if e, ok := errors.AsType[*xrpc.Error](err); !ok || e.Name != "use_dpop_nonce" {
			t.Errorf("the caller saw %v", err)
		}
		if requests != want {
			t.Errorf("%d requests, want %d", requests, want)
		}
		// The first challenge is answered at once; then 100 ms, 200 ms, half of it at least.
		least, most := time.Duration(0), time.Duration(0)
		if retries == 3 {
			least, most = 150*time.Millisecond, 300*time.Millisecond
		}
		if took := time.Since(started); took < least || took > most {
			t.Errorf("the pauses took %s, want %s to %s", took, least, most)
		}
		requests = 0
		started = time.Now()
		e := wantKind(t, s.Refresh(t.Context()), oauth.ErrDPoP)
		if requests != want || !e.Retryable || e.Code != "use_dpop_nonce" {
			t.Errorf("%d token requests, want %d: %v", requests, want, e)
		}
		if took := time.Since(started); took < least || took > most {
			t.Errorf("the pauses of the refresh took %s, want %s to %s", took, least, most)
		}
	})
}
