package identity_test

import (
	"context"
	"errors"
	"testing"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A fixed resolver answers from tables.
type fixed struct {
	handles map[syntax.Handle]syntax.DID
	docs    map[syntax.DID]string
	fail    error                             // of ResolveHandle, if set
	before  func(ctx context.Context)         // called by ResolveHandle
	lie     map[syntax.DID]*identity.Document // answers that are not checked
}

func (f *fixed) ResolveHandle(ctx context.Context, h syntax.Handle) (syntax.DID, error) {
	if f.before != nil {
		f.before(ctx)
	}
	if f.fail != nil {
		return "", f.fail
	}
	did, ok := f.handles[h]
	if !ok {
		return "", &identity.Error{Subject: string(h), Kind: identity.ErrNotFound}
	}
	return did, nil
}

func (f *fixed) ResolveDID(_ context.Context, did syntax.DID) (*identity.Document, error) {
	if doc, ok := f.lie[did]; ok {
		return doc, nil
	}
	doc, ok := f.docs[did]
	if !ok {
		return nil, &identity.Error{Subject: string(did), Kind: identity.ErrNotFound}
	}
	return identity.ParseDocument([]byte(doc), did)
}

func TestLookup(t *testing.T) {
	world := func() *fixed {
		return &fixed{
			handles: map[syntax.Handle]syntax.DID{"alice.test": alice, "bob.test": bob, "stolen.test": alice, "gone.test": "did:web:gone.test"},
			docs: map[syntax.DID]string{
				alice:                   document(alice, "at://Alice.test", "https://PDS.test/"),
				bob:                     document(bob, "at://alice.test", "https://pds.test"), // claims what is not bob's
				"did:web:none.test":     `{"id": "did:web:none.test", "service": [{"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": "https://pds.test"}]}`,
				"did:web:nopds.test":    `{"id": "did:web:nopds.test", "alsoKnownAs": ["at://nopds.test"]}`,
				"did:web:reserved.test": document("did:web:reserved.test", "at://x.local", "https://pds.test"),
				"did:web:lost.test":     document("did:web:lost.test", "at://lost.test", "https://pds.test"),
			},
		}
	}
	tests := []struct {
		name   string
		id     syntax.AtIdentifier
		did    syntax.DID
		handle syntax.Handle
		err    error
	}{
		{"O31 a handle that holds both ways", "ALICE.test", alice, "alice.test", nil},
		{"O31 P29 a handle its account does not claim", "stolen.test", "", "", identity.ErrHandleMismatch},
		{"O31 a handle whose account claims another's", "bob.test", "", "", identity.ErrHandleMismatch},
		{"a handle that does not exist", "nobody.test", "", "", identity.ErrNotFound},
		{"a handle of a DID that does not exist", "gone.test", "", "", identity.ErrNotFound},
		{"O31 a DID whose handle holds", syntax.AtIdentifier(alice), alice, "alice.test", nil},
		{"O31 P29 a DID that claims another's handle", syntax.AtIdentifier(bob), bob, syntax.HandleInvalid, nil},
		{"O31 a DID whose handle does not exist", "did:web:lost.test", "did:web:lost.test", syntax.HandleInvalid, nil},
		{"O31 a DID without a handle", "did:web:none.test", "did:web:none.test", syntax.HandleInvalid, nil},
		{"O26 a DID whose handle is reserved", "did:web:reserved.test", "did:web:reserved.test", syntax.HandleInvalid, nil},
		{"O32 a DID without a PDS", "did:web:nopds.test", "", "", identity.ErrNoPDS},
		{"a DID that does not exist", "did:web:gone.test", "", "", identity.ErrNotFound},
		{"what is neither", "did:web", "", "", identity.ErrInvalidHandle},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := identity.Lookup(t.Context(), world(), tt.id)
			if tt.err != nil {
				if !errors.Is(err, tt.err) || got != nil {
					t.Errorf("got %v, %v", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.DID != tt.did || got.Handle != tt.handle || got.PDS != "https://pds.test" || got.Document == nil || got.Document.ID != tt.did {
				t.Errorf("got %+v", got)
			}
		})
	}
	t.Run("O31 a DID whose handle cannot be checked now", func(t *testing.T) {
		w := world()
		w.fail = &identity.Error{Kind: identity.ErrUnreachable}
		got, err := identity.Lookup(t.Context(), w, syntax.AtIdentifier(alice))
		if err != nil || got.Handle != syntax.HandleInvalid {
			t.Errorf("got %+v, %v", got, err)
		}
		if _, err := identity.Lookup(t.Context(), w, "alice.test"); !errors.Is(err, identity.ErrUnreachable) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("O26 a claimed reserved handle is not asked for", func(t *testing.T) {
		w := world()
		w.before = func(context.Context) { t.Error("it is") }
		if _, err := identity.Lookup(t.Context(), w, "did:web:reserved.test"); err != nil {
			t.Error(err)
		}
	})
	t.Run("P28 a caller that is gone gets no broken handle", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := world()
		w.before = func(context.Context) { cancel() }
		w.fail = context.Canceled
		if got, err := identity.Lookup(ctx, w, syntax.AtIdentifier(alice)); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("P29 a resolver that returns another's document is not believed", func(t *testing.T) {
		w := world()
		w.lie = map[syntax.DID]*identity.Document{alice: {ID: bob}, bob: nil}
		for _, did := range []syntax.DID{alice, bob} {
			if _, err := identity.Lookup(t.Context(), w, syntax.AtIdentifier(did)); !errors.Is(err, identity.ErrInvalidDocument) {
				t.Errorf("got %v", err)
			}
		}
	})
}
