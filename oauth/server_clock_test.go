package oauth_test

import (
	"bytes"
	"crypto/elliptic"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc"
)

func corrected(cfg *oauth.Config) { cfg.CorrectClock = true }

func TestClockThatIsWrong(t *testing.T) {
	keys := []oauth.ClientKey{{Signer: newKey(t, elliptic.P256())}}
	for name, ahead := range map[string]time.Duration{"an hour ahead": time.Hour, "an hour behind": -time.Hour, "half a minute ahead": 30 * time.Second} {
		t.Run("O71 O92 "+name+" is corrected where Config says so", func(t *testing.T) {
			server := sandbox(t)
			client := confidential(t, server, keys, withClock(ahead), corrected)
			s := login(t, server, client)
			if err := call(t.Context(), s); err != nil {
				t.Error(err)
			}
			if err := s.Refresh(t.Context()); err != nil {
				t.Error(err)
			}
			if err := s.Logout(t.Context()); err != nil {
				t.Error(err)
			}
		})
		t.Run("O71 O92 "+name+" is told where it is not corrected", func(t *testing.T) {
			server := sandbox(t)
			var log bytes.Buffer
			client := confidential(t, server, keys, withClock(ahead), func(cfg *oauth.Config) {
				cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
			})
			for range 3 {
				_, err := client.Authorize(t.Context(), "alice.test")
				e := wantKind(t, err, oauth.ErrAuthorization)
				if d := e.ClockOffset + ahead; d.Abs() > 3*time.Second || !strings.Contains(e.Error(), "our clock is ") {
					t.Errorf("ClockOffset is %s: %v", e.ClockOffset, e)
				}
			}
			if n := strings.Count(log.String(), "clocks are apart"); n != 1 {
				t.Errorf("logged %d times:\n%s", n, &log)
			}
		})
	}
	t.Run("a clock that is a little off is nobody's business", func(t *testing.T) {
		server := sandbox(t)
		var log bytes.Buffer
		login(t, server, newClient(t, server, withClock(3*time.Second), func(cfg *oauth.Config) {
			cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
		}))
		if strings.Contains(log.String(), "clocks") {
			t.Error(log.String())
		}
	})
}

// A process that resumes a session under a wrong clock finds out by the first refusal.
func TestClockThatGoesWrongUnderASession(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"ahead": 20 * time.Minute, "behind": -20 * time.Minute} {
		for _, body := range []string{"bytes", "stream"} {
			t.Run("O92 P15 an upload of "+body+" by a clock that is "+name, func(t *testing.T) {
				server := sandbox(t)
				kept := new(store.Memory)
				before := login(t, server, newClient(t, server, withStore(kept)))
				s, err := newClient(t, server, withStore(kept), withClock(ahead), corrected).Resume(t.Context(), before.Key())
				if err != nil {
					t.Fatal(err)
				}
				server.ResetStats()
				b := xrpc.BytesBody(make([]byte, 1000), "image/png")
				if body == "stream" {
					b = xrpc.StreamBody(bytes.NewReader(make([]byte, 1000)), 1000, "image/png")
				}
				if n, err := upload(t, s, b); err != nil || n != 1000 {
					t.Errorf("%d bytes arrived: %v", n, err)
				}
				if n := server.Stats().Requests["/xrpc/com.atproto.repo.uploadBlob"]; n > 2 || body == "stream" && n > 1 {
					t.Errorf("sent %d times", n)
				}
			})
		}
	}
	t.Run("O92 all that were on their way are sent again, not only the one that brought the news", func(t *testing.T) {
		server := sandbox(t)
		kept := new(store.Memory)
		before := login(t, server, newClient(t, server, withStore(kept)))
		const uploads = 4
		var arrived sync.WaitGroup
		arrived.Add(uploads)
		var held atomic.Int32
		s, err := newClient(t, server, withStore(kept), withClock(20*time.Minute), corrected, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if req.Method == http.MethodPost && held.Add(1) <= uploads {
				arrived.Done()
				arrived.Wait() // until all of them are dated
			}
			return next()
		})).Resume(t.Context(), before.Key())
		if err != nil {
			t.Fatal(err)
		}
		var calls sync.WaitGroup
		for range uploads {
			calls.Go(func() {
				if _, err := upload(t, s, xrpc.BytesBody([]byte("x"), "text/plain")); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
	})
	for name, requests := range map[string]int{"where the documents read before it tell the time": 1, "where nothing tells the time before it": 2} {
		t.Run("O71 P31 a refresh with an assertion from the future, "+name, func(t *testing.T) {
			server := sandbox(t)
			kept := new(store.Memory)
			keys := []oauth.ClientKey{{Signer: newKey(t, elliptic.P256())}}
			before := login(t, server, confidential(t, server, keys, withStore(kept)))
			s, err := confidential(t, server, keys, withStore(kept), withClock(time.Minute), corrected, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
				resp, err := next()
				if err == nil && req.Method == http.MethodGet && requests > 1 {
					resp.Header.Del("Date") // as behind some gateways
				}
				return resp, err
			})).Resume(t.Context(), before.Key())
			if err != nil {
				t.Fatal(err)
			}
			server.ResetStats()
			if err := s.Refresh(t.Context()); err != nil {
				t.Error(err)
			}
			if n := server.Stats().Grants["refresh_token"]; n != requests {
				t.Errorf("%d token requests, want %d", n, requests)
			}
		})
	}
	t.Run("O92 a proof that is refused without news of the time is not made again for a procedure", func(t *testing.T) {
		server := sandbox(t)
		kept := new(store.Memory)
		before := login(t, server, newClient(t, server, withStore(kept)))
		s, err := newClient(t, server, withStore(kept), withClock(20*time.Minute)).Resume(t.Context(), before.Key())
		if err != nil {
			t.Fatal(err)
		}
		server.ResetStats()
		_, err = comatproto.NewClient(s).Repo.UploadBlob(t.Context(), xrpc.BytesBody([]byte("x"), "text/plain"))
		if err == nil {
			t.Error("the sandbox takes proofs of any time")
		}
		if n := server.Stats().Requests["/xrpc/com.atproto.repo.uploadBlob"]; n != 1 {
			t.Errorf("sent %d times", n)
		}
	})
}
