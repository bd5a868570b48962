package apppassword_test

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/apppassword"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc"
)

func TestRawRequests(t *testing.T) {
	server := sandbox(t)
	s := login(t, newClient(t, server))
	status := func(t *testing.T, resp *http.Response, err error, want int) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != want {
			t.Errorf("HTTP %d, %s, %v", resp.StatusCode, body, err)
		}
		return string(body)
	}
	const uploadPath = "/xrpc/com.atproto.repo.uploadBlob"

	t.Run("a call by its path", func(t *testing.T) {
		resp, err := s.AuthenticatedRequest(t.Context(), http.MethodGet, callPath, nil, xrpc.WithHeader("Accept-Language", "de"))
		if body := status(t, resp, err, 200); !strings.Contains(body, string(s.DID())) {
			t.Errorf("got %s", body)
		}
	})
	t.Run("a body of JSON, and of a generated type", func(t *testing.T) {
		for _, body := range []any{
			map[string]any{"repo": s.DID(), "collection": "com.example.note", "record": map[string]any{"$type": "com.example.note", "n": 1}},
			&comatproto.RepoDeleteRecordInput{Repo: "alice.test", Collection: "com.example.note", RKey: "none"},
		} {
			path := "/xrpc/com.atproto.repo.createRecord"
			if _, ok := body.(map[string]any); !ok {
				path = "/xrpc/com.atproto.repo.deleteRecord"
			}
			resp, err := s.AuthenticatedRequest(t.Context(), http.MethodPost, path, body)
			status(t, resp, err, 200)
		}
		if _, err := s.AuthenticatedRequest(t.Context(), http.MethodPost, callPath, make(chan int)); err == nil || !strings.Contains(err.Error(), "encoding the body") {
			t.Errorf("a channel: %v", err)
		}
	})
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString("some text"); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Seek(5, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]io.Reader{
		"a reader of bytes": bytes.NewReader([]byte("text")), "a buffer": bytes.NewBufferString("text"), "a reader of text": strings.NewReader("text"), "a file, from where it stands": file,
	} {
		t.Run("P15 "+name+" is sent again when the token has run out", func(t *testing.T) {
			server.Fault(uploadPath, refusing(400, "ExpiredToken"))
			resp, err := s.AuthenticatedRawRequest(t.Context(), http.MethodPost, uploadPath, body, "text/plain")
			if got := status(t, resp, err, 200); !strings.Contains(got, `"size":4`) {
				t.Errorf("got %s", got)
			}
		})
	}
	t.Run("P15 any other is sent once", func(t *testing.T) {
		server.Fault(uploadPath, refusing(400, "ExpiredToken"))
		_, err := s.AuthenticatedRawRequest(t.Context(), http.MethodPost, uploadPath, io.MultiReader(strings.NewReader("text")), "text/plain")
		wantKind(t, err, apppassword.ErrBodyNotReplayable)
	})
	t.Run("an http.Client goes with the session", func(t *testing.T) {
		resp, err := s.HTTPClient().Get(s.Host() + callPath)
		status(t, resp, err, 200)
		resp, err = s.HTTPClient().Post(s.Host()+uploadPath, "text/plain", strings.NewReader("text"))
		if got := status(t, resp, err, 200); !strings.Contains(got, `"size":4`) {
			t.Errorf("got %s", got)
		}
		_, err = s.HTTPClient().Get("https://elsewhere.example.com/")
		wantKind(t, err, apppassword.ErrOrigin)
	})
}

func TestTokensGoToTheirServerOnly(t *testing.T) {
	server := sandbox(t)
	sent := 0
	s := login(t, newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
		if req.URL.Path != createPath && req.URL.Path != describePath {
			sent++
		}
		return next()
	})))
	home, err := url.Parse(s.Host())
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{
		"https://elsewhere.example.com" + callPath, "//elsewhere.example.com" + callPath, "http://" + home.Host + callPath, "https://" + home.Host + ":1" + callPath,
		"https://user:pw@" + home.Host + callPath, s.Host() + "@elsewhere.example.com" + callPath, "https:elsewhere.example.com", "xrpc/x", "", "?x", "\x00", "https://169.254.169.254/",
	} {
		t.Run("P79 O102 "+target, func(t *testing.T) {
			before := sent
			_, err := s.AuthenticatedRequest(t.Context(), http.MethodGet, target, nil)
			wantKind(t, err, apppassword.ErrOrigin)
			if sent != before {
				t.Error("it was sent")
			}
		})
	}
}

func TestStats(t *testing.T) {
	server, kept := sandbox(t), new(store.Memory)
	client := newClient(t, server, withStore(kept))
	s := login(t, client)
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(apppassword.Stats{Live: 1, Refreshes: 1}, client.Stats()); diff != "" {
		t.Errorf("after a refresh (-want +got):\n%s", diff)
	}
	if err := s.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(apppassword.Stats{Refreshes: 1}, client.Stats()); diff != "" {
		t.Errorf("after the logout (-want +got):\n%s", diff)
	}
}
