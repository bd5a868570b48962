package oauthtest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// This file has the sessions of app passwords: com.atproto.server.createSession and related
// methods, as in the reference server. Tokens are bearer tokens that look like JWTs. An access
// token is valid until it expires, whatever happens to its session. A refresh token works once, and
// again during a grace period, in which it gets the same successor.

const (
	// refreshLife is how long a refresh token lives.
	refreshLife = 90 * 24 * time.Hour
	// refreshGrace is how long a used refresh token is accepted again.
	refreshGrace = 2 * time.Hour
)

// legacyScope is what such a session may do: everything except managing the account.
const legacyScope = "atproto transition:generic transition:chat.bsky transition:email"

// legacy holds the sessions of app passwords. s.mu guards them.
type legacy struct {
	grace     time.Duration
	secret    [32]byte
	access    map[string]*legacyAccess
	refresh   map[string]*legacyRefresh // by ID
	passwords map[syntax.DID]map[string]string
	factors   map[syntax.DID]string
	takenDown map[syntax.DID]bool
}

type legacyAccess struct {
	did     syntax.DID
	name    string // of the app password; "" for the account's own password
	expires time.Time
}

type legacyRefresh struct {
	did     syntax.DID
	name    string // of the app password; "" for the account's own password
	expires time.Time
	next    string // ID of the successor; "" if unused
}

func newLegacy(grace time.Duration) legacy {
	l := legacy{
		grace: grace, access: make(map[string]*legacyAccess), refresh: make(map[string]*legacyRefresh),
		passwords: make(map[syntax.DID]map[string]string), factors: make(map[syntax.DID]string), takenDown: make(map[syntax.DID]bool),
	}
	rand.Read(l.secret[:])
	return l
}

// WithRefreshGrace sets how long the refresh token of an app password's session is accepted again
// after its use. The default is two hours, as at the reference server. With 0 it works once.
func WithRefreshGrace(d time.Duration) Option {
	return func(o *options) { o.grace = d }
}

// AddAppPassword adds an app password to an account. RevokeAppPassword removes it and ends its
// sessions.
func (s *Server) AddAppPassword(did syntax.DID, name, password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mustAccount(did)
	s.legacy.add(did, name, password)
}

func (l *legacy) add(did syntax.DID, name, password string) {
	if l.passwords[did] == nil {
		l.passwords[did] = make(map[string]string)
	}
	l.passwords[did][name] = password
}

// RevokeAppPassword removes an app password and ends its sessions: their refresh tokens no longer
// work. Access tokens that were issued stay valid until they expire.
func (s *Server) RevokeAppPassword(did syntax.DID, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mustAccount(did)
	s.legacy.revoke(did, name)
}

func (l *legacy) revoke(did syntax.DID, name string) {
	delete(l.passwords[did], name)
	maps.DeleteFunc(l.refresh, func(_ string, r *legacyRefresh) bool { return r.did == did && r.name == name })
}

// SetAuthFactor makes a login with the account's own password ask for a code, which a real server
// sends by email. "" turns it off. Logins with app passwords need no code.
func (s *Server) SetAuthFactor(did syntax.DID, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mustAccount(did)
	s.legacy.factors[did] = code
}

// SetTakenDown takes an account down, or restores it. While it is down, logins and refreshes with
// app passwords fail.
func (s *Server) SetTakenDown(did syntax.DID, down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mustAccount(did)
	s.legacy.takenDown[did] = down
}

