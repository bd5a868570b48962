package serviceauth

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

const (
	// leeway is how far the clocks of issuer and verifier may differ.
	leeway = 30 * time.Second
	// lookAgain is how long the key of an issuer is not fetched again after a wrong signature.
	// Without it, somebody who sends invalid tokens in another's name could cause a request for
	// each of them.
	lookAgain = time.Minute
	// maxLooked is for how many issuers that is remembered.
	maxLooked = 10_000
)

// A Verifier verifies tokens. Audiences and Resolver must be set. Do not change its fields while it
// is in use; otherwise it is safe for concurrent use.
type Verifier struct {
	// Audiences are the names of this service: its DID with the service's id in the DID's document,
	// "did:web:feed.example.com#bsky_fg". Tokens for the DID alone are accepted too, because
	// servers still make them, unless RequireService is set. An audience that is only a DID accepts
	// tokens for exactly that DID.
	Audiences []string

	// RequireService refuses tokens for the DID alone if the audience has a service id. Then two
	// services of one DID do not accept each other's tokens. The specification will demand this in
	// the future.
	RequireService bool

	// Resolver finds the documents of issuers. Use an *identity.Cache: if a signature does not fit,
	// the document is fetched again, because the key may have changed. With another caching
	// resolver, a new key works only when the cache has it.
	Resolver identity.Resolver

	// KeyIDs are the keys of issuers that may sign, without the number sign. Nil means "atproto",
	// the key of accounts. A labeler signs with "atproto_label".
	KeyIDs []string

	// RequireLowS refuses signatures with the greater of the two possible s. The specification does
	// not allow them, but the reference accepts them.
	RequireLowS bool

	// Replays, if set, makes the Verifier accept each token only once. Some clients use a token for
	// several calls; their second call is then refused.
	Replays Replays

	// Logger receives the reason if a token could not be checked. Nil discards it.
	Logger *slog.Logger

	// Clock returns the current time; nil is time.Now.
	Clock func() time.Time

	mu     sync.Mutex
	looked map[syntax.DID]time.Time // when the issuer's document was last fetched again
}

// Verify returns the content of a token if it is valid for a call of method. The token must have
// the right kind and form, be for this service and this method, be valid now and for at most
// MaxLife, and be signed with a key of its issuer.
//
// Errors are *Error with a Reason. If the context ended first, that is the cause of ErrUnavailable.
func (v *Verifier) Verify(ctx context.Context, text string, method syntax.NSID) (*Claims, error) {
	if len(v.Audiences) == 0 || v.Resolver == nil {
		return nil, refuse(ErrUnavailable, "set Verifier.Audiences and Verifier.Resolver")
	}
	if text == "" {
		return nil, refuse(ErrMissing, "there is no token")
	}
	t, err := parse(text)
	if err != nil {
		return nil, refuse(ErrMalformed, "%w", err)
	}
	now := time.Now()
	if v.Clock != nil {
		now = v.Clock()
	}
	claims, err := v.check(t, method, now)
	if err != nil {
		return nil, err
	}
	if err := v.checkSignature(ctx, t, claims, now); err != nil {
		return nil, err
	}
	if v.Replays != nil {
		// Checked last, so that nobody can use up another's token.
		if claims.ID == "" {
			return nil, refuse(ErrMalformed, "it has no jti, and this service accepts each token only once")
		}
		first, err := v.Replays.First(ctx, string(claims.Issuer)+" "+claims.ID, claims.Expires.Add(leeway))
		switch {
		case err != nil:
			return nil, refuse(ErrUnavailable, "it is unknown whether the token was used before: %w", err)
		case !first:
			return nil, refuse(ErrReplayed, "it was used before, and this service accepts each token only once")
		}
	}
	return claims, nil
}

