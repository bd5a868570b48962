package labels

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// The kinds of an *Error, for errors.Is.
var (
	// ErrUnsigned: the label has no signature.
	ErrUnsigned = errors.New("no signature")
	// ErrVersion: this package does not know the label's version, so it does not know what was
	// signed.
	ErrVersion = errors.New("unknown version")
	// ErrSignature: the labeler did not sign the label.
	ErrSignature = errors.New("invalid signature")
	// ErrKey: the labeler's DID document cannot be fetched, or has no key for labels. The cause is
	// an *identity.Error. If it is identity.ErrUnreachable, another try can help.
	ErrKey = errors.New("no key")
)

// An Error says why a label could not be verified.
type Error struct {
	Labeler syntax.DID // the source that the label names
	Kind    error      // one of the Err values of this package
	Err     error      // the details; may be nil
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("labels: of %.300q: %v", string(e.Labeler), e.Kind)
	}
	return fmt.Sprintf("labels: of %.300q: %v: %v", string(e.Labeler), e.Kind, e.Err)
}

// Unwrap returns the kind and the details.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// A Verifier verifies signatures of labels. It is safe for concurrent use, and must not be copied.
type Verifier struct {
	// Resolver finds the documents of labelers. Use an *identity.Cache, because there are many
	// labels. If a signature does not fit, the document is fetched again, at most once a minute,
	// because the labeler may have changed its key.
	Resolver identity.Resolver

	mu     sync.Mutex
	looked map[syntax.DID]time.Time // when a document was fetched again
}

// keyID is the ID of a labeler's key for labels.
const keyID = "atproto_label"

// Verify returns nil if the labeler in label.Src has signed the label. The signature covers the
// DAG-CBOR of all fields except the signature. It is made with the key #atproto_label in the
// labeler's DID document. The error is an *Error.
//
// Verify does not check when the label was made or expires, nor whether you trust the labeler.
func (v *Verifier) Verify(ctx context.Context, label *comatproto.LabelDefsLabel) error {
	switch {
	case v.Resolver == nil:
		return errors.New("labels: Verifier.Resolver is nil: set an identity.Resolver")
	case label == nil:
		return errors.New("labels: the label is nil")
	case len(label.Sig) == 0:
		return &Error{Labeler: label.Src, Kind: ErrUnsigned}
	case label.Ver != nil && *label.Ver != version:
		return &Error{Labeler: label.Src, Kind: ErrVersion, Err: fmt.Errorf("it is version %d, but only version %d is supported", *label.Ver, version)}
	}
	forms, err := signedForms(label)
	if err != nil {
		return &Error{Labeler: label.Src, Kind: ErrSignature, Err: err}
	}
	key, err := v.key(ctx, v.Resolver, label.Src)
	if err == nil {
		if err = check(key, forms, label); err == nil {
			return nil
		}
	}
	cache, ok := v.Resolver.(interface{ Fresh() identity.Resolver })
	if !ok || errors.Is(err, identity.ErrUnreachable) || !v.mayLook(label.Src, time.Now()) {
		return err
	}
	fresh, freshErr := v.key(ctx, cache.Fresh(), label.Src)
	if freshErr != nil {
		return freshErr
	}
	return check(fresh, forms, label)
}

// key fetches the key of a labeler.
func (v *Verifier) key(ctx context.Context, r identity.Resolver, labeler syntax.DID) (*identity.PublicKey, error) {
	document, err := r.ResolveDID(ctx, labeler)
	if err != nil {
		return nil, &Error{Labeler: labeler, Kind: ErrKey, Err: err}
	}
	key, err := document.PublicKey(keyID)
	if err != nil {
		return nil, &Error{Labeler: labeler, Kind: ErrKey, Err: err}
	}
	return key, nil
}

// check checks whether one of the forms was signed.
func check(key *identity.PublicKey, forms [][]byte, label *comatproto.LabelDefsLabel) (err error) {
	for _, form := range forms {
		if err = key.Verify(form, label.Sig); err == nil {
			return nil
		}
	}
	return &Error{Labeler: label.Src, Kind: ErrSignature, Err: err}
}

const (
	// lookAgain is how long a document that was fetched again is not fetched once more.
	lookAgain = time.Minute
	// maxLooked is how many labelers are remembered.
	maxLooked = 1000
)

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
