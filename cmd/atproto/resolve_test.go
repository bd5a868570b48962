package main

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

const alice = "did:plc:aliceaaaaaaaaaaaaaaaaaaa"

// sandbox starts a deployment with a separate authorization server.
func sandbox(tb testing.TB) *oauthtest.Server {
	tb.Helper()
	server := oauthtest.NewServer(oauthtest.WithIssuer("as.test"), oauthtest.WithPDS("pds.test"),
		oauthtest.WithAccounts(oauthtest.Account{Handle: "alice.test", DID: alice, Password: "secret"}))
	tb.Cleanup(server.Close)
	return server
}

func TestResolve(t *testing.T) {
	for _, tt := range []struct {
		file string
		args []string
	}{
		{"testdata/resolve/handle.txt", []string{"@alice.test"}},
		{"testdata/resolve/handle.json", []string{"--json", "alice.test"}},
		{"testdata/resolve/handle.txt", []string{alice}},
		{"testdata/resolve/pds.txt", []string{"https://pds.test"}},
		{"testdata/resolve/issuer.json", []string{"--json", "https://as.test"}},
	} {
		t.Run("O25 "+strings.Join(tt.args, " "), func(t *testing.T) {
			r := in(t, sandbox(t), append([]string{"resolve"}, tt.args...)...)
			r.want(t, 0)
			golden(t, tt.file, []byte(r.stdout))
			if r.stderr != "" {
				t.Errorf("standard error: %s", r.stderr)
			}
		})
	}
}

func TestResolveSaysWhoseHandleIsNotVerified(t *testing.T) {
	document := func(handle string) string {
		return `{"id":"` + alice + `",` + handle + `"service":[{"id":"#atproto_pds","type":"AtprotoPersonalDataServer","serviceEndpoint":"https://pds.test"}]}`
	}
	for name, tt := range map[string]struct{ handle, want string }{
		"O31 one that leads elsewhere": {`"alsoKnownAs":["at://famous.test"],`, "handle.invalid  (the account claims famous.test, which does not lead back to it now)"},
		"O31 none":                     {"", "handle.invalid  (the account claims none)"},
	} {
		t.Run(name, func(t *testing.T) {
			server := sandbox(t)
			server.SetDIDDocument(alice, []byte(document(tt.handle)))
			in(t, server, "resolve", alice).want(t, 0, tt.want)
		})
	}
}

