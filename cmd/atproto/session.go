package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/apppassword"
	"github.com/gimucco/atproto-go/internal/loopback"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/oauth/store/filestore"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A session is one of OAuth or of an app password.
type session interface {
	xrpc.Follower
	DID() syntax.DID
	Handle() syntax.Handle
	Host() string
	Logout(ctx context.Context) error
}

// A client keeps sessions of one kind.
type client interface {
	resume(ctx context.Context, did syntax.DID, id string) (session, error)
	logout(ctx context.Context, did syntax.DID, id string) error
	Shutdown(ctx context.Context) error
}

type oauthClient struct{ *oauth.Client }

func (c oauthClient) resume(ctx context.Context, did syntax.DID, id string) (session, error) {
	return c.Resume(ctx, oauth.SessionKey{DID: did, ID: id})
}

func (c oauthClient) logout(ctx context.Context, did syntax.DID, id string) error {
	return c.Logout(ctx, oauth.SessionKey{DID: did, ID: id})
}

type passwordClient struct{ *apppassword.Client }

func (c passwordClient) resume(ctx context.Context, did syntax.DID, id string) (session, error) {
	return c.Resume(ctx, apppassword.SessionKey{DID: did, ID: id})
}

func (c passwordClient) logout(ctx context.Context, did syntax.DID, id string) error {
	return c.Logout(ctx, apppassword.SessionKey{DID: did, ID: id})
}

// sessions returns where sessions are, and how they are sealed.
func (p *program) sessions(place keyPlace, create bool) (store.Store, *seal.Seal, error) {
	dir, err := p.folder()
	if err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, err
	}
	key, err := p.sealKey(place, create)
	if err != nil {
		return nil, nil, err
	}
	files, err := filestore.Open(filepath.Join(dir, "sessions"))
	if err != nil {
		return nil, nil, err
	}
	return files, seal.Keys(key), nil
}

// oauthClient returns the OAuth client that asks for a scope. Clients of other scopes are
// other clients to servers, and have other sessions.
func (p *program) oauthClient(place keyPlace, create bool, scope string, loopback bool) (oauthClient, error) {
	config := oauth.Localhost("http://127.0.0.1/callback", scope)
	config.UnguardedTransport, config.Resolver, config.AllowLoopback = p.roundTripper, p.resolver, p.allowLoopback || loopback
	config.Clock = p.clock
	config.CorrectClock = true // the clocks of people's machines are what they are
	var err error
	if config.Store, config.Seal, err = p.sessions(place, create); err != nil {
		return oauthClient{}, err
	}
	c, err := oauth.NewClient(config)
	return oauthClient{c}, err
}

func (p *program) passwordClient(place keyPlace, create, loopback bool) (passwordClient, error) {
	config := apppassword.Config{Clock: p.clock, UnguardedTransport: p.roundTripper, Resolver: p.resolver, AllowLoopback: p.allowLoopback || loopback}
	var err error
	if config.Store, config.Seal, err = p.sessions(place, create); err != nil {
		return passwordClient{}, err
	}
	c, err := apppassword.NewClient(config)
	return passwordClient{c}, err
}

// clientOf returns the client that an account's session is of.
func (p *program) clientOf(place keyPlace, e *entry) (client, error) {
	if e.AppPassword {
		return p.passwordClient(place, false, e.Loopback)
	}
	return p.oauthClient(place, false, e.Scope, e.Loopback)
}

// as runs f as an account that is logged in: the one that typed means, else that of
// $ATPROTO_ACCOUNT, else the default one.
func (p *program) as(ctx context.Context, typed string, f func(s session, e *entry) error) error {
	b, err := p.readBook()
	if err != nil {
		return err
	}
	if typed == "" {
		typed = p.getenv("ATPROTO_ACCOUNT")
	}
	e, err := b.find(typed)
	if err != nil {
		return err
	}
	c, err := p.clientOf(b.Key, e)
	if err != nil {
		return err
	}
	defer shutdown(ctx, c)
	s, err := c.resume(ctx, e.DID, e.Session)
	if err == nil {
		err = f(s, e)
	}
	return sessionError(err, e)
}

// shutdown waits until new tokens are stored: else the session would be lost with them.
func shutdown(ctx context.Context, c client) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	c.Shutdown(ctx)
}

// sessionError adds what helps to an error of an account's session.
func sessionError(err error, e *entry) error {
	if err == nil {
		return nil
	}
	how := ""
	if e.AppPassword {
		how = " --app-password"
	}
	if errors.Is(err, oauth.ErrReauthRequired) || errors.Is(err, apppassword.ErrReauthRequired) {
		return fmt.Errorf("the session of %s is over: run atproto login%s %s\n  %w", e.name(), how, e.name(), err)
	}
	if e.AppPassword {
		return err
	}
	if missing, ok := oauth.MissingScope(err); ok {
		return fmt.Errorf("the session of %s may not do this: run atproto login --scope %q %s\n  %w", e.name(), e.Scope+" "+scope.Join(missing), e.name(), err)
	}
	if errors.Is(err, xrpc.ErrScopeMissing) {
		return fmt.Errorf("the session of %s may not do this: atproto scopes NSID says what it needs, and atproto login --scope asks for it\n  %w", e.name(), err)
	}
	return err
}

// public returns a Doer of a server that needs no login.
func (p *program) public(host string) (*xrpc.Client, error) {
	return xrpc.NewClient(host, xrpc.ClientConfig{UnguardedTransport: p.roundTripper, AllowLoopback: p.allowLoopback || isLoopback(host)})
}

// isLoopback reports whether a URL names this machine: whoever types that means it.
func isLoopback(origin string) bool {
	u, err := url.Parse(origin)
	return err == nil && loopback.IsHost(u.Hostname())
}

// hostURL completes what a person types for a server: its name is enough.
func hostURL(typed string) (string, error) {
	text := strings.TrimSpace(typed)
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("%q is not a server: give its https URL, such as https://public.api.bsky.app", typed)
	}
	if _, port, err := net.SplitHostPort(u.Host); err == nil && port == "" || strings.ContainsAny(u.Host, " ") {
		return "", fmt.Errorf("%q is not a server: give its https URL, such as https://public.api.bsky.app", typed)
	}
	if u.Scheme == "http" && !isLoopback(text) {
		return "", fmt.Errorf("%q is http, which is for servers on this machine only: give an https URL", typed)
	}
	return u.Scheme + "://" + u.Host, nil
}