// token makes a text that looks like a JWT with a secret signing key.
func (l *legacy) token(kind string, claims map[string]any) string {
	part := func(v any) string {
		data, _ := json.Marshal(v) // strings and numbers always marshal
		return base64.RawURLEncoding.EncodeToString(data)
	}
	signed := part(map[string]string{"typ": kind, "alg": "HS256"}) + "." + part(claims)
	mac := hmac.New(sha256.New, l.secret[:])
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// A legacyAnswer is the answer of the methods that issue tokens.
type legacyAnswer struct {
	AccessJwt      string          `json:"accessJwt"`
	RefreshJwt     string          `json:"refreshJwt"`
	DID            syntax.DID      `json:"did"`
	Handle         syntax.Handle   `json:"handle"`
	DIDDoc         json.RawMessage `json:"didDoc"`
	Email          string          `json:"email"`
	EmailConfirmed bool            `json:"emailConfirmed"`
	Active         bool            `json:"active"`
}

// issue gives a session tokens; id is the ID of the refresh token. s.mu is held.
func (s *Server) issue(a *account, id, name string) *legacyAnswer {
	l, now, audience := &s.legacy, s.Now(), "did:web:"+s.pds[0]
	claims := func(scope string, life time.Duration) map[string]any {
		return map[string]any{"scope": scope, "aud": audience, "sub": a.DID, "iat": now.Unix(), "exp": now.Add(life).Unix()}
	}
	given := claims("com.atproto.refresh", refreshLife)
	given["jti"] = id
	taken := claims("com.atproto.appPass", s.grants.lifetime)
	taken["jti"] = rand.Text() // so that no two tokens are equal
	access := l.token("at+jwt", taken)
	l.access[access] = &legacyAccess{a.DID, name, now.Add(s.grants.lifetime)}
	if l.refresh[id] == nil {
		l.refresh[id] = &legacyRefresh{did: a.DID, name: name, expires: now.Add(refreshLife)}
	}
	return &legacyAnswer{
		AccessJwt: access, RefreshJwt: l.token("refresh+jwt", given),
		DID: a.DID, Handle: a.Handle, DIDDoc: a.didDocument(), Email: a.Email, EmailConfirmed: true, Active: true,
	}
}

// unauthorized is an error with status 401.
func unauthorized(name, message string) *xrpcError {
	return &xrpcError{status: http.StatusUnauthorized, name: name, message: message}
}

var (
	errExpiredToken = fail("ExpiredToken", "Token has expired")
	errInvalidToken = fail("InvalidToken", "Token could not be verified")
	errTakenDown    = unauthorized("AccountTakedown", "Account has been taken down")
)

// createSession logs in with a password.
func (s *Server) createSession(c *call) (any, *xrpcError) {
	var in struct {
		Identifier string `json:"identifier"`
		Password   string `json:"password"`
		Factor     string `json:"authFactorToken"`
	}
	if failed := c.input(&in); failed != nil {
		return nil, failed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.account(in.Identifier)
	if strings.Contains(in.Identifier, "@") {
		for _, other := range s.accounts {
			if strings.EqualFold(other.Email, in.Identifier) {
				a = other
			}
		}
	}
	wrong := unauthorized("AuthenticationRequired", "Invalid identifier or password")
	if a == nil {
		return nil, wrong
	}
	name := ""
	if in.Password != a.Password {
		for known, password := range s.legacy.passwords[a.DID] {
			if password == in.Password {
				name = known
			}
		}
		if name == "" {
			return nil, wrong
		}
	}
	if s.legacy.takenDown[a.DID] {
		return nil, errTakenDown
	}
	if factor := s.legacy.factors[a.DID]; factor != "" && name == "" {
		switch in.Factor {
		case "":
			return nil, unauthorized("AuthFactorTokenRequired", "A sign in code has been sent to your email address")
		case factor:
		default:
			return nil, fail("InvalidToken", "Token is invalid")
		}
	}
	return s.issue(a, randomToken(""), name), nil
}

// refreshToken finds the refresh token of a request. s.mu is held.
func (s *Server) refreshToken(c *call, expiredToo bool) (id string, r *legacyRefresh, failed *xrpcError) {
	token, failed := bearer(c)
	if failed != nil {
		return "", nil, failed
	}
	parts := strings.Split(token, ".")
	var claims map[string]any
	if len(parts) == 3 {
		payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
		json.Unmarshal(payload, &claims) // a text that cannot be read is not a token
	}
	id, _ = claims["jti"].(string)
	if claims["scope"] != "com.atproto.refresh" || !hmac.Equal([]byte(token), []byte(s.legacy.token("refresh+jwt", claims))) {
		return "", nil, errInvalidToken
	}
	if until, ok := claims["exp"].(float64); !expiredToo && (!ok || s.Now().Unix() >= int64(until)) {
		return "", nil, errExpiredToken
	}
	return id, s.legacy.refresh[id], nil
}

// bearer reads the token of a request.
func bearer(c *call) (string, *xrpcError) {
	scheme, token, ok := strings.Cut(c.r.Header.Get("Authorization"), " ")
	switch {
	case c.r.Header.Get("Authorization") == "":
		return "", unauthorized("AuthMissing", "Authentication Required")
	case !ok || strings.Contains(token, " ") || len(c.r.Header.Values("Authorization")) > 1:
		return "", fail("InvalidToken", "Malformed authorization header")
	case !strings.EqualFold(scheme, "Bearer"):
		return "", fail("InvalidToken", "Unexpected authorization type")
	}
	return token, nil
}

// refreshSession issues new tokens.
func (s *Server) refreshSession(c *call) (any, *xrpcError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, r, failed := s.refreshToken(c, false)
	if failed != nil {
		return nil, failed
	}
	now := s.Now()
	if r == nil || !now.Before(r.expires) {
		return nil, fail("ExpiredToken", "Token has been revoked")
	}
	if s.legacy.takenDown[r.did] {
		return nil, errTakenDown
	}
	if r.next == "" {
		r.next = randomToken("")
		r.expires = earlier(r.expires, now.Add(s.legacy.grace))
	}
	return s.issue(s.mustAccount(r.did), r.next, r.name), nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// deleteSession ends a session.
func (s *Server) deleteSession(c *call) (any, *xrpcError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, _, failed := s.refreshToken(c, true)
	if failed != nil {
		return nil, failed
	}
	delete(s.legacy.refresh, id)
	c.w.WriteHeader(http.StatusOK)
	return nil, nil
}

// createAppPassword makes an app password. It needs a session with the account's own password.
func (s *Server) createAppPassword(c *call) (any, *xrpcError) {
	var in struct {
		Name string `json:"name"`
	}
	if failed := c.input(&in); failed != nil {
		return nil, failed
	}
	if !c.auth.full {
		return nil, fail("InvalidToken", "Bad token scope")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if in.Name == "" || s.legacy.passwords[c.auth.did][in.Name] != "" {
		return nil, fail("InvalidRequest", "Could not create app-specific password")
	}
	text := strings.ToLower(rand.Text())
	password := strings.Join([]string{text[:4], text[4:8], text[8:12], text[12:16]}, "-")
	s.legacy.add(c.auth.did, in.Name, password)
	return map[string]any{"name": in.Name, "password": password, "createdAt": s.Now().UTC().Format(time.RFC3339), "privileged": false}, nil
}

// revokeAppPassword removes an app password.
func (s *Server) revokeAppPassword(c *call) (any, *xrpcError) {
	var in struct {
		Name string `json:"name"`
	}
	if failed := c.input(&in); failed != nil {
		return nil, failed
	}
	if !c.auth.full {
		return nil, fail("InvalidToken", "Bad token scope")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.legacy.revoke(c.auth.did, in.Name)
	c.w.WriteHeader(http.StatusOK)
	return nil, nil
}

// authorizeBearer finds the account of an access token.
func (s *Server) authorizeBearer(token string) (*session, *xrpcError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.legacy.access[token]
	switch {
	case a == nil:
		return nil, errInvalidToken
	case !s.Now().Before(a.expires):
		return nil, errExpiredToken
	}
	return &session{did: a.did, scope: scope.ParseGranted(legacyScope), full: a.name == ""}, nil
}
