package labels

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/serviceauth"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A real label, of a labeler that anybody can ask.
const (
	realKey   = "zQ3shcnfWLQN1bY4d2patsEAYFzy4xp1zdckEvHsV7S4ocTnC"
	realLabel = `{"ver":1,"src":"did:plc:n3timvoib5nau7gvwd6cshap","uri":"did:plc:44ybard66vv44zksje25o7dz","val":"bladerunner",
		"cts":"2024-10-23T17:51:19.128Z","sig":{"$bytes":"uCRNA5mTzh078T5xZtkvLEt/O+z0gsKM3aqRI/lVAB8ZtbMnznwS/JwHopZE40JhNNDj80z8gsDLAp/hWqG5Pg"}}`
)

// labeler is a document with a key for labels.
func labeler(did syntax.DID, id, multikey string) *identity.Document {
	return &identity.Document{ID: did, VerificationMethods: []identity.VerificationMethod{
		{ID: string(did) + "#" + id, Type: "Multikey", Controller: string(did), PublicKeyMultibase: multikey},
	}}
}

func verifierOf(documents ...*identity.Document) *Verifier {
	r := identity.NewStatic()
	for _, d := range documents {
		r.Documents[d.ID] = d
	}
	return &Verifier{Resolver: r}
}

func parse(t *testing.T, text string) *comatproto.LabelDefsLabel {
	t.Helper()
	var label comatproto.LabelDefsLabel
	if err := lex.UnmarshalJSON([]byte(text), &label); err != nil {
		t.Fatal(err)
	}
	return &label
}