func TestResolveSaysWhatWentWrong(t *testing.T) {
	document := func(text string) func(*oauthtest.Server) {
		return func(s *oauthtest.Server) { s.SetDIDDocument(alice, []byte(text)) }
	}
	for _, tt := range []struct {
		name, identifier string
		spoil            func(*oauthtest.Server)
		want             string
	}{
		{"nobody of that name", "nobody.test", nil, "no such account is found: DNS does not know the name"},
		{"a handle that its account does not claim", "alice.test", document(`{"id":"` + alice + `","alsoKnownAs":["at://other.test"],"service":[{"id":"#atproto_pds","type":"AtprotoPersonalDataServer","serviceEndpoint":"https://pds.test"}]}`), "does not claim it"},
		{"a name that no handle has", "alice.invalid", nil, "no handle can end like that"},
		{"another DID method", "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme", nil, "did:plc or a did:web"},
		{"half a did:plc", "did:plc:abc", nil, "that is not a DID"},
		{"a document about somebody else", alice, document(`{"id":"did:plc:bbbbbbbbbbbbbbbbbbbbbbbb"}`), "DID document is not in order"},
		{"no server", alice, document(`{"id":"` + alice + `"}`), "the account has no server"},
		{"a directory that is down", alice, func(s *oauthtest.Server) {
			s.Fault("/did:plc:", oauthtest.Fault{Status: http.StatusBadGateway, Times: 9})
		}, "try again later"},
		{"a server without documents", alice, func(s *oauthtest.Server) {
			s.Publish("https://pds.test/.well-known/oauth-protected-resource", []byte(`{"resource":"https://evil.test"}`))
		}, "the server's documents are not in order"},
		{"a server that is down", alice, func(s *oauthtest.Server) {
			s.Fault("/.well-known/oauth-protected-resource", oauthtest.Fault{Refuse: true, Times: 9})
		}, "the server could not be reached"},
		{"P65 the first part of a handle", "alice", nil, "type the whole of it, such as alice.bsky.social"},
		{"P64 what is invisible", "ali\u202ace.test", nil, "ali<U+202A>ce.test"},
		{"P65 an e-mail address", "alice@mail.test", nil, "type the handle of the account"},
		{"neither", "what is this", nil, "neither a handle nor a DID nor the https URL"},
		{"a URL with a path", "https://pds.test/profile/alice", nil, "neither a handle nor a DID nor the https URL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := sandbox(t)
			if tt.spoil != nil {
				tt.spoil(server)
			}
			r := in(t, server, "resolve", tt.identifier)
			r.want(t, 1, "atproto: ", tt.want)
			if r.stdout != "" || strings.Count(r.stderr, "\n") != 2 {
				t.Errorf("got %q and %q", r.stdout, r.stderr)
			}
		})
	}
	t.Run("nothing", func(t *testing.T) { atproto(t, "resolve", " ").want(t, 2, "neither a handle") })
	t.Run("P64 nothing that shows", func(t *testing.T) { atproto(t, "resolve", "\u200b\u202c").want(t, 2, "neither a handle") })
	for _, typed := range []string{"@Alice.Test", "\u202aalice.test\u202c", "at://alice.test/", "https://bsky.app/profile/alice.test", "alice.test."} {
		t.Run("P64 P65 what leads to the account: "+typed, func(t *testing.T) {
			in(t, sandbox(t), "resolve", typed).want(t, 0, alice, "alice.test  (verified")
		})
	}
	t.Run("kinds that no sandbox has", func(t *testing.T) {
		for kind, want := range map[error]string{
			identity.ErrAmbiguous:     "several accounts",
			identity.ErrInvalidHandle: "that is not a handle",
			identity.ErrBlocked:       "not on the public Internet",
			context.DeadlineExceeded:  "did not answer in time",
			context.Canceled:          "interrupted",
			http.ErrAbortHandler:      "that did not work",
		} {
			if got := explain(&identity.Error{Subject: "x", Kind: kind}); !strings.Contains(got, want) {
				t.Errorf("%v: %q", kind, got)
			}
		}
	})
}

// slow is a resolver that waits for its context.
type slow struct{}

func (slow) ResolveHandle(ctx context.Context, _ syntax.Handle) (syntax.DID, error) {
	<-ctx.Done()
	return "", ctx.Err()
}

func (slow) ResolveDID(ctx context.Context, _ syntax.DID) (*identity.Document, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestResolveEnds(t *testing.T) {
	var out, errs strings.Builder
	p := &program{stdout: &out, stderr: &errs, resolver: slow{}}
	if status := p.run(t.Context(), []string{"resolve", "--timeout=10ms", "alice.test"}); status != 1 || !strings.Contains(errs.String(), "did not answer in time") {
		t.Errorf("status %d, %s", status, errs.String())
	}
	errs.Reset()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if status := p.run(ctx, []string{"resolve", "alice.test"}); status != 130 || !strings.Contains(errs.String(), "interrupted") {
		t.Errorf("status %d, %s", status, errs.String())
	}
}

func TestPrintable(t *testing.T) {
	if got := printable("a b\x1b[31mc\u009bd\ne"); got != "a b\ufffd[31mc\ufffdd\ufffde" {
		t.Errorf("got %q", got)
	}
}

func TestResolveOfANameThatDNSDoesNotKnow(t *testing.T) {
	missing := func(name string) error { return &net.DNSError{Err: "no such host", Name: name, IsNotFound: true} }
	for name, tt := range map[string]struct {
		web  http.RoundTripper
		want string
	}{
		"a network without a way out":  {failing{missing("bsky.app")}, "no such account is found: DNS does not know the name (is it written right, and does the network work for other names?)\n"},
		"a host that knows no account": {site{"https://bsky.app/.well-known/atproto-did": http.NotFound}, "there is no such account: the servers that would know say so\n"},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUser(t)
			u.resolver = identity.NewResolver(identity.Config{
				UnguardedTransport: tt.web,
				LookupTXT:          func(_ context.Context, name string) ([]string, error) { return nil, missing(name) },
			})
			u.do("resolve", "bsky.app").want(t, 1, tt.want)
			u.do("record", "get", "at://bsky.app/app.bsky.actor.profile/self").want(t, 1, tt.want)
		})
	}
}
