package identity_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/xrpc/syntax"
	"github.com/google/go-cmp/cmp"
)

const alice = syntax.DID("did:plc:aliceaaaaaaaaaaaaaaaaaaa")

// document returns a DID document with the given alias and PDS.
func document(did syntax.DID, alias, pds string) string {
	return fmt.Sprintf(`{
		"@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
		"id": %q,
		"alsoKnownAs": [%q],
		"verificationMethod": [{"id": "%[1]s#atproto", "type": "Multikey", "controller": %[1]q, "publicKeyMultibase": "zQ3sh"}],
		"service": [{"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": %[3]q}]
	}`, did, alias, pds)
}

func TestParseDocument(t *testing.T) {
	t.Run("reads what atproto uses", func(t *testing.T) {
		doc, err := identity.ParseDocument([]byte(document(alice, "at://alice.test", "https://pds.test")), alice)
		if err != nil {
			t.Fatal(err)
		}
		want := &identity.Document{
			ID:          alice,
			AlsoKnownAs: []string{"at://alice.test"},
			VerificationMethods: []identity.VerificationMethod{
				{ID: string(alice) + "#atproto", Type: "Multikey", Controller: string(alice), PublicKeyMultibase: "zQ3sh"},
			},
			Services: []identity.Service{{ID: "#atproto_pds", Type: "AtprotoPersonalDataServer", Endpoint: "https://pds.test"}},
			Raw:      []byte(document(alice, "at://alice.test", "https://pds.test")),
		}
		if diff := cmp.Diff(want, doc); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("entries of other forms do not get in the way", func(t *testing.T) {
		doc, err := identity.ParseDocument([]byte(`{"id": "`+string(alice)+`", "service": [
			{"id": "#other", "type": ["A", "B"], "serviceEndpoint": {"origins": ["https://x.test"]}},
			{"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": "https://pds.test"}]}`), alice)
		if err != nil {
			t.Fatal(err)
		}
		if pds, err := doc.PDS(); pds != "https://pds.test" || err != nil {
			t.Errorf("got %q, %v", pds, err)
		}
	})
	t.Run("the bytes are kept, with what atproto does not know, and apart from the caller's", func(t *testing.T) {
		data := []byte(` {"id": "` + string(alice) + `",  "keyAgreement": [{"unknown": 1.50}], "service": []} `)
		want := string(data)
		doc, err := identity.ParseDocument(data, alice)
		if err != nil {
			t.Fatal(err)
		}
		clear(data)
		if diff := cmp.Diff(want, string(doc.Raw)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("P30 documents that are none", func(t *testing.T) {
		for _, data := range []string{
			"", "null", "[]", `"x"`, "{", "{}", `{"id": 1}`, `{"ID": "` + string(alice) + `"}`, `{"id": "` + string(alice) + `"} {}`,
			`{"id": "` + string(alice) + `", "alsoKnownAs": "at://alice.test"}`,
			`{"id": "` + string(alice) + `", "alsoKnownAs": [1]}`,
			`{"id": "` + string(alice) + `", "service": {}}`,
			`{"id": "` + string(alice) + `", "service": ["x"]}`,
			`{"id": "` + string(alice) + `", "verificationMethod": 1}`,
			`{"id": ` + strings.Repeat("[", 100_000), strings.Repeat("[", 100_000),
		} {
			if _, err := identity.ParseDocument([]byte(data), alice); !errors.Is(err, identity.ErrInvalidDocument) {
				t.Errorf("%.60s: got %v", data, err)
			}
		}
	})
	t.Run("O30 P29 a document of another DID", func(t *testing.T) {
		_, err := identity.ParseDocument([]byte(document("did:web:evil.test", "at://alice.test", "https://pds.test")), alice)
		if !errors.Is(err, identity.ErrInvalidDocument) {
			t.Errorf("got %v", err)
		}
	})
}

func TestDocumentHandle(t *testing.T) {
	tests := []struct {
		name  string
		known []string
		want  syntax.Handle
	}{
		{"the one", []string{"at://alice.test"}, "alice.test"},
		{"the first valid one", []string{"at://bad_handle", "at://ok.example.com", "at://later.example.com"}, "ok.example.com"},
		{"other schemes are skipped", []string{"https://alice.test", "alice.test", "at://alice.test"}, "alice.test"},
		{"a path is no handle", []string{"at://alice.test/x"}, ""},
		{"none", nil, ""},
	}
	for _, tt := range tests {
		t.Run("O31 "+tt.name, func(t *testing.T) {
			got, ok := (&identity.Document{ID: alice, AlsoKnownAs: tt.known}).Handle()
			if got != tt.want || ok != (tt.want != "") {
				t.Errorf("got %q, %v", got, ok)
			}
		})
	}
}

func TestDocumentPDS(t *testing.T) {
	const kind = "AtprotoPersonalDataServer"
	services := func(s ...identity.Service) []identity.Service { return s }
	tests := []struct {
		name     string
		services []identity.Service
		want     string
	}{
		{"relative id", services(identity.Service{ID: "#atproto_pds", Type: kind, Endpoint: "https://pds.test"}), "https://pds.test"},
		{"P29 full id", services(identity.Service{ID: string(alice) + "#atproto_pds", Type: kind, Endpoint: "https://pds.test"}), "https://pds.test"},
		{"full id of another DID", services(identity.Service{ID: "did:web:evil.test#atproto_pds", Type: kind, Endpoint: "https://pds.test"}), ""},
		{"another id", services(identity.Service{ID: "#pds", Type: kind, Endpoint: "https://pds.test"}), ""},
		{"id without number sign", services(identity.Service{ID: "atproto_pds", Type: kind, Endpoint: "https://pds.test"}), ""},
		{"its type in other letters", services(identity.Service{ID: "#atproto_pds", Type: strings.ToLower(kind), Endpoint: "https://pds.test"}), ""},
		{"another type", services(identity.Service{ID: "#atproto_pds", Type: "Other", Endpoint: "https://pds.test"}), ""},
		{"the first that matches", services(
			identity.Service{ID: "#atproto_pds", Type: "Other", Endpoint: "https://other.test"},
			identity.Service{ID: "#atproto_pds", Type: kind, Endpoint: "https://one.test"},
			identity.Service{ID: "#atproto_pds", Type: kind, Endpoint: "https://two.test"}), "https://one.test"},
		{"a first one that is broken is not passed over", services(
			identity.Service{ID: "#atproto_pds", Type: kind, Endpoint: "https://one.test/path"},
			identity.Service{ID: "#atproto_pds", Type: kind, Endpoint: "https://two.test"}), ""},
		{"none", nil, ""},
	}
	for _, tt := range tests {
		t.Run("O32 "+tt.name, func(t *testing.T) {
			got, err := (&identity.Document{ID: alice, Services: tt.services}).PDS()
			if got != tt.want || errors.Is(err, identity.ErrNoPDS) != (tt.want == "") {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	for endpoint, want := range map[string]string{
		"https://pds.test":                 "https://pds.test",
		"https://pds.test/":                "https://pds.test",
		"https://PDS.Test":                 "https://pds.test",
		"https://pds.test:443":             "https://pds.test",
		"https://pds.test:8443":            "https://pds.test:8443",
		"http://localhost:2583":            "http://localhost:2583",
		"http://pds.test:80/":              "http://pds.test",
		"https://[2606:4700::1]:8443":      "https://[2606:4700::1]:8443",
		"https://pds.test:":                "https://pds.test",
		"https://pds.test/xrpc":            "",
		"https://pds.test//":               "",
		"https://pds.test?x":               "",
		"https://pds.test?":                "",
		"https://pds.test#x":               "",
		"https://pds.test#":                "",
		"https://user@pds.test":            "",
		"https://user:pw@pds.test":         "",
		"ftp://pds.test":                   "",
		"pds.test":                         "",
		"//pds.test":                       "",
		"https://":                         "",
		"https:pds.test":                   "",
		"https://:443":                     "",
		"https://pds.test:x":               "",
		"https://pds.test/%zz":             "",
		"javascript:alert(1)//https://x.y": "",
		"":                                 "",
	} {
		t.Run("O32 endpoint "+endpoint, func(t *testing.T) {
			doc := &identity.Document{ID: alice, Services: services(identity.Service{ID: "#atproto_pds", Type: kind, Endpoint: endpoint})}
			got, err := doc.PDS()
			if got != want || errors.Is(err, identity.ErrNoPDS) != (want == "") {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		})
	}
}

func FuzzParseDocument(f *testing.F) {
	f.Add([]byte(document(alice, "at://alice.test", "https://pds.test")))
	f.Add([]byte(`{"id": "did:plc:aliceaaaaaaaaaaaaaaaaaaa", "service": [{"id": 1, "type": [], "serviceEndpoint": {}}]}`))
	f.Add([]byte(`{"id": null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := identity.ParseDocument(data, alice)
		if err != nil {
			if !errors.Is(err, identity.ErrInvalidDocument) {
				t.Fatal(err)
			}
			return
		}
		if doc.ID != alice {
			t.Fatalf("a document of %q", doc.ID)
		}
		if h, ok := doc.Handle(); ok && h.Validate() != nil {
			t.Fatalf("handle %q", h)
		}
		if pds, err := doc.PDS(); err == nil {
			doc.Services = []identity.Service{{ID: "#atproto_pds", Type: "AtprotoPersonalDataServer", Endpoint: pds}}
			if again, err := doc.PDS(); again != pds || err != nil {
				t.Fatalf("origin %q became %q, %v", pds, again, err)
			}
		}
		doc.SigningKey()
	})
}