// check checks the content of a token.
func (v *Verifier) check(t *token, method syntax.NSID, now time.Time) (*Claims, error) {
	// A token for any other use is not accepted here (RFC 8725 §3.11).
	switch kind := strings.TrimPrefix(strings.ToLower(t.header.Type), "application/"); kind {
	case "at+jwt", "refresh+jwt", "dpop+jwt":
		return nil, refuse(ErrType, "it is a %s", kind)
	}
	switch {
	case t.header.Algorithm != "ES256" && t.header.Algorithm != "ES256K":
		return nil, refuse(ErrMalformed, "its alg is %.40q; use ES256 or ES256K", t.header.Algorithm)
	case t.header.Critical != nil:
		return nil, refuse(ErrMalformed, "it requires extensions (crit), which are not supported")
	case t.payload.Expires.IsZero():
		return nil, refuse(ErrMalformed, "it has no exp")
	}
	claims := &Claims{
		Issuer: syntax.DID(t.payload.Issuer), Method: syntax.NSID(t.payload.Method), ID: t.payload.ID,
		KeyID: accountKey, IssuedAt: t.payload.IssuedAt.Time, Expires: t.payload.Expires.Time,
	}
	if t.header.KeyID != "" {
		claims.KeyID = strings.TrimPrefix(t.header.KeyID, "#")
	}
	if err := checkTimes(t, now); err != nil {
		return nil, err
	}
	if claims.Audience = v.audienceOf(t); claims.Audience == "" {
		return nil, refuse(ErrAudience, "it is for %.400q, but this service is %q", []string(t.payload.Audience), v.Audiences)
	}
	switch {
	case claims.Method == "":
		return nil, refuse(ErrMethod, "it is for no method; it must be for %s", method)
	case claims.Method != method:
		return nil, refuse(ErrMethod, "it is for %.200q, but this call is of %s", claims.Method, method)
	}
	if err := claims.Issuer.Validate(); err != nil {
		return nil, refuse(ErrIssuer, "%w", err)
	}
	if ids := v.KeyIDs; !slices.Contains(ids, claims.KeyID) && (ids != nil || claims.KeyID != accountKey) {
		return nil, refuse(ErrIssuer, "this service does not accept tokens signed with the key %.80q", claims.KeyID)
	}
	return claims, nil
}

func checkTimes(t *token, now time.Time) error {
	expires, issued, notYet := t.payload.Expires.Time, t.payload.IssuedAt.Time, t.payload.NotYet.Time
	switch {
	case !now.Before(expires.Add(leeway)):
		return refuse(ErrExpired, "it expired at %s, and it is %s now", expires.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	case expires.Sub(now) > MaxLife+leeway:
		return refuse(ErrExpired, "it is valid until %s; at most %s are allowed", expires.UTC().Format(time.RFC3339), MaxLife)
	case issued.After(now.Add(leeway)), notYet.After(now.Add(leeway)):
		return refuse(ErrExpired, "it is not valid yet: it is %s now", now.UTC().Format(time.RFC3339))
	}
	return nil
}

// audienceOf returns the audience of the token that is this service, or "" if there is none.
func (v *Verifier) audienceOf(t *token) string {
	for _, audience := range t.payload.Audience {
		for _, own := range v.Audiences {
			did, _, named := strings.Cut(own, "#")
			if audience == own || named && audience == did && !v.RequireService {
				return audience
			}
		}
	}
	return ""
}

// checkSignature gets the issuer's key. If the signature does not fit, the key may have changed,
// and it is fetched once more.
func (v *Verifier) checkSignature(ctx context.Context, t *token, claims *Claims, now time.Time) error {
	key, err := v.keyOf(ctx, v.Resolver, claims)
	if err == nil {
		if err = v.fits(key, t); err == nil {
			return nil
		}
	}
	cache, ok := v.Resolver.(interface{ Fresh() identity.Resolver })
	if !ok || errors.Is(err, ErrUnavailable) || !v.mayLook(claims.Issuer, now) {
		return err
	}
	fresh, freshErr := v.keyOf(ctx, cache.Fresh(), claims)
	switch {
	case freshErr != nil:
		return freshErr
	case fresh.Equal(key):
		return err
	}
	return v.fits(fresh, t)
}

func (v *Verifier) fits(key *identity.PublicKey, t *token) error {
	if key.Algorithm() != t.header.Algorithm {
		return refuse(ErrSignature, "its alg is %s, but the issuer's key is for %s", t.header.Algorithm, key.Algorithm())
	}
	verify := key.VerifyEitherS
	if v.RequireLowS {
		verify = key.Verify
	}
	if err := verify(t.signed, t.signature); err != nil {
		return refuse(ErrSignature, "%w", err)
	}
	return nil
}

func (v *Verifier) keyOf(ctx context.Context, r identity.Resolver, claims *Claims) (*identity.PublicKey, error) {
	document, err := r.ResolveDID(ctx, claims.Issuer)
	switch {
	case err != nil && (errors.Is(err, identity.ErrUnreachable) || ctx.Err() != nil):
		return nil, refuse(ErrUnavailable, "%w", err)
	case err != nil:
		return nil, refuse(ErrIssuer, "%w", err)
	}
	key, err := document.PublicKey(claims.KeyID)
	if err != nil {
		return nil, refuse(ErrIssuer, "%w", err)
	}
	return key, nil
}

// mayLook reports whether the document of did may be fetched again, and notes that it is.
func (v *Verifier) mayLook(did syntax.DID, now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if last, ok := v.looked[did]; ok && now.Sub(last).Abs() < lookAgain {
		return false
	}
	if v.looked == nil || len(v.looked) >= maxLooked {
		v.looked = make(map[syntax.DID]time.Time)
	}
	v.looked[did] = now
	return true
}
