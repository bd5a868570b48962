package apppassword

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/internal/safehttp"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A LoginOption changes one login.
type LoginOption func(*loginOptions)

type loginOptions struct {
	service string
	factor  string
}

// WithService sets the server to log in at, such as "https://pds.example.com". Nothing is resolved
// then, and the identifier may also be an email address. Without WithService, the account's server
// is found by its handle or DID.
func WithService(origin string) LoginOption { return func(o *loginOptions) { o.service = origin } }

// WithAuthFactor passes the code that the server has sent by email: see ErrAuthFactorRequired.
func WithAuthFactor(code string) LoginOption { return func(o *loginOptions) { o.factor = code } }

// loginLimit limits the time for the resolution and the request of one login.
const loginLimit = 45 * time.Second

// Login makes a new session (com.atproto.server.createSession) and stores it. identifier is a
// handle or a DID, in the forms that identity.ParseTyped accepts; with WithService, it may be an
// email address. Use an app password, because the account's owner can revoke it. The password is not
// stored.
//
// Servers limit logins: the reference server allows an account 30 in 5 minutes and 300 a day. A
// program that is often restarted should use ResumeOrLogin.
//
// Errors: ErrWrongPassword, ErrAuthFactorRequired, ErrAuthFactorInvalid, ErrAccountTakedown,
// ErrRateLimited, ErrUnresolved, ErrAccountMismatch, ErrServer, ErrNetwork, ErrStore and ErrConfig.
// If the session cannot be stored, it is ended at the server.
func (c *Client) Login(ctx context.Context, identifier, password string, opts ...LoginOption) (*Session, error) {
	ctx, cancel := context.WithTimeout(ctx, loginLimit)
	defer cancel()
	identifier, o, err := c.checkLogin(identifier, opts)
	if err != nil {
		return nil, err
	}
	switch {
	case password == "":
		return nil, configError("password", "is empty")
	case strings.ContainsAny(password, "\r\n"):
		return nil, configError("password", "has a line break in it, perhaps that of the file it was read from: remove it with strings.TrimSpace")
	}
	host, did, err := c.whereToLogIn(ctx, identifier, o)
	if err != nil {
		return nil, err
	}
	input := map[string]string{"identifier": identifier, "password": password}
	if o.factor != "" {
		input["authFactorToken"] = o.factor
	}
	a, err := c.ask(ctx, &request{host: host, method: createSession, input: input})
	if err != nil {
		return nil, err
	}
	if !a.ok() {
		return nil, a.loginRefused(o.factor != "")
	}
	g, err := a.grant(c)
	if err == nil && g.tokens.Refresh == "" {
		err = a.unusable(errors.New("refreshJwt is missing"))
	}
	if err == nil && did != "" && g.did != did {
		err = &Error{Kind: ErrAccountMismatch, Err: fmt.Errorf("asked for %s, but the server logged in %s", did, g.did)}
	}
	if err != nil {
		c.giveBack(ctx, host, g)
		return nil, err
	}
	state := &sessionState{Host: host, Handle: cmp.Or(g.handle, syntax.HandleInvalid), Login: loginName(identifier, o.service), Tokens: g.tokens, CreatedAt: c.now()}
	if g.host != "" {
		state.Host = g.host
	}
	key := SessionKey{DID: g.did, ID: rand.Text()}
	if err := c.vault.Save(ctx, key.record(), 1, sessionKeep, &sessionRecord{sessionState: *state}); err != nil {
		c.giveBack(ctx, state.Host, g)
		return nil, err
	}
	c.log.InfoContext(ctx, "apppassword: logged in", "did", key.DID, "session", key.ID, "host", state.Host)
	return c.sessions.Intern(key, c.newSession(key, state, 1)), nil
}

// ResumeOrLogin returns the newest stored session that was made with the same identifier and
// service. If there is none, it logs in. So a program can begin in the same way every time, and
// logs in only if it has to. ResumeOrLogin does not ask the server about a stored session; a call
// shows whether it has ended. If a call fails with ErrReauthRequired, use Login.
//
// Errors are those of Resume and Login.
func (c *Client) ResumeOrLogin(ctx context.Context, identifier, password string, opts ...LoginOption) (*Session, error) {
	wanted, o, err := c.checkLogin(identifier, opts)
	if err != nil {
		return nil, err
	}
	name := loginName(wanted, o.service)
	var newest SessionKey
	var began time.Time
	for key, err := range c.Sessions(ctx, "") {
		if err != nil {
			return nil, err
		}
		stored, _, _, err := c.load(ctx, key)
		switch {
		case errors.Is(err, ErrSessionUnknown), errors.Is(err, ErrSealed):
			continue // it has ended meanwhile, or belongs to another login
		case err != nil:
			return nil, err
		case stored.Login == name && !stored.CreatedAt.Before(began):
			newest, began = key, stored.CreatedAt
		}
	}
	if newest != (SessionKey{}) {
		s, err := c.Resume(ctx, newest)
		if !errors.Is(err, ErrSessionUnknown) {
			return s, err
		}
	}
	return c.Login(ctx, identifier, password, opts...)
}

