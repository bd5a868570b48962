package oauth_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/internal/safehttp"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
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

func TestUploadsArriveWholeOrFail(t *testing.T) {
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
				t.Run("P15 O99 over "+protocol+", nonce "+nonces+", "+name, func(t *testing.T) {
					server := sandbox(t)
					s := login(t, server, newClient(t, server, func(cfg *oauth.Config) {
						if protocol == "HTTP/1.1" {
							transport := cfg.UnguardedTransport.(*http.Transport)
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

func TestStreamMeetsAnExpiredToken(t *testing.T) {
	t.Run("P15 O99 O107 the token is renewed before the stream is opened", func(t *testing.T) {
		server := sandbox(t)
		server.SetTokenLifetime(0)
		s := login(t, server, newClient(t, server))
		server.SetTokenLifetime(1 << 40)
		if n, err := upload(t, s, xrpc.StreamBody(strings.NewReader("some bytes"), -1, "text/plain")); err != nil || n != 10 {
			t.Errorf("got %d bytes, %v", n, err)
		}
	})
}

func TestOneWayBodyIsNeverSentTwice(t *testing.T) {
	t.Run("P15 P16 O99 the caller is told that it cannot be", func(t *testing.T) {
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
	})
}

func TestServerThatChallengesForEver(t *testing.T) {
	t.Run("P19 O98 it gets two requests, and the caller its error", func(t *testing.T) {
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
	})
}

func TestReplayedProofIsMadeAnew(t *testing.T) {
	t.Run("P50 O89 a call whose proof was seen before goes out again with another", func(t *testing.T) {
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
		if err := call(t.Context(), s); err != nil {
			t.Errorf("the caller saw %v", err)
		}
	})
	refusing := func(sent *int) func(*oauth.Config) {
		return withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if !strings.HasPrefix(req.URL.Path, "/xrpc/") {
				return next()
			}
			*sent++
			return respond(req, 401, `{"error":"invalid_dpop_proof"}`, "WWW-Authenticate", `DPoP error="invalid_dpop_proof"`), nil
		})
	}
	t.Run("P50 once: then the server's word stands", func(t *testing.T) {
		server, sent := sandbox(t), 0
		s := login(t, server, newClient(t, server, refusing(&sent)))
		e, ok := errors.AsType[*xrpc.Error](call(t.Context(), s))
		if !ok || e.Name != "invalid_dpop_proof" || sent != 2 {
			t.Errorf("sent %d times: %v", sent, e)
		}
	})
	t.Run("P16 P50 a procedure is not sent again for it: its body has left", func(t *testing.T) {
		server, sent := sandbox(t), 0
		s := login(t, server, newClient(t, server, refusing(&sent)))
		if _, err := upload(t, s, xrpc.BytesBody([]byte("x"), "text/plain")); err == nil || sent != 1 {
			t.Errorf("sent %d times: %v", sent, err)
		}
	})
}

func TestStreamsWaitForANonce(t *testing.T) {
	for name, stale := range map[string]bool{"there is none yet": false, "the one there is has its age": true} {
		t.Run("P15 O99 a stream is sent once, behind a call that brings one, where "+name, func(t *testing.T) {
			clock := new(movableClock)
			server, w := sandbox(t, oauthtest.WithClock(clock.now)), new(wire)
			s := login(t, server, newClient(t, server, clock.configure, w.tap()))
			if stale {
				if err := call(t.Context(), s); err != nil {
					t.Fatal(err)
				}
				clock.setAhead(2 * time.Minute)
				server.RotateNonce()
			}
			w.sent = nil
			if n, err := upload(t, s, xrpc.StreamBody(strings.NewReader("some bytes"), 10, "text/plain")); err != nil || n != 10 {
				t.Errorf("%d bytes arrived: %v", n, err)
			}
			if calls, uploads := len(w.to(callPath)), len(w.to(uploadPath)); calls == 0 || uploads != 1 {
				t.Errorf("%d calls before, %d uploads", calls, uploads)
			}
			// With a nonce that is fresh the stream goes alone.
			w.sent = nil
			if n, err := upload(t, s, xrpc.StreamBody(strings.NewReader("some bytes"), 10, "text/plain")); err != nil || n != 10 {
				t.Errorf("%d bytes arrived: %v", n, err)
			}
			if len(w.sent) != 1 {
				t.Errorf("%d requests, want 1", len(w.sent))
			}
		})
	}
}

func TestProceduresAreNotSentTwiceOnceTheyMayHaveArrived(t *testing.T) {
	t.Run("P16 the caller is told that the answer was lost", func(t *testing.T) {
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
	})
}

func TestTokensGoToTheirServerOnly(t *testing.T) {
	// Wherever a token or a proof turns up is noted.
	confined := func(t *testing.T, server *oauthtest.Server, status int, location string) (s *oauth.Session, strays func() []string) {
		var hosts []string
		s = login(t, server, newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if req.URL.Host != "pds.test" && (req.Header.Get("DPoP") != "" || req.Header.Get("Authorization") != "") {
				hosts = append(hosts, req.URL.Host)
			}
			if status != 0 && req.URL.Path == callPath {
				return respond(req, status, ``, "Location", location), nil
			}
			return next()
		})))
		return s, func() []string { return hosts }
	}
	for _, location := range []string{"https://alice.test/steal", "http://pds.test" + callPath, "/xrpc/com.example.elsewhere"} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			t.Run(fmt.Sprintf("O102 a redirect is handed over, HTTP %d to %s", status, location), func(t *testing.T) {
				server := sandbox(t)
				s, strays := confined(t, server, status, location)
				if err := call(t.Context(), s); err == nil {
					t.Error("a redirect counted as success")
				}
				server.ResetStats()
				resp, err := s.HTTPClient().Get(s.Host() + callPath)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if resp.StatusCode != status || len(strays()) != 0 || len(server.Stats().Requests) != 0 {
					t.Errorf("HTTP %d, credentials went to %v, requests %v", resp.StatusCode, strays(), server.Stats().Requests)
				}
			})
		}
	}
	server := sandbox(t, oauthtest.WithPDS("pds.test", "two.test"))
	s, strays := confined(t, server, 0, "")
	for _, target := range []string{
		"https://two.test" + callPath, "http://pds.test" + callPath, "https://pds.test:8443" + callPath, "https://pds.test.evil.test" + callPath,
		"//two.test" + callPath, "https://user@pds.test" + callPath, "https://user:secret@pds.test" + callPath, "https:" + callPath, "mailto:alice@two.test", "xrpc/a.b.c", "",
	} {
		t.Run("O102 nothing is sent to "+target, func(t *testing.T) {
			server.ResetStats()
			_, err := s.AuthenticatedRequest(t.Context(), "GET", target, nil)
			wantKind(t, err, oauth.ErrOrigin)
			if u, parsed := url.Parse(target); parsed == nil && u.Host != "" && u.User == nil {
				_, err = s.HTTPClient().Get(u.Scheme + "://" + u.Host + u.Path)
				if u.Scheme != "" && !errors.Is(err, oauth.ErrOrigin) {
					t.Errorf("HTTPClient: %v", err)
				}
			}
			if n := len(server.Stats().Requests); n != 0 || len(strays()) != 0 {
				t.Errorf("%d requests, strays %v", n, strays())
			}
		})
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
			_, err := upload(t, s, xrpc.BytesBody(make([]byte, 1<<20), "image/png"))
			// A call is sent again once for a token that was renewed under it; here it may
			// happen to it twice.
			if err != nil && !errors.Is(err, xrpc.ErrorName("invalid_token")) {
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

// Names may lead elsewhere than at login, and stores may be written by others: every request
// of a session is checked for itself.
func TestServersOnPrivateAddressesOfASession(t *testing.T) {
	for field, use := range map[string]func(s *oauth.Session) error{
		"pds":                 func(s *oauth.Session) error { return call(t.Context(), s) },
		"token_endpoint":      func(s *oauth.Session) error { return s.Refresh(t.Context()) },
		"revocation_endpoint": func(s *oauth.Session) error { return s.Logout(t.Context()) },
	} {
		for _, private := range []string{"https://10.0.0.1", "https://169.254.169.254", "https://[::1]", "https://127.0.0.1"} {
			t.Run("O44 O102 P24 nothing is sent to a "+field+" of "+private, func(t *testing.T) {
				server, kept, w := sandbox(t), new(store.Memory), new(wire)
				key := login(t, server, newClient(t, server, sealing(kept, seal.Plaintext()))).Key()
				r, err := kept.Get(t.Context(), store.RecordKey{Kind: store.RecordSession, DID: key.DID, ID: key.ID})
				if err != nil {
					t.Fatal(err)
				}
				before := r.Data
				r.Data = bytes.Replace(r.Data, []byte(`"`+field+`":"https://pds.test`), []byte(`"`+field+`":"`+private), 1)
				if r.Revision++; bytes.Equal(r.Data, before) {
					t.Fatalf("the record has no %s", field)
				}
				if err := kept.Put(t.Context(), r); err != nil {
					t.Fatal(err)
				}
				client := newClient(t, server, sealing(kept, seal.Plaintext()), w.tap(), func(cfg *oauth.Config) { cfg.AllowLoopback = false })
				s, err := client.Resume(t.Context(), key)
				if err != nil {
					t.Fatal(err)
				}
				if err := use(s); !errors.Is(err, safehttp.ErrBlocked) {
					t.Errorf("got %v", err)
				}
				for _, sent := range w.sent {
					if !strings.HasSuffix(sent.host, ".test") && sent.host != "plc.directory" {
						t.Errorf("sent to %s", sent.host)
					}
				}
			})
		}
	}
}

// Many calls that are refused at once would otherwise hold all connections to the server.
func TestAnAnswerIsLetGoBeforeTheRefresh(t *testing.T) {
	t.Run("O114 P1 its connection is free for the refresh", func(t *testing.T) {
		server := sandbox(t)
		var refused, open atomic.Int32
		s := login(t, server, newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if isRefresh(req) && open.Load() != 0 {
				t.Error("the refused answer is still open")
			}
			if req.URL.Path != callPath || refused.Add(1) > 1 {
				return next()
			}
			resp := respond(req, 401, `{"error":"invalid_token"}`, "WWW-Authenticate", `DPoP error="invalid_token"`)
			open.Add(1)
			resp.Body = struct {
				io.Reader
				io.Closer
			}{resp.Body, closer(func() { open.Add(-1) })}
			return resp, nil
		})))
		if err := call(t.Context(), s); err != nil || refused.Load() != 2 {
			t.Errorf("%v after %d sendings", err, refused.Load())
		}
	})
}

