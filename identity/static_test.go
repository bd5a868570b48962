package identity_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func TestStatic(t *testing.T) {
	written := &identity.Document{ID: bob, AlsoKnownAs: []string{"at://elsewhere.test"}, Services: []identity.Service{
		{ID: "#atproto_pds", Type: "AtprotoPersonalDataServer", Endpoint: "https://pds.test"},
	}}
	resolver := identity.NewStatic(
		identity.Identity{DID: alice, Handle: "Alice.test", PDS: "https://pds.test"},
		identity.Identity{DID: bob, Handle: "bob.test", Document: written},
		identity.Identity{DID: "did:web:nameless.test", Handle: syntax.HandleInvalid, PDS: "https://pds.test"},
		identity.Identity{DID: "did:web:homeless.test", Handle: "homeless.test"},
	)
	resolver.Handles["gone.test"] = "did:web:gone.test"

	for _, tt := range []struct {
		name string
		id   syntax.AtIdentifier
		want *identity.Identity
		err  error
	}{
		{"O31 an account by its handle", "ALICE.test", &identity.Identity{DID: alice, Handle: "alice.test", PDS: "https://pds.test"}, nil},
		{"an account by its DID", syntax.AtIdentifier(alice), &identity.Identity{DID: alice, Handle: "alice.test", PDS: "https://pds.test"}, nil},
		{"O31 a handle that its document does not claim", "bob.test", nil, identity.ErrHandleMismatch},
		{"O31 a document that claims a handle nobody has", syntax.AtIdentifier(bob), &identity.Identity{DID: bob, Handle: syntax.HandleInvalid, PDS: "https://pds.test"}, nil},
		{"an account without a handle", "did:web:nameless.test", &identity.Identity{DID: "did:web:nameless.test", Handle: syntax.HandleInvalid, PDS: "https://pds.test"}, nil},
		{"an account without a PDS", "homeless.test", nil, identity.ErrNoPDS},
		{"a handle of a DID without a document", "gone.test", nil, identity.ErrNotFound},
		{"a handle that is not there", "nobody.test", nil, identity.ErrNotFound},
		{"a DID that is not there", "did:web:nobody.test", nil, identity.ErrNotFound},
		{"O26 a reserved handle", "alice.local", nil, identity.ErrReservedTLD},
		{"what is neither", "alice", nil, identity.ErrInvalidHandle},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := identity.Lookup(t.Context(), resolver, tt.id)
			if got != nil {
				if got.Document != resolver.Documents[got.DID] {
					t.Error("the document is another one")
				}
				got.Document = nil
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || !errors.Is(err, tt.err) {
				t.Errorf("%v %s", err, diff)
			}
		})
	}
	t.Run("what is asked for is checked", func(t *testing.T) {
		if _, err := resolver.ResolveHandle(t.Context(), "alice"); !errors.Is(err, identity.ErrInvalidHandle) {
			t.Errorf("got %v", err)
		}
		if _, err := resolver.ResolveDID(t.Context(), "did:plc"); !errors.Is(err, identity.ErrInvalidDID) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("an empty one knows nothing", func(t *testing.T) {
		if _, err := new(identity.Static).ResolveHandle(t.Context(), "alice.test"); !errors.Is(err, identity.ErrNotFound) {
			t.Errorf("got %v", err)
		}
		if _, err := new(identity.Static).ResolveDID(t.Context(), alice); !errors.Is(err, identity.ErrNotFound) {
			t.Errorf("got %v", err)
		}
	})
}