func TestRealLabel(t *testing.T) {
	const did syntax.DID = "did:plc:n3timvoib5nau7gvwd6cshap"
	good := labeler(did, "atproto_label", realKey)
	for _, tt := range []struct {
		name   string
		change func(*comatproto.LabelDefsLabel)
		doc    *identity.Document
		want   error
	}{
		{"as it is", func(*comatproto.LabelDefsLabel) {}, good, nil},
		{"passed on with neg written out", func(l *comatproto.LabelDefsLabel) { l.Neg = new(false) }, good, nil},
		{"passed on without its version", func(l *comatproto.LabelDefsLabel) { l.Ver = nil }, good, nil},
		{"passed on with its type", func(l *comatproto.LabelDefsLabel) {
			l.Extra.Set("$type", []byte(`"com.atproto.label.defs#label"`))
		}, good, nil},
		{"another value", func(l *comatproto.LabelDefsLabel) { l.Val = "porn" }, good, ErrSignature},
		{"another subject", func(l *comatproto.LabelDefsLabel) { l.URI = "did:plc:other" }, good, ErrSignature},
		{"negated", func(l *comatproto.LabelDefsLabel) { l.Neg = new(true) }, good, ErrSignature},
		{"for one version of the record", func(l *comatproto.LabelDefsLabel) {
			l.CID = new(syntax.CID("bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"))
		}, good, ErrSignature},
		{"for ever", func(l *comatproto.LabelDefsLabel) { l.Exp = new(syntax.Datetime("2999-01-01T00:00:00Z")) }, good, ErrSignature},
		{"with a field more", func(l *comatproto.LabelDefsLabel) { l.Extra.Set("note", []byte(`"x"`)) }, good, ErrSignature},
		{"without its signature", func(l *comatproto.LabelDefsLabel) { l.Sig = nil }, good, ErrUnsigned},
		{"with half of it", func(l *comatproto.LabelDefsLabel) { l.Sig = l.Sig[:32] }, good, ErrSignature},
		{"of another version", func(l *comatproto.LabelDefsLabel) { l.Ver = new(int64(2)) }, good, ErrVersion},
		{"of a labeler whose key is for something else", func(*comatproto.LabelDefsLabel) {}, labeler(did, "atproto", realKey), ErrKey},
		{"of a labeler that there is not", func(l *comatproto.LabelDefsLabel) { l.Src = "did:plc:nobody" }, good, ErrKey},
		{"as another labeler's", func(l *comatproto.LabelDefsLabel) { l.Src = "did:plc:other" }, labeler("did:plc:other", "atproto_label", realKey), ErrSignature},
	} {
		t.Run(tt.name, func(t *testing.T) {
			label := parse(t, realLabel)
			tt.change(label)
			err := verifierOf(tt.doc).Verify(t.Context(), label)
			e, typed := errors.AsType[*Error](err)
			if (err == nil) != (tt.want == nil) || !errors.Is(err, tt.want) || err != nil && (!typed || e.Labeler != label.Src || e.Kind != tt.want) {
				t.Error(err)
			}
		})
	}
	t.Run("the other s of the signature is refused", func(t *testing.T) {
		label := parse(t, realLabel)
		order, _ := new(big.Int).SetString("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16)
		s := new(big.Int).SetBytes(label.Sig[32:])
		copy(label.Sig[32:], new(big.Int).Sub(order, s).FillBytes(make([]byte, 32)))
		if err := verifierOf(good).Verify(t.Context(), label); !errors.Is(err, ErrSignature) || !errors.Is(err, identity.ErrInvalidSignature) {
			t.Error(err)
		}
	})
	t.Run("a label stays as it is", func(t *testing.T) {
		label := parse(t, realLabel)
		label.Extra.Set("$type", []byte(`"com.atproto.label.defs#label"`))
		before, _ := lex.MarshalJSON(label)
		verifierOf(good).Verify(t.Context(), label)
		if after, err := lex.MarshalJSON(label); string(after) != string(before) || err != nil {
			t.Errorf("%s, was %s", after, before)
		}
	})
	t.Run("without a resolver", func(t *testing.T) {
		if err := new(Verifier).Verify(t.Context(), parse(t, realLabel)); err == nil || !strings.Contains(err.Error(), "Verifier.Resolver is nil") {
			t.Error(err)
		}
	})
}

// signer signs on P-256.
type signer struct {
	private *ecdsa.PrivateKey
	multi   string
}

func newSigner(t *testing.T) signer {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := serviceauth.NewKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer{private, key.Public().Multikey()}
}

func (s signer) sign(t *testing.T, label *comatproto.LabelDefsLabel) {
	t.Helper()
	label.Sig = nil
	b, err := lex.MarshalCBOR(label)
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(b)
	r, sum, err := ecdsa.Sign(rand.Reader, s.private, hash[:])
	if err != nil {
		t.Fatal(err)
	}
	if order := elliptic.P256().Params().N; sum.Cmp(new(big.Int).Rsh(order, 1)) > 0 {
		sum.Sub(order, sum)
	}
	label.Sig = append(r.FillBytes(make([]byte, 32)), sum.FillBytes(make([]byte, 32))...)
}

func TestFormsOfLabels(t *testing.T) {
	const did syntax.DID = "did:plc:labeler"
	key := newSigner(t)
	v := verifierOf(labeler(did, "atproto_label", key.multi))
	fresh := func() *comatproto.LabelDefsLabel {
		return &comatproto.LabelDefsLabel{Ver: new(int64(1)), Src: did, URI: "did:plc:a", Val: "spam", Cts: "2026-01-01T00:00:00Z"}
	}
	for _, tt := range []struct {
		name         string
		signed, came func(*comatproto.LabelDefsLabel)
		want         error
	}{
		{"neg is false, and dropped on the way", func(l *comatproto.LabelDefsLabel) { l.Neg = new(false) }, func(l *comatproto.LabelDefsLabel) { l.Neg = nil }, nil},
		{"without a version, as it is", func(l *comatproto.LabelDefsLabel) { l.Ver = nil }, func(*comatproto.LabelDefsLabel) {}, nil},
		{"with a field of the future", func(l *comatproto.LabelDefsLabel) { l.Extra.Set("new", []byte(`[1]`)) }, func(*comatproto.LabelDefsLabel) {}, nil},
		{"a negation, of which somebody makes a label", func(l *comatproto.LabelDefsLabel) { l.Neg = new(true) }, func(l *comatproto.LabelDefsLabel) { l.Neg = nil }, ErrSignature},
		{"a negation, of which somebody makes a label, in so many words", func(l *comatproto.LabelDefsLabel) { l.Neg = new(true) }, func(l *comatproto.LabelDefsLabel) { l.Neg = new(false) }, ErrSignature},
	} {
		t.Run(tt.name, func(t *testing.T) {
			label := fresh()
			tt.signed(label)
			key.sign(t, label)
			tt.came(label)
			if err := v.Verify(t.Context(), label); (err == nil) != (tt.want == nil) || !errors.Is(err, tt.want) {
				t.Error(err)
			}
		})
	}
}

// changing is a Resolver whose answers are old until it is asked anew.
type changing struct {
	mu       sync.Mutex
	old, new *identity.Document
	asked    int
	down     error
}

func (c *changing) ResolveHandle(context.Context, syntax.Handle) (syntax.DID, error) {
	return "", errors.ErrUnsupported
}

func (c *changing) ResolveDID(context.Context, syntax.DID) (*identity.Document, error) {
	return c.old, c.down
}

func (c *changing) Fresh() identity.Resolver { return asked{c} }

type asked struct{ *changing }

func (a asked) ResolveDID(context.Context, syntax.DID) (*identity.Document, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	return a.new, nil
}

func TestKeysThatChange(t *testing.T) {
	const did syntax.DID = "did:plc:labeler"
	before, after := newSigner(t), newSigner(t)
	label := &comatproto.LabelDefsLabel{Ver: new(int64(1)), Src: did, URI: "did:plc:a", Val: "spam", Cts: "2026-01-01T00:00:00Z"}
	after.sign(t, label)
	t.Run("a signature that does not fit is looked at with the key of today", func(t *testing.T) {
		r := &changing{old: labeler(did, "atproto_label", before.multi), new: labeler(did, "atproto_label", after.multi)}
		if err := (&Verifier{Resolver: r}).Verify(t.Context(), label); err != nil || r.asked != 1 {
			t.Error(err, r.asked)
		}
	})
	t.Run("but nobody makes us ask for every label", func(t *testing.T) {
		r := &changing{old: labeler(did, "atproto_label", before.multi), new: labeler(did, "atproto_label", before.multi)}
		v := &Verifier{Resolver: r}
		for range 100 {
			if err := v.Verify(t.Context(), label); !errors.Is(err, ErrSignature) {
				t.Error(err)
			}
		}
		if r.asked != 1 {
			t.Errorf("it was asked %d times", r.asked)
		}
	})
	t.Run("a directory that is down is told", func(t *testing.T) {
		r := &changing{down: &identity.Error{Subject: string(did), Kind: identity.ErrUnreachable}}
		if err := (&Verifier{Resolver: r}).Verify(t.Context(), label); !errors.Is(err, ErrKey) || !errors.Is(err, identity.ErrUnreachable) || r.asked != 0 {
			t.Error(err, r.asked)
		}
	})
}

func TestNoLabelIsAnError(t *testing.T) {
	v := &Verifier{Resolver: identity.NewStatic()}
	if err := v.Verify(t.Context(), nil); err == nil {
		t.Error("no error")
	}
}