// loginName identifies the login that made a session, without revealing an email address.
func loginName(identifier, service string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(identifier) + "\n" + service))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// checkLogin checks the arguments of a login. It returns the identifier in the form that servers
// use.
func (c *Client) checkLogin(identifier string, opts []LoginOption) (string, loginOptions, error) {
	var o loginOptions
	for _, opt := range opts {
		opt(&o)
	}
	typed, err := identity.ParseTyped(identifier)
	identifier = strings.TrimPrefix(strings.TrimSpace(identifier), "@")
	if typed.Account != "" {
		identifier = string(typed.Account)
	}
	if o.service == "" {
		switch {
		case typed.Account != "":
			return identifier, o, nil
		case typed.Server != "":
			return "", o, configError("identifier", "is a server: give a handle or a DID, and the server by WithService")
		case identifier == "":
			return "", o, configError("identifier", "is empty: give a handle or a DID")
		case strings.Contains(identifier, "@"):
			return "", o, configError("identifier", "is neither a handle nor a DID: %w; if it is an email address, name its server with WithService", err)
		}
		return "", o, configError("identifier", "is neither a handle nor a DID: %w", err)
	}
	if identifier == "" {
		return "", o, configError("identifier", "is empty")
	}
	u, err := url.Parse(o.service)
	if err != nil {
		return "", o, configError("WithService:", "%.200q is not a URL", o.service)
	}
	if u.Path == "/" {
		u.Path = ""
	}
	o.service = safehttp.Origin(u)
	if err := c.checkHost(o.service); err != nil || u.Path != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", o, configError("WithService:", "%.200q is not the https origin of a server, such as https://pds.example.com", u.Redacted())
	}
	return identifier, o, nil
}

// whereToLogIn finds the account's server, and the account's DID if that is known.
func (c *Client) whereToLogIn(ctx context.Context, identifier string, o loginOptions) (host string, did syntax.DID, err error) {
	id, err := syntax.ParseAtIdentifier(identifier)
	if o.service != "" {
		if known, ok := id.DID(); err == nil && ok {
			did = known
		}
		return o.service, did, nil
	}
	found, err := identity.Lookup(ctx, c.resolver, id)
	if err != nil {
		return "", "", resolutionError(ctx, err)
	}
	if err := c.checkHost(found.PDS); err != nil {
		return "", "", &Error{Kind: ErrUnresolved, Err: fmt.Errorf("server of %s: %w", found.DID, err)}
	}
	return found.PDS, found.DID, nil
}

// loginRefused says why the login made no session.
func (a *reply) loginRefused(withFactor bool) *Error {
	kind := ErrServer
	switch name := a.words().name; {
	case name == "AuthFactorTokenRequired":
		kind = ErrAuthFactorRequired
	case name == "AccountTakedown":
		kind = ErrAccountTakedown
	case withFactor && (name == "InvalidToken" || name == "ExpiredToken"):
		kind = ErrAuthFactorInvalid
	case a.status == http.StatusUnauthorized && (name == "AuthenticationRequired" || name == ""):
		kind = ErrWrongPassword
	}
	return a.refusal(kind)
}

// giveBack ends a session at its server that nobody will use.
func (c *Client) giveBack(ctx context.Context, host string, g *grant) {
	if g == nil || g.tokens.Refresh == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), orphanLimit)
	defer cancel()
	if err := c.delete(ctx, host, g.tokens.Refresh); err != nil {
		c.log.WarnContext(ctx, "apppassword: a session could not be ended at its server", "host", host, "error", err)
	}
}

// delete ends a session at its server. The refresh token identifies it there.
func (c *Client) delete(ctx context.Context, host, refresh string) error {
	a, err := c.ask(ctx, &request{host: host, method: deleteSession, bearer: refresh})
	if err != nil || a.ok() {
		return err
	}
	if name := a.words().name; name == "ExpiredToken" || name == "InvalidToken" {
		return nil // it has ended already
	}
	return a.refusal(ErrServer)
}
