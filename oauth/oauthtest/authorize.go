package oauthtest

import (
	"context"
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Approve acts as a user who opens loginURL, signs in as account, and agrees. It returns the URL
// that the user's browser is sent back to. This URL may carry an error instead of a code; pass it
// to Callback to find out. Approve fails if the browser would not be sent back, because the URL is
// not one of this server or its request_uri is unknown.
func (s *Server) Approve(ctx context.Context, loginURL string, account Account) (*url.URL, error) {
	return s.answerLogin(ctx, loginURL, string(account.DID), nil)
}

// ApprovePart is Approve for a user who agrees to a part of the requested scope. scope is that
// part, such as "atproto". What was not requested is not granted.
func (s *Server) ApprovePart(ctx context.Context, loginURL string, account Account, scope string) (*url.URL, error) {
	return s.answerLogin(ctx, loginURL, string(account.DID), strings.Fields(scope))
}

// Deny is Approve for a user who refuses.
func (s *Server) Deny(ctx context.Context, loginURL string) (*url.URL, error) {
	return s.answerLogin(ctx, loginURL, "", nil)
}

// answerLogin opens the page of loginURL and agrees as the account id, to the scopes in agreed; nil stands for all of them. If id
// is empty, it refuses.
func (s *Server) answerLogin(ctx context.Context, loginURL, id string, agreed []string) (*url.URL, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	u, err := url.Parse(loginURL)
	if err != nil {
		return nil, fmt.Errorf("oauthtest: login URL: %w", err)
	}
	if page, _, _ := strings.Cut(loginURL, "?"); page != s.signIn {
		return nil, fmt.Errorf("oauthtest: %q is not a login at %s", loginURL, s.signIn)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var who *account
	if id != "" {
		if who = s.account(id); who == nil {
			return nil, fmt.Errorf("oauthtest: no account %q", id)
		}
	}
	r, back, refused := s.openRequest(u.Query())
	switch {
	case refused != nil:
		return nil, fmt.Errorf("oauthtest: login: %w", refused)
	case back != nil:
		return back, nil
	}
	if agreed != nil {
		r.agreed = slices.DeleteFunc(strings.Fields(r.params.Get("scope")), func(token string) bool { return !slices.Contains(agreed, token) })
	}
	return s.decide(r, who), nil
}

// openRequest finds the request that a browser brings. If it cannot go on, it returns where to send
// the browser (back), or the error to show (refused). s.mu is held.
func (s *Server) openRequest(query url.Values) (r *request, back *url.URL, refused *oauthError) {
	r, ok := s.grants.requests[query.Get("request_uri")]
	if !ok {
		return nil, nil, refuse("invalid_request", "Unknown request_uri")
	}
	reason := ""
	switch {
	case r.code != "":
		reason = "This request was already authorized"
	case s.Now().After(r.expires):
		reason = "This request has expired"
	case query.Get("client_id") != r.client.ID:
		reason = "This request was initiated for another client"
	}
	if reason != "" {
		s.grants.forget(r)
		return nil, s.redirect(r, "error", "access_denied", "error_description", reason), nil
	}
	if r.params.Get("prompt") == "none" {
		return nil, s.silently(r), nil
	}
	r.expires = s.Now().Add(requestLife)
	return r, nil, nil
}

// decide ends the user's part. who is the account that agrees; nil refuses. s.mu is held.
func (s *Server) decide(r *request, who *account) *url.URL {
	if who == nil {
		s.grants.forget(r)
		return s.redirect(r, "error", "access_denied", "error_description", "The user rejected the request")
	}
	if r.agreed == nil {
		r.agreed = strings.Fields(r.params.Get("scope"))
	}
	s.agreed.note(r, who)
	r.account = who
	r.code = randomToken("cod-")
	r.expires = s.Now().Add(codeLife)
	s.grants.codes[r.code] = r
	return s.redirect(r, "code", r.code)
}

// redirect returns the client's redirect URI with parameters. It always adds iss, and state if
// there was one (RFC 9207).
func (s *Server) redirect(r *request, params ...string) *url.URL {
	query := url.Values{"iss": {"https://" + s.issuer}}
	if state := r.params.Get("state"); state != "" {
		query.Set("state", state)
	}
	for i := 0; i < len(params); i += 2 {
		query.Set(params[i], params[i+1])
	}
	u, err := url.Parse(r.params.Get("redirect_uri"))
	if err != nil {
		panic(err) // it was parsed when the request was pushed
	}
	switch {
	case r.params.Get("response_mode") == "fragment":
		u.Fragment, u.RawFragment = "", ""
		u, _ = url.Parse(u.String() + "#" + query.Encode())
	case u.RawQuery != "":
		u.RawQuery += "&" + query.Encode()
	default:
		u.RawQuery = query.Encode()
	}
	return u
}

// SignInPage serves the sign-in page, which also asks for consent. It works at any path.
// WithSignInPage tells clients where it is.
func (s *Server) SignInPage() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet:
			s.showLogin(w, r)
		case http.MethodPost:
			s.submitLogin(w, r)
		default:
			allowed(w, r, http.MethodGet)
		}
	})
}

// showLogin shows the page to a browser.
func (s *Server) showLogin(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	req, back, refused := s.openRequest(r.URL.Query())
	s.mu.Unlock()
	if refused != nil {
		showError(w, refused)
		return
	}
	if back != nil {
		http.Redirect(w, r, back.String(), http.StatusSeeOther)
		return
	}
	showPage(w, http.StatusOK, s.loginPage(req, ""))
}

// submitLogin handles the page's form.
func (s *Server) submitLogin(w http.ResponseWriter, r *http.Request) {
	if err := new(http.CrossOriginProtection).Check(r); err != nil {
		showError(w, refuse("invalid_request", "The form was sent from another site"))
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		showError(w, refuse("invalid_request", "Invalid form"))
		return
	}
	s.mu.Lock()
	req, back, refused := s.openRequest(r.PostForm)
	wrong := false
	if refused == nil && back == nil {
		if r.PostForm.Get("answer") != "allow" {
			back = s.decide(req, nil)
		} else if who := s.account(r.PostForm.Get("username")); who != nil && samePassword(who.Password, r.PostForm.Get("password")) {
			back = s.decide(req, who)
		} else {
			wrong = true
		}
	}
	s.mu.Unlock()
	switch {
	case refused != nil:
		showError(w, refused)
	case wrong:
		showPage(w, http.StatusUnauthorized, s.loginPage(req, r.PostForm.Get("username")))
	default:
		http.Redirect(w, r, back.String(), http.StatusSeeOther)
	}
}

func samePassword(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
