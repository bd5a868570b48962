package oauth_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/xrpc"
)

// upload uploads a body and returns how many bytes the server says it got.
func upload(t *testing.T, s *oauth.Session, body *xrpc.Body) (int64, error) {
	t.Helper()
	out, err := comatproto.NewClient(s).Repo.UploadBlob(t.Context(), body)
	if err != nil {
		return 0, err
	}
	return out.Blob.Size, nil
}

func TestUploadsArriveWholeOrFail(t *testing.T) { // P15
	data := make([]byte, 1<<20)
	rand.Read(data)
	file := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	bodies := map[string]func() *xrpc.Body{
		"bytes":                  func() *xrpc.Body { return xrpc.BytesBody(data, "image/png") },
		"file":                   func() *xrpc.Body { return xrpc.ReaderAtBody(f, int64(len(data)), "image/png") },
		"stream":                 func() *xrpc.Body { return xrpc.StreamBody(bytes.NewReader(data), int64(len(data)), "image/png") },
		"stream of unknown size": func() *xrpc.Body { return xrpc.StreamBody(bytes.NewReader(data), -1, "image/png") },
	}
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2"} {
		for _, nonces := range []string{"cold", "warm", "stale", "new every time"} {
			for name, body := range bodies {
				t.Run(protocol+"/"+nonces+"/"+name, func(t *testing.T) {
					server := sandbox(t)
					s := login(t, server, newClient(t, server, func(cfg *oauth.Config) {
						if protocol == "HTTP/1.1" {
							transport := cfg.RoundTripper.(*http.Transport)
							transport.ForceAttemptHTTP2 = false
							transport.TLSClientConfig.NextProtos = []string{"http/1.1"}
						}
					}))
					if nonces != "cold" {
						if err := call(t.Context(), s); err != nil {
							t.Fatal(err)
						}
					}
					switch nonces {
					case "stale":
						server.RotateNonce()
					case "new every time":
						server.RotateNonceAlways(true)
					}
					n, err := upload(t, s, body())
					oneWay := strings.HasPrefix(name, "stream")
					switch {
					case err == nil && n == int64(len(data)):
					case oneWay && nonces == "stale" && errors.Is(err, oauth.ErrBodyNotReplayable):
						// The nonce was fresh as far as the session could know.
					default:
						t.Errorf("the server got %d bytes of %d: %v", n, len(data), err)
					}
				})
			}
		}
	}
}

func TestStreamMeetsAnExpiredToken(t *testing.T) { // P15
	server := sandbox(t)
	server.SetTokenLifetime(0)
	s := login(t, server, newClient(t, server))
	server.SetTokenLifetime(1 << 40)
	if n, err := upload(t, s, xrpc.StreamBody(strings.NewReader("some bytes"), -1, "text/plain")); err != nil || n != 10 {
		t.Errorf("got %d bytes, %v", n, err)
	}
}

func TestOneWayBodyIsNeverSentTwice(t *testing.T) { // P15, P16
	server := sandbox(t)
	sent := 0
	s := login(t, server, newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
		if req.URL.Path != "/xrpc/com.atproto.repo.uploadBlob" {
			return next()
		}
		sent++
		return respond(req, 401, `{}`, "WWW-Authenticate", `DPoP error="use_dpop_nonce"`, "DPoP-Nonce", "another"), nil
	})))
	_, err := upload(t, s, xrpc.StreamBody(strings.NewReader("x"), 1, "text/plain"))
	wantKind(t, err, oauth.ErrBodyNotReplayable)
	if sent != 1 {
		t.Errorf("sent %d times", sent)
	}
}

