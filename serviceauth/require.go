package serviceauth

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// Require returns a handler that calls next for calls with a valid token. In next, From returns the
// content of the token. It answers all other calls with 401, or with 503 if the token could not be
// checked, and with JSON like other methods: {"error":"BadJwtAudience","message":"…"}.
//
// The token must be for the method in the path, after "/xrpc/".
//
// Require panics if Audiences or Resolver is not set.
func (v *Verifier) Require(next http.Handler) http.Handler {
	if len(v.Audiences) == 0 || v.Resolver == nil {
		panic("serviceauth: set Verifier.Audiences and Verifier.Resolver")
	}
	for _, audience := range v.Audiences {
		if err := checkAudience(audience); err != nil {
			panic("serviceauth: Verifier.Audiences: " + err.Error())
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, err := v.verifyRequest(r)
		if err != nil {
			if v.Logger != nil && errors.Is(err, ErrUnavailable) {
				v.Logger.WarnContext(r.Context(), "serviceauth: a token could not be verified", "error", err)
			}
			answer(w, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, claims)))
	})
}

// Optional is Require, but it also calls next for calls without a token; From then returns false. A
// token that is not valid is still refused.
func (v *Verifier) Optional(next http.Handler) http.Handler {
	required := v.Require(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			next.ServeHTTP(w, r)
			return
		}
		required.ServeHTTP(w, r)
	})
}

type contextKey struct{}

// From returns the content of the token of a call that Require has accepted.
func From(ctx context.Context) (*Claims, bool) {
	claims, ok := ctx.Value(contextKey{}).(*Claims)
	return claims, ok
}

func (v *Verifier) verifyRequest(r *http.Request) (*Claims, error) {
	_, path, ok := strings.Cut(r.URL.Path, "/xrpc/")
	method := syntax.NSID(path)
	if !ok || method.Validate() != nil {
		return nil, refuse(ErrMethod, "the path %.200q names no method after /xrpc/", r.URL.Path)
	}
	given := r.Header.Values("Authorization")
	if len(given) == 0 {
		return nil, refuse(ErrMissing, `there is no token; the header field Authorization has to be "Bearer" and the token`)
	}
	scheme, text, _ := strings.Cut(given[0], " ")
	if len(given) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return nil, refuse(ErrMissing, `the header field Authorization has to be "Bearer" and one token`)
	}
	return v.Verify(r.Context(), strings.TrimSpace(text), method)
}

// answer answers the caller. If the token could not be checked, the reason goes only into the
// service's own log.
func answer(w http.ResponseWriter, err error) {
	reason, message := reasonOf(err), err.Error()
	if reason == ErrUnavailable {
		message = "the token could not be checked now; try again later"
	} else {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		if reason == ErrMissing {
			w.Header().Set("WWW-Authenticate", "Bearer")
		}
	}
	body, _ := json.Marshal(map[string]string{"error": string(reason), "message": message}) // strings always marshal
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(reason.Status())
	w.Write(body)
}