type closer func()

func (c closer) Close() error { c(); return nil }

func TestNothingIsDoneForACallThatIsOver(t *testing.T) {
	t.Run("P121 a context that is over starts no refresh, and is not sent", func(t *testing.T) {
		clock := new(movableClock)
		server := sandbox(t, oauthtest.WithClock(clock.now))
		s := login(t, server, newClient(t, server, clock.configure))
		clock.setAhead(2 * time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		before := server.Stats()
		for name, do := range map[string]func() error{
			"a call":        func() error { return call(ctx, s) },
			"a raw request": func() error { _, err := s.AuthenticatedRequest(ctx, "GET", callPath, nil); return err },
			"one by a client": func() error {
				req, err := http.NewRequestWithContext(ctx, "GET", s.Host()+callPath, nil)
				if err != nil {
					t.Fatal(err)
				}
				_, err = s.HTTPClient().Do(req)
				return err
			},
		} {
			err := do()
			if e, ok := errors.AsType[*xrpc.SendError](err); !ok || e.Sent != xrpc.SentNo || !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", name, err)
			}
		}
		oauth.WaitForRefresh(t.Context(), s)
		if after := server.Stats(); after.Grants["refresh_token"] != before.Grants["refresh_token"] || after.Requests[callPath] != before.Requests[callPath] {
			t.Errorf("before %v, after %v", before, after)
		}
	})
}