func TestNoncesCostOneRequestMoreAtMost(t *testing.T) { // P17, O97
	for _, tt := range []struct {
		name   string
		rotate bool
		resume bool
	}{
		{"a nonce that stays", false, false},
		{"a nonce that stays, from the store", false, true},
		{"a nonce that changes with every answer", true, false},
		{"a nonce that changes with every answer, from the store", true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := sandbox(t)
			store := new(oauth.MemoryStore)
			s := login(t, server, newClient(t, server, withStore(store)))
			server.RotateNonceAlways(tt.rotate)
			if tt.resume {
				var err error
				if s, err = newClient(t, server, withStore(store)).Resume(t.Context(), s.Key()); err != nil {
					t.Fatal(err)
				}
			}
			server.ResetStats()
			const calls = 10
			for range calls {
				if err := call(t.Context(), s); err != nil {
					t.Fatal(err)
				}
			}
			if n := server.Stats().Requests[callPath]; n > calls+1 {
				t.Errorf("%d requests for %d calls", n, calls)
			}
		})
	}
}

func TestServerThatChallengesForEver(t *testing.T) { // P19, O98
	server := sandbox(t)
	requests := 0
	s := login(t, server, newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
		if req.URL.Path != callPath {
			return next()
		}
		requests++
		return respond(req, 401, `{"error":"use_dpop_nonce"}`, "WWW-Authenticate", `DPoP error="use_dpop_nonce"`, "DPoP-Nonce", "again"), nil
	})))
	err := call(t.Context(), s)
	if e, ok := errors.AsType[*xrpc.Error](err); !ok || e.Name != "use_dpop_nonce" {
		t.Errorf("got %v", err)
	}
	if requests != 2 {
		t.Errorf("%d requests, want 2", requests)
	}
}

func TestEveryAttemptHasAProofOfItsOwn(t *testing.T) { // P18, O89
	server := sandbox(t)
	var mu sync.Mutex
	seen := make(map[string]bool)
	client := newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
		if proof := req.Header.Get("DPoP"); proof != "" {
			mu.Lock()
			if seen[proof] {
				t.Errorf("%s was sent with a proof that was used before", req.URL.Path)
			}
			seen[proof] = true
			mu.Unlock()
		}
		return next()
	}))
	s := login(t, server, client)
	for range 3 {
		server.RotateNonce()
		if err := call(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReplayedProofIsMadeAnew(t *testing.T) { // P50
	server := sandbox(t)
	var once atomic.Bool
	s := login(t, server, newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
		if req.URL.Path == callPath && once.CompareAndSwap(false, true) {
			// What net/http does when an idle connection dies: the same request once
			// more, after the server has seen it.
			for range 2 { // the first may be about the nonce
				resp, err := next()
				if err != nil {
					return nil, err
				}
				resp.Body.Close()
			}
		}
		return next()
	})))
	server.ResetStats()
	if err := call(t.Context(), s); err != nil {
		t.Errorf("the caller saw %v", err)
	}
	// A procedure is not sent again for it: its body has left.
	sent := 0
	s = login(t, server, newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
		if req.Method != http.MethodPost || !strings.HasPrefix(req.URL.Path, "/xrpc/") {
			return next()
		}
		sent++
		return respond(req, 401, `{"error":"invalid_dpop_proof"}`, "WWW-Authenticate", `DPoP error="invalid_dpop_proof"`), nil
	})))
	if _, err := upload(t, s, xrpc.BytesBody([]byte("x"), "text/plain")); err == nil || sent != 1 {
		t.Errorf("P16 sent %d times: %v", sent, err)
	}
}

func TestProceduresAreNotSentTwiceOnceTheyMayHaveArrived(t *testing.T) { // P16
	server := sandbox(t)
	s := login(t, server, newClient(t, server))
	server.Fault("/xrpc/com.atproto.repo.uploadBlob", oauthtest.Fault{Drop: true})
	server.ResetStats()
	_, err := upload(t, s, xrpc.BytesBody([]byte("x"), "text/plain"))
	e, ok := errors.AsType[*xrpc.SendError](err)
	if !ok || e.Sent != xrpc.SentMaybe || e.NSID != "com.atproto.repo.uploadBlob" {
		t.Errorf("got %v", err)
	}
	if n := server.Stats().Requests["/xrpc/com.atproto.repo.uploadBlob"]; n > 2 { // one may be about the nonce
		t.Errorf("sent %d times", n)
	}
}

