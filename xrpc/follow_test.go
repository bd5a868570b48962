package xrpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/internal/safehttp"
)

var blob = Method{NSID: "com.atproto.sync.getBlob", Kind: KindQuery, Output: "*/*"}

// redirected serves a PDS that redirects its blobs to place, by the status, and returns a Client of it.
func redirected(t *testing.T, status int, place string) *Client {
	t.Helper()
	pds := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", place)
		w.Header().Set("RateLimit-Limit", "3000")
		w.WriteHeader(status)
	}))
	t.Cleanup(pds.Close)
	client, err := NewClient(pds.URL, ClientConfig{PrivateHosts: []string{mustURL(t, pds.URL).Host, mustURL(t, place).Host}})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestDownloadsAreFollowed(t *testing.T) {
	var got http.Header
	hops := 0
	cdn := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n := r.URL.Query().Get("hops"); n != "" && n != "0" {
			hops++
			http.Redirect(w, r, fmt.Sprintf("?hops=%d#part", int(n[0]-'1')), http.StatusFound)
			return
		}
		got = r.Header
		w.Header().Set("RateLimit-Limit", "7")
		w.Header().Set("Set-Cookie", "tracked=1")
		io.WriteString(w, "content of "+r.Method+" "+r.URL.Path)
	}))
	defer cdn.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run(fmt.Sprintf("P82 X20 by %d", status), func(t *testing.T) {
			var info ResponseInfo
			client := redirected(t, status, cdn.URL+"/blob")
			doer := Bearer(Basic(client, "me", "secret"), "token") // what is around a Doer hands Follow on
			d, err := Open(t.Context(), NewCaller(doer, WithProxy(BlueskyAppView), WithLabelers(), WithHeader("X-Mine", "1"), WithHeader("Cookie", "a=1"), WithHeader("Referer", "x")),
				blob, &params{}, Input{}, []Option{WithProxy(BlueskyChat), WithHeader("Range", "bytes=0-99"), WithUserAgent("mine/1"), WithResponse(&info)})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			content, err := io.ReadAll(d)
			if err != nil || string(content) != "content of GET /blob" {
				t.Errorf("got %q, %v", content, err)
			}
			want := http.Header{"Accept": {"*/*"}, "Range": {"bytes=0-99"}, "User-Agent": {"mine/1"}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("header at the other place (-want +got):\n%s", diff)
			}
			if d.RateLimit != (RateLimit{}) || info.RateLimit != (RateLimit{}) || info.Status != 200 {
				t.Errorf("another server's limits were taken for ours: %+v, %+v", d.RateLimit, info.RateLimit)
			}
		})
	}
	for n, want := range map[int]int{4: 200, 5: 302} { // and the one of the PDS
		t.Run(fmt.Sprintf("P82 X20 %d redirects in a row end as %d", n+1, want), func(t *testing.T) {
			hops = 0
			d, err := Open(t.Context(), NewCaller(redirected(t, 302, fmt.Sprintf("%s/blob?hops=%d", cdn.URL, n))), blob, nil, Input{}, nil)
			if want == 200 {
				if err != nil {
					t.Fatal(err)
				}
				d.Close()
			} else if e, ok := errors.AsType[*Error](err); !ok || e.Status != want || !strings.Contains(err.Error(), `"/?hops=0#part"`) {
				t.Errorf("got %v", err)
			}
			if hops != n {
				t.Errorf("%d redirects of the other server", hops)
			}
		})
	}
	t.Run("P82 an error of the other place is an error", func(t *testing.T) {
		gone := httptest.NewServer(http.NotFoundHandler())
		defer gone.Close()
		_, err := Open(t.Context(), NewCaller(redirected(t, 302, gone.URL)), blob, nil, Input{}, nil)
		if e, ok := errors.AsType[*Error](err); !ok || e.Status != 404 || e.NSID != blob.NSID {
			t.Errorf("got %v", err)
		}
	})
}

