package oauth_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
)

// Before a refresh it is looked up who serves the account. What comes back may be the word of
// somebody in between.
func TestLookupsThatSayNothingOfTheAccount(t *testing.T) {
	const (
		directory = "/did:plc:"
		resource  = "/.well-known/oauth-protected-resource"
	)
	page := http.Header{"Content-Type": {"text/html"}}
	document := http.Header{"Content-Type": {"application/json"}}
	for _, tt := range []struct {
		name   string
		fault  oauthtest.Fault
		passes map[string]bool // whether it is taken for a failure that may pass
	}{
		{"403", oauthtest.Fault{Status: 403}, map[string]bool{directory: true, resource: true}},
		{"404", oauthtest.Fault{Status: 404}, map[string]bool{directory: true, resource: true}},
		{"302", oauthtest.Fault{Status: 302, Header: http.Header{"Location": {"https://login.example/"}}}, map[string]bool{directory: true, resource: true}},
		{"503", oauthtest.Fault{Status: 503}, map[string]bool{directory: true, resource: true}},
		{"a page", oauthtest.Fault{Status: 200, Header: page, Body: "<html>"}, map[string]bool{directory: true, resource: true}},
		{"410", oauthtest.Fault{Status: 410}, map[string]bool{directory: false, resource: false}},
		{"an empty document", oauthtest.Fault{Status: 200, Header: document, Body: "{}"}, map[string]bool{directory: false, resource: false}},
	} {
		for path, passes := range tt.passes {
			where := map[string]string{directory: "the directory", resource: "the PDS"}[path]
			begin := func(t *testing.T) (*oauth.Session, *moving, *oauthtest.Server) {
				clock := new(movableClock)
				server := sandbox(t, oauthtest.WithClock(clock.now))
				m := newMoving(t, server, clock)
				s := login(t, server, m.Client)
				fault := tt.fault
				fault.Times = -1
				server.Fault(path, fault)
				return s, m, server
			}
			if passes {
				t.Run("P122 O112 "+tt.name+" of "+where+" stops nothing for a day", func(t *testing.T) {
					s, m, server := begin(t)
					m.clock.setAhead(23 * time.Hour)
					if err := s.Refresh(t.Context()); err != nil {
						t.Fatal(err)
					}
					sent := m.refreshes.Load()
					m.clock.setAhead(25 * time.Hour) // by the login: no other look-up has succeeded
					if err := s.Refresh(t.Context()); err == nil || errors.Is(err, oauth.ErrReauthRequired) {
						t.Errorf("after a day: %v", err)
					}
					if n := m.refreshes.Load() - sent; n != 0 {
						t.Errorf("the refresh token was sent %d times", n)
					}
					server.ClearFaults()
					m.clock.setAhead(27 * time.Hour)
					if err := s.Refresh(t.Context()); err != nil {
						t.Errorf("when it is over: %v", err)
					}
				})
				continue
			}
			t.Run("P122 O113 "+tt.name+" of "+where+" is an answer", func(t *testing.T) {
				s, m, _ := begin(t)
				e, ok := errors.AsType[*oauth.Error](s.Refresh(t.Context()))
				if !ok || errors.Is(e, oauth.ErrReauthRequired) || m.refreshes.Load() != 0 {
					t.Errorf("got %v after %d refreshes", e, m.refreshes.Load())
				}
			})
		}
	}
}
