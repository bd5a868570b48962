package oauthtest

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// Handle adds a method to the PDS, or replaces one. Package xrpc/service makes the handler from a
// typed function, because a Server is a service.Mux:
//
//	service.Handle(server, appbsky.FeedGetTimeline, func(ctx context.Context, params *appbsky.FeedGetTimelineParams) (*appbsky.FeedGetTimelineOutput, error) {
//		caller := oauthtest.Caller(ctx)
//		…
//	})
//
// The handler is behind the same authorization as the methods of the server: a call without a valid
// session, or without the scope, does not reach it. The scope must have an rpc permission for the
// service that the call is proxied to. Without a proxy, that is the Bluesky AppView for methods of
// app.bsky, and other methods need no permission. For methods that need no session, use Public.
//
// The pattern must be "/xrpc/" and the NSID of the method; otherwise Handle panics.
func (s *Server) Handle(pattern string, handler http.Handler) {
	s.handle(pattern, handler, authRequired)
}

// Public returns a Mux for methods that answer everybody, logged in or not:
//
//	service.Handle(server.Public(), appbsky.ActorGetProfile, …)
//
// For a caller who is not logged in, Caller returns the zero Account.
func (s *Server) Public() *PublicMethods { return &PublicMethods{s} }

// PublicMethods are the methods of a Server that answer everybody.
type PublicMethods struct{ server *Server }

// Handle is Server.Handle for methods that need no session. If a request has a session, it must be
// valid.
func (p *PublicMethods) Handle(pattern string, handler http.Handler) {
	p.server.handle(pattern, handler, authOptional)
}

// A handled method is one that Handle has added.
type handled struct {
	http.Handler
	auth authMode
}

func (s *Server) handle(pattern string, handler http.Handler, auth authMode) {
	name, ok := strings.CutPrefix(pattern, "/xrpc/")
	method := syntax.NSID(name)
	if !ok || method.Validate() != nil || handler == nil {
		panic(fmt.Sprintf("oauthtest: Handle: %q is not /xrpc/ and an NSID, or the handler is nil", pattern))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handled[method] = handled{handler, auth}
}

// serveHandled answers with a handler of Handle, if there is one.
func (s *Server) serveHandled(c *call, method syntax.NSID) bool {
	s.mu.Lock()
	h, ok := s.handled[method]
	s.mu.Unlock()
	if !ok {
		return false
	}
	if h.auth == authRequired || c.r.Header.Get("Authorization") != "" {
		if !s.authorize(c) {
			return true
		}
		if service := serviceOf(c.r, method); service != "" {
			s.mu.Lock()
			failed := s.requires(c.auth, scope.RPC(service, method))
			s.mu.Unlock()
			if failed != nil {
				failed.write(c.w)
				return true
			}
		}
	}
	r := c.r
	if c.auth != nil {
		s.mu.Lock()
		caller := s.mustAccount(c.auth.did).Account
		s.mu.Unlock()
		r = r.WithContext(context.WithValue(r.Context(), callerKey{}, caller))
	}
	h.ServeHTTP(c.w, r)
	return true
}

// serviceOf returns the service that a call is proxied to, or "" if it is for the PDS.
func serviceOf(r *http.Request, method syntax.NSID) string {
	if proxy := r.Header.Get("Atproto-Proxy"); proxy != "" {
		return proxy
	}
	if strings.HasPrefix(string(method), "app.bsky.") {
		return xrpc.BlueskyAppView
	}
	return ""
}

type callerKey struct{}

// Caller returns the account that calls a handler of Handle, or the zero Account if nobody is
// logged in.
func Caller(ctx context.Context) Account {
	account, _ := ctx.Value(callerKey{}).(Account)
	return account
}
