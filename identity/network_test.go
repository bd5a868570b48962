package identity_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/xrpc/syntax"
	"github.com/google/go-cmp/cmp"
)

const bob = syntax.DID("did:plc:bobbbbbbbbbbbbbbbbbbbbbb")

// A web answers requests by URL. A URL that is not in it belongs to a host that
// does not exist. It counts the requests.
type web struct {
	pages map[string]page
	hang  map[string]bool // URLs that are never answered

	mu   sync.Mutex
	seen []string
}

type page struct {
	status   int // 0: 200
	kind     string
	body     string
	location string
	err      error
}

func (w *web) RoundTrip(req *http.Request) (*http.Response, error) {
	url := req.URL.String()
	w.mu.Lock()
	w.seen = append(w.seen, url)
	w.mu.Unlock()
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	if w.hang[url] {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	p, ok := w.pages[url]
	switch {
	case !ok:
		return nil, &net.DNSError{Err: "no such host", Name: req.URL.Hostname(), IsNotFound: true}
	case p.err != nil:
		return nil, p.err
	}
	r := httptest.NewRecorder()
	if p.location != "" {
		r.Header().Set("Location", p.location)
	}
	if p.kind != "" {
		r.Header().Set("Content-Type", p.kind)
	}
	r.WriteHeader(max(p.status, 200))
	io.WriteString(r, p.body)
	return r.Result(), nil
}

// A zone is a DNS zone of TXT records; a name with no entry does not exist.
type zone map[string][]string

func (z zone) lookup(ctx context.Context, name string) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if records, ok := z[name]; ok {
		return records, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func deadDNS(context.Context, string) ([]string, error) {
	return nil, &net.DNSError{Err: "server misbehaving", IsTemporary: true}
}

const wellKnown = "https://alice.test/.well-known/atproto-did"

func TestResolveHandle(t *testing.T) {
	var (
		dnsAlice = zone{"_atproto.alice.test": {"v=spf1", "did=" + string(alice)}}
		webAlice = map[string]page{wellKnown: {body: string(alice)}}
		webBob   = map[string]page{wellKnown: {body: string(bob)}}
		refused  = errors.New("connection refused")
	)
	tests := []struct {
		name  string
		dns   zone
		pages map[string]page
		want  syntax.DID
		err   error
	}{
		{"O27 DNS alone", dnsAlice, nil, alice, nil},
		{"O27 the same DID twice", zone{"_atproto.alice.test": {"did=" + string(alice), "did=" + string(alice)}}, nil, alice, nil},
		{"O27 other records and broken ones are ignored", zone{"_atproto.alice.test": {"did=", "did=x", "DID=" + string(bob), " did=" + string(bob), "did=" + string(bob) + " ", "did=" + string(alice)}}, nil, alice, nil},
		{"O27 several DIDs", zone{"_atproto.alice.test": {"did=" + string(alice), "did=" + string(bob)}}, webAlice, "", identity.ErrAmbiguous},
		{"O27 records without a DID", zone{"_atproto.alice.test": {"v=spf1"}}, nil, "", identity.ErrNotFound},
		{"O28 HTTPS alone", nil, webAlice, alice, nil},
		{"O28 white space around", nil, map[string]page{wellKnown: {body: "\n " + string(alice) + " \r\n"}}, alice, nil},
		{"O28 any content type", nil, map[string]page{wellKnown: {kind: "application/octet-stream", body: string(alice)}}, alice, nil},
		{"O28 any success", nil, map[string]page{wellKnown: {status: 203, body: string(alice)}}, alice, nil},
		{"O28 P29 a redirect", nil, map[string]page{wellKnown: {status: 301, location: "https://www.alice.test/did"}, "https://www.alice.test/did": {body: string(alice)}}, alice, nil},
		{"O28 a redirect loop", nil, map[string]page{wellKnown: {status: 302, location: wellKnown}}, "", identity.ErrNotFound},
		{"P24 a redirect to a private address", nil, map[string]page{wellKnown: {status: 302, location: "https://169.254.169.254/did"}}, "", identity.ErrBlocked},
		{"P24 a redirect to http", nil, map[string]page{wellKnown: {status: 302, location: "http://www.alice.test/did"}}, "", identity.ErrBlocked},
		{"O28 a redirect to a port", nil, map[string]page{wellKnown: {status: 302, location: "https://www.alice.test:8443/did"}}, "", identity.ErrBlocked},
		{"O28 404", nil, map[string]page{wellKnown: {status: 404}}, "", identity.ErrNotFound},
		{"O28 an HTML page", nil, map[string]page{wellKnown: {kind: "text/html", body: "<html>"}}, "", identity.ErrNotFound},
		{"O28 a large HTML page", nil, map[string]page{wellKnown: {kind: "text/html", body: strings.Repeat("<p>", 100_000)}}, "", identity.ErrNotFound},
		{"O28 two lines", nil, map[string]page{wellKnown: {body: string(alice) + "\n" + string(bob)}}, "", identity.ErrNotFound},
		{"O29 DNS first on conflict", dnsAlice, webBob, alice, nil},
		{"O29 nobody knows the handle", nil, nil, "", identity.ErrNotFound},
		{"no web server does not mean no handle", nil, map[string]page{wellKnown: {err: refused}}, "", identity.ErrUnreachable},
		{"a server error does not mean no handle", nil, map[string]page{wellKnown: {status: 502}}, "", identity.ErrUnreachable},
		{"P63 a redirect to a host that is not in DNS does not mean no handle", nil, map[string]page{wellKnown: {status: 301, location: "https://www.alice.test/did"}}, "", identity.ErrUnreachable},
		{"P63 DNS counts where the web server turns us away", dnsAlice, map[string]page{wellKnown: {status: 403}}, alice, nil},
		{"O28 P63 410", nil, map[string]page{wellKnown: {status: 410}}, "", identity.ErrNotFound},
	}
	for _, status := range []int{400, 401, 402, 403, 405, 406, 407, 408, 418, 421, 425, 429, 451, 499, 500, 502, 503, 520, 530} {
		tests = append(tests, struct {
			name  string
			dns   zone
			pages map[string]page
			want  syntax.DID
			err   error
		}{fmt.Sprintf("P63 status %d does not mean no handle", status), nil, map[string]page{wellKnown: {status: status}}, "", identity.ErrUnreachable})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := identity.NewResolver(identity.Config{UnguardedTransport: &web{pages: tt.pages}, LookupTXT: tt.dns.lookup})
			got, err := r.ResolveHandle(t.Context(), "Alice.TEST")
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("got %q, %v", got, err)
			}
			if tt.err != nil {
				checkKind(t, err, "alice.test", tt.err)
			}
		})
	}
	t.Run("dead DNS: HTTPS counts", func(t *testing.T) {
		r := identity.NewResolver(identity.Config{UnguardedTransport: &web{pages: webAlice}, LookupTXT: deadDNS})
		if got, err := r.ResolveHandle(t.Context(), "alice.test"); got != alice || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
	t.Run("dead DNS: nothing is known without an answer by HTTPS", func(t *testing.T) {
		r := identity.NewResolver(identity.Config{UnguardedTransport: &web{pages: map[string]page{wellKnown: {status: 404}}}, LookupTXT: deadDNS})
		_, err := r.ResolveHandle(t.Context(), "alice.test")
		checkKind(t, err, "alice.test", identity.ErrUnreachable)
	})
	t.Run("O27 a name too long for DNS is asked for by HTTPS only", func(t *testing.T) {
		long := strings.Repeat(strings.Repeat("a", 60)+".", 4) + "test"
		r := identity.NewResolver(identity.Config{
			UnguardedTransport: &web{pages: map[string]page{"https://" + long + "/.well-known/atproto-did": {body: string(alice)}}},
			LookupTXT: func(_ context.Context, name string) ([]string, error) {
				t.Errorf("%s was looked up", name)
				return nil, nil
			},
		})
		if got, err := r.ResolveHandle(t.Context(), syntax.Handle(long)); got != alice || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
	t.Run("O26 refused before anybody is asked", func(t *testing.T) {
		w := new(web)
		r := identity.NewResolver(identity.Config{UnguardedTransport: w, LookupTXT: func(_ context.Context, name string) ([]string, error) {
			t.Errorf("%s was looked up", name)
			return nil, nil
		}})
		for h, want := range map[syntax.Handle]error{
			"alice.alt": identity.ErrReservedTLD, "alice.arpa": identity.ErrReservedTLD, "alice.example": identity.ErrReservedTLD,
			"alice.internal": identity.ErrReservedTLD, "alice.invalid": identity.ErrReservedTLD, "alice.LOCAL": identity.ErrReservedTLD,
			"alice.localhost": identity.ErrReservedTLD, "alice.onion": identity.ErrReservedTLD, syntax.HandleInvalid: identity.ErrReservedTLD,
			"": identity.ErrInvalidHandle, "alice": identity.ErrInvalidHandle, "alice.test/": identity.ErrInvalidHandle,
			"127.0.0.1": identity.ErrInvalidHandle, "a@b.test": identity.ErrInvalidHandle, "alice.test:8443": identity.ErrInvalidHandle,
		} {
			if _, err := r.ResolveHandle(t.Context(), h); !errors.Is(err, want) {
				t.Errorf("%q: got %v", h, err)
			}
			if _, err := identity.Lookup(t.Context(), r, syntax.AtIdentifier(h)); !errors.Is(err, want) {
				t.Errorf("%q: Lookup says %v", h, err)
			}
		}
		if len(w.seen) != 0 {
			t.Errorf("%v were requested", w.seen)
		}
	})
	t.Run("time runs out", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			hang := func(ctx context.Context, _ string) ([]string, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			start := time.Now()
			r := identity.NewResolver(identity.Config{UnguardedTransport: &web{hang: map[string]bool{wellKnown: true}}, LookupTXT: hang})
			_, err := r.ResolveHandle(t.Context(), "alice.test")
			checkKind(t, err, "alice.test", identity.ErrUnreachable)
			if took := time.Since(start); took != 10*time.Second || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v after %s", err, took)
			}

			start = time.Now()
			r = identity.NewResolver(identity.Config{UnguardedTransport: &web{pages: webAlice}, LookupTXT: hang})
			got, err := r.ResolveHandle(t.Context(), "alice.test")
			if took := time.Since(start); got != alice || err != nil || took != 5*time.Second {
				t.Errorf("got %q, %v after %s", got, err, took)
			}
		})
	})
	t.Run("P28 a cancelled lookup leaves nothing behind", func(t *testing.T) {
		r := identity.NewResolver(identity.Config{UnguardedTransport: &web{pages: webAlice}, LookupTXT: zone(nil).lookup})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := r.ResolveHandle(ctx, "alice.test"); !errors.Is(err, context.Canceled) || !errors.Is(err, identity.ErrUnreachable) {
			t.Errorf("got %v", err)
		}
		if got, err := r.ResolveHandle(t.Context(), "alice.test"); got != alice || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

// checkKind makes sure that err is of one kind only.
func checkKind(t testing.TB, err error, subject string, kind error) {
	t.Helper()
	e, ok := errors.AsType[*identity.Error](err)
	if !ok || e.Kind != kind || e.Subject != subject {
		t.Errorf("got %#v, want kind %v about %s", err, kind, subject)
	}
	for _, other := range []error{identity.ErrNotFound, identity.ErrUnreachable, identity.ErrBlocked, identity.ErrInvalidDocument} {
		if other != kind && errors.Is(err, other) {
			t.Errorf("%v is also %v", err, other)
		}
	}
}

func TestResolveDID(t *testing.T) {
	const (
		plc  = "https://plc.directory/" + string(alice)
		json = "application/did+ld+json; charset=utf-8"
	)
	aliceDoc := document(alice, "at://alice.test", "https://pds.test")
	webDoc := document("did:web:alice.test", "at://alice.test", "https://pds.test")
	tests := []struct {
		name  string
		did   syntax.DID
		pages map[string]page
		err   error
	}{
		{"O30 did:plc", alice, map[string]page{plc: {kind: json, body: aliceDoc}}, nil},
		{"O30 did:plc as plain JSON", alice, map[string]page{plc: {kind: "application/json", body: aliceDoc}}, nil},
		{"O30 did:web", "did:web:alice.test", map[string]page{"https://alice.test/.well-known/did.json": {kind: "application/json", body: webDoc}}, nil},
		{"O30 did:plc not found", alice, map[string]page{plc: {status: 404}}, identity.ErrNotFound},
		{"O30 did:plc taken down", alice, map[string]page{plc: {status: 410}}, identity.ErrNotFound},
		{"O30 did:web not found", "did:web:alice.test", map[string]page{"https://alice.test/.well-known/did.json": {status: 404}}, identity.ErrNotFound},
		{"P63 did:web whose host is not in DNS", "did:web:alice.test", nil, identity.ErrUnreachable},
		{"a directory that cannot be found says nothing", alice, nil, identity.ErrUnreachable},
		{"a directory that fails says nothing", alice, map[string]page{plc: {status: 503}}, identity.ErrUnreachable},
		{"a directory that refuses says nothing", alice, map[string]page{plc: {status: 403}}, identity.ErrUnreachable},
		{"P63 did:web that is gone", "did:web:alice.test", map[string]page{"https://alice.test/.well-known/did.json": {status: 410}}, identity.ErrNotFound},
		{"P63 did:web that wants a log-in", "did:web:alice.test", map[string]page{"https://alice.test/.well-known/did.json": {status: 401}}, identity.ErrUnreachable},
		{"P63 did:web that turns us away", "did:web:alice.test", map[string]page{"https://alice.test/.well-known/did.json": {status: 403}}, identity.ErrUnreachable},
		{"P63 did:web that is busy", "did:web:alice.test", map[string]page{"https://alice.test/.well-known/did.json": {status: 429}}, identity.ErrUnreachable},
		{"P63 did:web that may not be shown here", "did:web:alice.test", map[string]page{"https://alice.test/.well-known/did.json": {status: 451}}, identity.ErrUnreachable},
		{"O30 another id", alice, map[string]page{plc: {kind: json, body: document(bob, "at://alice.test", "https://pds.test")}}, identity.ErrInvalidDocument},
		{"O30 another content type", alice, map[string]page{plc: {kind: "text/html", body: aliceDoc}}, identity.ErrInvalidDocument},
		{"O30 a redirect", "did:web:alice.test", map[string]page{"https://alice.test/.well-known/did.json": {status: 302, location: "https://x.test/"}}, identity.ErrInvalidDocument},
		{"P30 not JSON", alice, map[string]page{plc: {kind: json, body: "{"}}, identity.ErrInvalidDocument},
		{"P30 too large", alice, map[string]page{plc: {kind: json, body: strings.Repeat(" ", 1<<20)}}, identity.ErrInvalidDocument},
		{"O30 bad syntax", "did:plc", nil, identity.ErrInvalidDID},
		{"O30 bad syntax of another method", "did:key:", nil, identity.ErrInvalidDID},
		{"O30 no DID at all", "alice.test", nil, identity.ErrInvalidDID},
		{"O30 did:plc too short", "did:plc:alice", nil, identity.ErrInvalidDID},
		{"O30 did:plc with a path", "did:plc:..%2f..%2faaaaaaaaaaaaaaaaa", nil, identity.ErrInvalidDID},
		{"O30 did:web with a path", "did:web:a.com:path", nil, identity.ErrInvalidDID},
		{"O30 did:web with a port", "did:web:a.com%3A8080", nil, identity.ErrInvalidDID},
		{"O30 did:web of localhost", "did:web:localhost%3A8080", nil, identity.ErrInvalidDID},
		{"O30 did:web of an address", "did:web:127.0.0.1", nil, identity.ErrInvalidDID},
		{"O30 another method", "did:key:zQ3shZc2QzApp2oymGvQbzP8eKheVshBHbU4ZYjeXqwSKEn6N", nil, identity.ErrUnsupportedMethod},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := &web{pages: tt.pages}
			doc, err := identity.NewResolver(identity.Config{UnguardedTransport: w}).ResolveDID(t.Context(), tt.did)
			if tt.err == nil {
				if err != nil || doc.ID != tt.did {
					t.Errorf("got %v, %v", doc, err)
				}
				return
			}
			checkKind(t, err, string(tt.did), tt.err)
			if doc != nil {
				t.Errorf("got %v as well", doc)
			}
			if (tt.err == identity.ErrInvalidDID || tt.err == identity.ErrUnsupportedMethod) && len(w.seen) != 0 {
				t.Errorf("%v were requested", w.seen)
			}
		})
	}
	t.Run("O30 did:web of localhost in development", func(t *testing.T) {
		for did, url := range map[syntax.DID]string{
			"did:web:localhost%3A2583": "http://localhost:2583/.well-known/did.json",
			"did:web:localhost":        "http://localhost/.well-known/did.json",
		} {
			w := &web{pages: map[string]page{url: {kind: "application/json", body: document(did, "at://alice.test", "http://localhost:2583")}}}
			doc, err := identity.NewResolver(identity.Config{UnguardedTransport: w, AllowLoopback: true}).ResolveDID(t.Context(), did)
			if err != nil {
				t.Error(err)
				continue
			}
			if pds, err := doc.PDS(); pds != "http://localhost:2583" {
				t.Errorf("got %q, %v", pds, err)
			}
		}
		r := identity.NewResolver(identity.Config{UnguardedTransport: new(web), AllowLoopback: true})
		for _, did := range []syntax.DID{"did:web:localhost%3A", "did:web:localhost%3Ax", "did:web:localhost%3A80:x", "did:web:localhost:x"} {
			if _, err := r.ResolveDID(t.Context(), did); err == nil || errors.Is(err, identity.ErrNotFound) {
				t.Errorf("%s: got %v", did, err)
			}
		}
	})
	t.Run("P24 without a RoundTripper of one's own, addresses are guarded", func(t *testing.T) {
		server := httptest.NewTLSServer(http.NotFoundHandler())
		defer server.Close()
		_, err := identity.NewResolver(identity.Config{Directories: []string{server.URL}}).ResolveDID(t.Context(), alice)
		checkKind(t, err, string(alice), identity.ErrBlocked)
	})
}

func TestDirectories(t *testing.T) {
	good := page{kind: "application/json", body: document(alice, "at://alice.test", "https://pds.test")}
	stale := page{kind: "application/json", body: "{}"}
	tests := []struct {
		name  string
		pages map[string]page
		seen  int
		err   error
	}{
		{"the first has it", map[string]page{"one": good, "two": good}, 1, nil},
		{"the first fails", map[string]page{"one": {status: 500}, "two": good}, 2, nil},
		{"the first cannot be found", map[string]page{"two": good}, 2, nil},
		{"the first lags", map[string]page{"one": {status: 404}, "two": good}, 2, nil},
		{"the first talks nonsense", map[string]page{"one": stale, "two": good}, 2, nil},
		{"none has it", map[string]page{"one": {status: 404}, "two": {status: 404}}, 2, identity.ErrNotFound},
		{"one does not have it, one does not say", map[string]page{"one": {status: 404}, "two": {status: 500}}, 2, identity.ErrUnreachable},
		{"one does not say, one does not have it", map[string]page{"one": {status: 500}, "two": {status: 404}}, 2, identity.ErrUnreachable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := &web{pages: map[string]page{}}
			for host, p := range maps.All(tt.pages) {
				w.pages["https://"+host+".test/"+string(alice)] = p
			}
			r := identity.NewResolver(identity.Config{UnguardedTransport: w, Directories: []string{"https://one.test", "https://two.test/"}})
			_, err := r.ResolveDID(t.Context(), alice)
			if tt.err == nil && err != nil {
				t.Error(err)
			}
			if tt.err != nil {
				checkKind(t, err, string(alice), tt.err)
			}
			if len(w.seen) != tt.seen {
				t.Errorf("asked %v", w.seen)
			}
		})
	}
	t.Run("a caller that is gone asks no further", func(t *testing.T) {
		w := new(web)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r := identity.NewResolver(identity.Config{UnguardedTransport: w, Directories: []string{"https://one.test", "https://two.test"}})
		if _, err := r.ResolveDID(ctx, alice); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if diff := cmp.Diff([]string{"https://one.test/" + string(alice)}, slices.Clip(w.seen)); diff != "" {
			t.Error(diff)
		}
	})
}