func TestRedirectsThatAreNotFollowed(t *testing.T) {
	visited := false
	victim := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visited = true }))
	defer victim.Close()
	open := func(c *Caller, m Method) error {
		_, err := Open(t.Context(), c, m, nil, Input{}, nil)
		return err
	}
	typed := func(c *Caller, m Method) error {
		_, err := Call[value](t.Context(), c, m, nil, Input{}, nil)
		return err
	}
	namesPlace := func(t *testing.T, err error) {
		if e, ok := errors.AsType[*Error](err); !ok || e.Status/100 != 3 || !strings.Contains(err.Error(), "the server points to") || !strings.Contains(err.Error(), e.Header.Get("Location")) {
			t.Errorf("got %v", err)
		}
	}
	wasBlocked := func(t *testing.T, err error) {
		if e, ok := errors.AsType[*SendError](err); !ok || e.Sent != SentNo || !errors.Is(err, safehttp.ErrBlocked) || !strings.Contains(err.Error(), "redirected to") {
			t.Errorf("got %v", err)
		}
	}
	for _, tt := range []struct {
		name   string
		status int
		place  string
		method Method
		call   func(*Caller, Method) error
		check  func(*testing.T, error)
	}{
		{"a typed answer", 302, victim.URL, query, typed, namesPlace},
		{"a procedure", 307, victim.URL, procedure, typed, namesPlace},
		{"a procedure whose output is a stream", 307, victim.URL, Method{NSID: "com.example.export", Kind: KindProcedure, Output: "*/*"}, open, namesPlace},
		{"a choice", 300, victim.URL, blob, open, namesPlace},
		{"a proxy to use", 305, victim.URL, blob, open, namesPlace},
		{"no change", 304, victim.URL, blob, open, namesPlace},
		{"a private address", 302, "https://10.0.0.1/blob", blob, open, wasBlocked},
		{"a name of this machine", 302, "https://localhost:1/blob", blob, open, wasBlocked},
		{"another scheme", 302, "http://example.com/blob", blob, open, wasBlocked},
		{"a file", 302, "file://host/etc/passwd", blob, open, wasBlocked},
		{"a URL with a password", 302, "https://me:secret@example.com/blob", blob, open, wasBlocked},
	} {
		t.Run("P82 "+tt.name, func(t *testing.T) {
			visited = false
			pds := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", tt.place)
				w.WriteHeader(tt.status)
			}))
			defer pds.Close()
			client, err := NewClient(pds.URL, ClientConfig{PrivateHosts: []string{mustURL(t, pds.URL).Host}})
			if err != nil {
				t.Fatal(err)
			}
			tt.check(t, tt.call(NewCaller(client), tt.method))
			if visited {
				t.Error("the other place was asked")
			}
		})
	}
	for name, doer := range map[string]func(*Client) Doer{
		"a Doer that cannot":             func(c *Client) Doer { return doerFunc(c.Do) },
		"credentials for one that can't": func(c *Client) Doer { return Bearer(doerFunc(c.Do), "token") },
	} {
		t.Run("P82 "+name, func(t *testing.T) {
			visited = false
			namesPlace(t, open(NewCaller(doer(redirected(t, 302, victim.URL))), blob))
			if visited {
				t.Error("the other place was asked")
			}
		})
	}
	for _, location := range []string{"", "::", "//", "mailto:me@example.com"} {
		t.Run("P82 a place that is none, "+location, func(t *testing.T) {
			c := NewCaller(placed{answer(302, "", "", "Location", location)})
			if e, ok := errors.AsType[*Error](open(c, blob)); !ok || e.Status != 302 {
				t.Errorf("got %v", e)
			}
		})
	}
}

// placed is a Doer that always answers the same, and must not be asked to follow.
type placed struct{ resp *http.Response }

func (p placed) Do(context.Context, *Request) (*http.Response, error) { return p.resp, nil }

func (p placed) Follow(context.Context, *url.URL, http.Header) (*http.Response, error) {
	return nil, errors.New("followed")
}
