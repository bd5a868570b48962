package xrpc

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBodies(t *testing.T) {
	file := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(file, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, tt := range []struct {
		name       string
		body       *Body
		size       int64
		replayable bool
	}{
		{"bytes", BytesBody([]byte("data"), "a/b"), 4, true},
		{"file", ReaderAtBody(f, 4, "a/b"), 4, true},
		{"opener", OpenerBody(func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("data")), nil }, 4, "a/b"), 4, true},
		{"P15 stream", StreamBody(strings.NewReader("data"), -1, "a/b"), -1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.body.Size() != tt.size || tt.body.Replayable() != tt.replayable || tt.body.ContentType() != "a/b" {
				t.Errorf("size %d, replayable %t, type %q", tt.body.Size(), tt.body.Replayable(), tt.body.ContentType())
			}
			for attempt := range 2 {
				r, err := tt.body.open(t.Context())
				if attempt == 1 && !tt.replayable {
					if !errors.Is(err, ErrBodyNotReplayable) {
						t.Errorf("P15 opened twice: %v", err)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				data, err := io.ReadAll(r)
				if err != nil || string(data) != "data" {
					t.Errorf("attempt %d read %q, %v", attempt, data, err)
				}
				r.Close()
				r.Close()
			}
		})
	}
}

func TestBodyWaitsForTheAttemptBefore(t *testing.T) {
	t.Run("P51 P15 until it has closed what it read", func(t *testing.T) {
		body := BytesBody([]byte("data"), "a/b")
		first, err := body.open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := body.open(ctx); !errors.Is(err, context.Canceled) {
			t.Fatalf("opened while the first attempt was reading: %v", err)
		}
		first.Close()
		if _, err := body.open(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A server that answers while the body is still being sent leaves net/http reading it.
// Sending the body again must not give the server anything but all of it.
func TestResentBodyIsComplete(t *testing.T) { // P51
	want := make([]byte, 2<<20)
	rand.Read(want)
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run("P51 P15 over "+protocol, func(t *testing.T) {
			requests := 0
			var got []byte
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Proto != protocol {
					t.Errorf("spoken to by %s", r.Proto)
				}
				if requests++; requests%2 == 1 {
					io.CopyN(io.Discard, r.Body, 1000)
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				var err error
				if got, err = io.ReadAll(r.Body); err != nil {
					t.Error(err)
				}
			}))
			server.EnableHTTP2 = protocol == "HTTP/2.0"
			server.StartTLS()
			defer server.Close()
			target, err := url.Parse(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			for name, body := range map[string]*Body{
				"bytes":     BytesBody(want, "a/b"),
				"reader at": ReaderAtBody(bytes.NewReader(want), int64(len(want)), "a/b"),
			} {
				for attempt := range 2 {
					req, err := NewHTTPRequest(t.Context(), "POST", target, nil, body)
					if err != nil {
						t.Fatal(err)
					}
					resp, err := SendHTTP(server.Client().Transport, req, "")
					if err != nil {
						if attempt == 0 { // HTTP/1.1 may notice the early end first
							continue
						}
						t.Fatal(err)
					}
					io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				if !bytes.Equal(got, want) {
					t.Errorf("%s: the server got %d bytes of %d", name, len(got), len(want))
				}
			}
		})
	}
}

func TestSendErrorSaysWhetherTheRequestLeft(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	unused := listener.Addr().String()
	listener.Close()
	cutOff := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer cutOff.Close()
	for _, tt := range []struct {
		name, target string
		rt           http.RoundTripper
		want         Sent
	}{
		{"nobody listens", "http://" + unused, new(http.Transport), SentNo},
		{"the connection is cut off", cutOff.URL, new(http.Transport), SentMaybe},
		{"a transport of one's own that could not dial", "http://x", roundTripFunc(func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Err: errors.New("no")}
		}), SentNo},
		{"a transport of one's own that says nothing", "http://x", roundTripFunc(func(*http.Request) (*http.Response, error) {
			return nil, errors.New("no")
		}), SentMaybe},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), "GET", tt.target, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = SendHTTP(tt.rt, req, "com.example.get")
			e, ok := errors.AsType[*SendError](err)
			if !ok || e.Sent != tt.want || e.NSID != "com.example.get" {
				t.Errorf("got %v", err)
			}
		})
	}
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestClient(t *testing.T) {
	t.Run("X36 another scheme than https, and what is no origin, is refused", func(t *testing.T) {
		for _, host := range []string{"", "pds.example.com", "http://pds.example.com", "https://", "https://u:p@pds.example.com", "ftp://pds.example.com", "http://127.0.0.1:1"} {
			if _, err := NewClient(host, ClientConfig{}); err == nil {
				t.Errorf("host %q was accepted", host)
			}
		}
	})
	t.Run("X1 X45 the method is at the root of the host, by a transport of one's own", func(t *testing.T) {
		var got *http.Request
		client, err := NewClient("https://pds.example.com/some/path?x=1", ClientConfig{UnguardedTransport: roundTripFunc(func(req *http.Request) (*http.Response, error) {
			got = req
			return answer(200, "application/json", `{}`), nil
		})})
		if err != nil {
			t.Fatal(err)
		}
		input := mustRaw(t, `{}`)
		if _, err := Call[value](t.Context(), NewCaller(client), procedure, &params{}, JSON(&input), nil); err != nil {
			t.Fatal(err)
		}
		if want := "https://pds.example.com/xrpc/com.example.put?limit=50&tags=a+b&tags=%C3%BC%26%23&reverse=false"; got.URL.String() != want {
			t.Errorf("sent to %s, want %s", got.URL, want)
		}
		if got.Header.Get("Content-Type") != "application/json" || got.ContentLength != 2 || got.GetBody == nil {
			t.Errorf("type %q, length %d, net/http may send it again: %t", got.Header.Get("Content-Type"), got.ContentLength, got.GetBody != nil)
		}
	})
}

func mustURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
