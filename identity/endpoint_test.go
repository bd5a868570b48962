package identity_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

const labelerType = "AtprotoLabeler"

func labeler(endpoint string) identity.Service {
	return identity.Service{ID: "#atproto_labeler", Type: labelerType, Endpoint: endpoint}
}

func TestDocumentEndpoint(t *testing.T) {
	chat := identity.Service{ID: string(alice) + "#bsky_chat", Type: "BskyChatService", Endpoint: "https://Chat.test:443/"}
	// found is what is compared of an Endpoint.
	type found struct{ Ref, Type, URL string }
	for _, tt := range []struct {
		name     string
		services []identity.Service
		id, kind string
		want     found
	}{
		{"by id and type", []identity.Service{chat, labeler("https://labels.test")}, "atproto_labeler", labelerType, found{string(alice) + "#atproto_labeler", labelerType, "https://labels.test"}},
		{"its id behind the DID", []identity.Service{labeler("https://labels.test"), chat}, "bsky_chat", "BskyChatService", found{string(alice) + "#bsky_chat", "BskyChatService", "https://chat.test/"}},
		{"of any type", []identity.Service{labeler("https://labels.test"), chat}, "bsky_chat", "", found{string(alice) + "#bsky_chat", "BskyChatService", "https://chat.test/"}},
		{"of another type", []identity.Service{chat}, "bsky_chat", labelerType, found{}},
		{"its type in other letters", []identity.Service{chat}, "bsky_chat", strings.ToLower(chat.Type), found{}},
		{"its type with more behind it", []identity.Service{chat}, "bsky_chat", chat.Type + " ", found{}},
		{"of another id", []identity.Service{chat}, "bsky_notif", chat.Type, found{}},
		{"its id in other letters", []identity.Service{chat}, "Bsky_chat", chat.Type, found{}},
		{"the id with its number sign", []identity.Service{chat}, "#bsky_chat", chat.Type, found{}},
		{"no id", []identity.Service{chat}, "", chat.Type, found{}},
		{"behind another DID", []identity.Service{{ID: string(bob) + "#bsky_chat", Type: chat.Type, Endpoint: chat.Endpoint}}, "bsky_chat", chat.Type, found{}},
		{"the first that matches", []identity.Service{labeler("https://one.test/a?b=c"), labeler("https://two.test")}, "atproto_labeler", labelerType, found{string(alice) + "#atproto_labeler", labelerType, "https://one.test/a?b=c"}},
		{"a first one that is broken is not passed over", []identity.Service{labeler("ftp://one.test"), labeler("https://two.test")}, "atproto_labeler", labelerType, found{}},
		{"none", nil, "atproto_labeler", labelerType, found{}},
	} {
		t.Run("O32 "+tt.name, func(t *testing.T) {
			var got found
			e, err := (&identity.Document{ID: alice, Services: tt.services}).Endpoint(tt.id, tt.kind)
			if err == nil {
				got = found{e.Ref.String(), e.Type, e.URL.String()}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || errors.Is(err, identity.ErrNoService) != (tt.want == found{}) {
				t.Errorf("%v %s", err, diff)
			}
		})
	}
	for _, endpoint := range []string{
		"", "labels.test", "//labels.test", "ftp://labels.test", "javascript:alert(1)", "https:", "https://", "https://:443", "https:labels.test",
		"https://user@labels.test", "https://user:secret@labels.test/", "https://labels.test#x", "https://labels.test/#", "https://labels.test:x",
		"https://labels.test/%zz", "https://labels.test/\x00", "did:web:labels.test",
	} {
		t.Run("O32 no URL to use: "+endpoint, func(t *testing.T) {
			if e, err := (&identity.Document{ID: alice, Services: []identity.Service{labeler(endpoint)}}).Endpoint("atproto_labeler", labelerType); !errors.Is(err, identity.ErrNoService) {
				t.Errorf("got %v, %v", e, err)
			}
		})
	}
	for endpoint, want := range map[string]string{
		"https://Labels.test/":        "https://labels.test",
		"http://localhost:2583":       "http://localhost:2583",
		"https://labels.test/path":    "",
		"https://labels.test?":        "",
		"https://labels.test?query=x": "",
	} {
		t.Run("O32 the origin of "+endpoint, func(t *testing.T) {
			e, err := (&identity.Document{ID: alice, Services: []identity.Service{labeler(endpoint)}}).Endpoint("atproto_labeler", labelerType)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := e.Origin(); got != want || errors.Is(err, identity.ErrNoService) != (want == "") {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		})
	}
}

func TestServiceRef(t *testing.T) {
	for text, want := range map[string]identity.ServiceRef{
		"did:web:api.bsky.app#bsky_appview": {DID: "did:web:api.bsky.app", ID: "bsky_appview"},
		string(alice) + "#atproto_labeler":  {DID: alice, ID: "atproto_labeler"},
		"did:web:localhost%3A3000#a.B-9~_":  {DID: "did:web:localhost%3A3000", ID: "a.B-9~_"},
	} {
		t.Run("O32 "+text, func(t *testing.T) {
			got, err := identity.ParseServiceRef(text)
			if diff := cmp.Diff(want, got); diff != "" || err != nil || got.String() != text {
				t.Errorf("%v %s", err, diff)
			}
		})
	}
	for _, text := range []string{
		"", "#", "#bsky_fg", string(alice), string(alice) + "#", "did:web#bsky_fg", "alice.test#bsky_fg", string(alice) + "#a#b", string(alice) + "# a",
		string(alice) + "#a,b", string(alice) + "#a\r\nX: y", string(alice) + "#é", string(alice) + "#a%20b", " " + string(alice) + "#a",
	} {
		t.Run("O32 none: "+text, func(t *testing.T) {
			if got, err := identity.ParseServiceRef(text); !errors.Is(err, identity.ErrInvalidService) || got != (identity.ServiceRef{}) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestLookupService(t *testing.T) {
	resolver := identity.NewStatic(identity.Identity{DID: "did:web:labels.test", Document: &identity.Document{
		ID: "did:web:labels.test", Services: []identity.Service{labeler("https://labels.test")},
	}})
	ref := identity.ServiceRef{DID: "did:web:labels.test", ID: "atproto_labeler"}
	t.Run("O32 found", func(t *testing.T) {
		e, err := identity.LookupService(t.Context(), resolver, ref, labelerType)
		if err != nil {
			t.Fatal(err)
		}
		if origin, err := e.Origin(); origin != "https://labels.test" || err != nil || e.Ref != ref {
			t.Errorf("got %v, %q, %v", e.Ref, origin, err)
		}
	})
	for _, tt := range []struct {
		name string
		ref  identity.ServiceRef
		kind string
		want error
	}{
		{"of another type", ref, "AtprotoPersonalDataServer", identity.ErrNoService},
		{"of another id", identity.ServiceRef{DID: ref.DID, ID: "bsky_fg"}, "", identity.ErrNoService},
		{"of a DID that does not exist", identity.ServiceRef{DID: "did:web:gone.test", ID: ref.ID}, "", identity.ErrNotFound},
		{"of no DID", identity.ServiceRef{}, "", identity.ErrInvalidDID},
	} {
		t.Run("O32 "+tt.name, func(t *testing.T) {
			if e, err := identity.LookupService(t.Context(), resolver, tt.ref, tt.kind); !errors.Is(err, tt.want) {
				t.Errorf("got %v, %v", e, err)
			}
		})
	}
	t.Run("P29 a resolver that returns another's document is not believed", func(t *testing.T) {
		liar := &identity.Static{Documents: map[syntax.DID]*identity.Document{alice: resolver.Documents[ref.DID]}}
		if _, err := identity.LookupService(t.Context(), liar, identity.ServiceRef{DID: alice, ID: ref.ID}, ""); !errors.Is(err, identity.ErrInvalidDocument) {
			t.Errorf("got %v", err)
		}
	})
}
