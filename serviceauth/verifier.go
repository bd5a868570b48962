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
	// leeway is how far the clocks of issuer and verifier may be apart.
	leeway = 30 * time.Second
	// lookAgain is how long the key of an issuer is not asked for again after a signature that
	// did not fit: whoever sends rubbish in somebody's name does not make us ask for each.
	lookAgain = time.Minute
	// maxLooked is how many issuers that is remembered of.
	maxLooked = 10_000
)

// A Verifier says whether tokens are good. Its fields must not change while it is used; apart from
// that it is safe for concurrent use. Audiences and Resolver have to be set.
type Verifier struct {
	// Audiences are what this service is called: its DID with the name that it has in the DID's
	// document, "did:web:feed.example.com#bsky_fg". Tokens for the DID alone are taken as well,
	// for servers still make them, unless RequireService is set. An audience that is a DID alone
	// is that and nothing more.
	Audiences []string

	// RequireService refuses tokens for the DID alone where an audience has a name, as all will
	// do in time: two services of one DID then do not take each other's tokens.
	RequireService bool

	// Resolver finds the documents of issuers. A *identity.Cache is right: for a signature that
	// does not fit it is asked anew, as the key may have changed. Behind another resolver that
	// keeps answers, new keys are taken once it has them.
	Resolver identity.Resolver

	// KeyIDs are the keys of issuers that may sign, without the number sign. Nil: "atproto", the
	// key of accounts. A labeler signs with "atproto_label".
	KeyIDs []string

	// RequireLowS refuses signatures with the greater s of two, which the specification does not
	// allow and the reference takes.
	RequireLowS bool

	// Replays, if set, lets each token in once. Not every client asks for a token for each call:
	// those that do not are refused at the second.
	Replays Replays

	// Logger receives why it could not be found out whether a token is good; nil discards it.
	Logger *slog.Logger

	// Clock tells the time; nil is time.Now.
	Clock func() time.Time

	mu     sync.Mutex
	looked map[syntax.DID]time.Time // when the issuer's document was asked for anew
}

// Verify returns what a token says if it is good for a call of method: of the right kind and
// form, for this service and this method, neither too old nor too new nor longer-lived than
// MaxLife, and signed with a key of its issuer.
//
// Errors are *Error with a Reason. Where the context ended first, that is the cause of
// ErrUnavailable.
func (v *Verifier) Verify(ctx context.Context, text string, method syntax.NSID) (*Claims, error) {
	if len(v.Audiences) == 0 || v.Resolver == nil {
		return nil, refuse(ErrUnavailable, "Verifier.Audiences and Verifier.Resolver have to be set")
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
		// Last, so that nobody can use up the token of somebody else.
		if claims.ID == "" {
			return nil, refuse(ErrMalformed, "it has no jti, and each token is taken once here")
		}
		first, err := v.Replays.First(ctx, string(claims.Issuer)+" "+claims.ID, claims.Expires.Add(leeway))
		switch {
		case err != nil:
			return nil, refuse(ErrUnavailable, "whether it came before is not known: %w", err)
		case !first:
			return nil, refuse(ErrReplayed, "it came before; each token is taken once here")
		}
	}
	return claims, nil
}

// check looks at what the token says.
func (v *Verifier) check(t *token, method syntax.NSID, now time.Time) (*Claims, error) {
	// A token of any other use is not for us (RFC 8725 §3.11).
	switch kind := strings.TrimPrefix(strings.ToLower(t.header.Type), "application/"); kind {
	case "at+jwt", "refresh+jwt", "dpop+jwt":
		return nil, refuse(ErrType, "it is a %s", kind)
	}
	switch {
	case t.header.Algorithm != "ES256" && t.header.Algorithm != "ES256K":
		return nil, refuse(ErrMalformed, "its alg is %.40q; ES256 and ES256K are possible", t.header.Algorithm)
	case t.header.Critical != nil:
		return nil, refuse(ErrMalformed, "it asks for extensions, and none is known")
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
		return nil, refuse(ErrAudience, "it is for %.400q, and this is %q", []string(t.payload.Audience), v.Audiences)
	}
	switch {
	case claims.Method == "":
		return nil, refuse(ErrMethod, "it is for no method; it has to be for %s", method)
	case claims.Method != method:
		return nil, refuse(ErrMethod, "it is for %.200q, and this is %s", claims.Method, method)
	}
	if err := claims.Issuer.Validate(); err != nil {
		return nil, refuse(ErrIssuer, "%w", err)
	}
	if ids := v.KeyIDs; !slices.Contains(ids, claims.KeyID) && (ids != nil || claims.KeyID != accountKey) {
		return nil, refuse(ErrIssuer, "the key %.80q is none that signs tokens for this service", claims.KeyID)
	}
	return claims, nil
}

func checkTimes(t *token, now time.Time) error {
	expires, issued, notYet := t.payload.Expires.Time, t.payload.IssuedAt.Time, t.payload.NotYet.Time
	switch {
	case !now.Before(expires.Add(leeway)):
		return refuse(ErrExpired, "it ran out at %s, and it is %s", expires.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	case expires.Sub(now) > MaxLife+leeway:
		return refuse(ErrExpired, "it lives until %s; %s are allowed", expires.UTC().Format(time.RFC3339), MaxLife)
	case issued.After(now.Add(leeway)), notYet.After(now.Add(leeway)):
		return refuse(ErrExpired, "its time has not come yet: it is %s here", now.UTC().Format(time.RFC3339))
	}
	return nil
}

// audienceOf returns the audience of the token that is ours, "" if none is.
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

// checkSignature finds the issuer's key. Where it does not fit, it may have changed since it was
// found, and is asked for once more.
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
		return refuse(ErrSignature, "its alg is %s, and the issuer's key is one for %s", t.header.Algorithm, key.Algorithm())
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

// mayLook reports whether the document of did may be asked for anew, and notes that it is.
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