func TestCallerCannotReplaceTheCredentials(t *testing.T) { // O95
	server := sandbox(t)
	var got http.Header
	s := login(t, server, newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
		if req.URL.Path == callPath {
			got = req.Header
		}
		return next()
	})))
	resp, err := s.AuthenticatedRequest(t.Context(), "GET", callPath, nil,
		xrpc.WithHeader("Authorization", "Bearer mine"), xrpc.WithHeader("DPoP", "mine"), xrpc.WithHeader("X-Mine", "1"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 || !strings.HasPrefix(got.Get("Authorization"), "DPoP ") || len(got.Values("DPoP")) != 1 || got.Get("X-Mine") != "1" {
		t.Errorf("HTTP %d with %v", resp.StatusCode, got)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) { // O102
	server := sandbox(t)
	elsewhere := 0
	s := login(t, server, newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
		if req.URL.Host != "pds.test" && req.Header.Get("DPoP") != "" {
			elsewhere++
		}
		if req.URL.Path == callPath {
			return respond(req, 307, ``, "Location", "https://alice.test/steal"), nil
		}
		return next()
	})))
	if err := call(t.Context(), s); err == nil {
		t.Error("a redirect counted as success")
	}
	resp, err := s.HTTPClient().Get(s.Host() + callPath)
	if err != nil || resp.StatusCode != 307 {
		t.Errorf("HTTPClient: %v, %v", resp, err)
	}
	if elsewhere != 0 {
		t.Errorf("%d proofs went elsewhere", elsewhere)
	}
}

func TestHTTPClientSendsBodiesAgain(t *testing.T) {
	server := sandbox(t)
	s := login(t, server, newClient(t, server))
	if err := call(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	server.RotateNonce()
	resp, err := s.HTTPClient().Post(s.Host()+"/xrpc/com.atproto.repo.uploadBlob", "text/plain", strings.NewReader("twelve bytes"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var out struct {
		Blob struct {
			Size     int
			MimeType string
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || out.Blob.Size != 12 || out.Blob.MimeType != "text/plain" {
		t.Errorf("got %+v, %v", out, err)
	}
}

func TestRawBodiesAreSentFromWhereTheyStand(t *testing.T) {
	server := sandbox(t)
	s := login(t, server, newClient(t, server))
	file, err := os.Create(filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	file.WriteString("skipped the rest")
	file.Seek(8, io.SeekStart)
	part := strings.NewReader("skipped the rest")
	part.Seek(8, io.SeekStart)
	bytesPart := bytes.NewReader([]byte("skipped the rest"))
	bytesPart.Seek(8, io.SeekStart)
	buffer := bytes.NewBufferString("skipped the rest")
	buffer.Next(8)
	for name, body := range map[string]io.Reader{"file": file, "strings": part, "bytes": bytesPart, "buffer": buffer} {
		server.RotateNonce()
		resp, err := s.AuthenticatedRawRequest(t.Context(), "POST", "/xrpc/com.atproto.repo.uploadBlob", body, "text/plain")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var out struct{ Blob struct{ Size int } }
		json.NewDecoder(resp.Body).Decode(&out)
		resp.Body.Close()
		if out.Blob.Size != len("the rest") {
			t.Errorf("%s: %d bytes arrived", name, out.Blob.Size)
		}
	}
}

func TestUploadsWhileTokensAreRenewed(t *testing.T) { // for the race detector
	server := sandbox(t)
	s := login(t, server, newClient(t, server))
	var both sync.WaitGroup
	both.Go(func() {
		for range 10 {
			if _, err := upload(t, s, xrpc.BytesBody(make([]byte, 1<<20), "image/png")); err != nil {
				t.Error(err)
			}
		}
	})
	both.Go(func() {
		for range 10 {
			if err := s.Refresh(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	both.Wait()
}
