package oauth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mr-tron/base58"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// multibase writes a private key as other clients do.
func multibase(t *testing.T, key *ecdsa.PrivateKey, codec ...byte) string {
	t.Helper()
	raw, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return "z" + base58.Encode(append(codec, raw...))
}

func TestMultibaseKeys(t *testing.T) {
	one, other := newKey(t, elliptic.P256()), newKey(t, elliptic.P256())
	good := multibase(t, one, 0x86, 0x26)
	for _, tt := range []struct {
		name, text string
		want       []*ecdsa.PrivateKey
		err        string
	}{
		{"P113 one key", good, []*ecdsa.PrivateKey{one}, ""},
		{"P113 one a line", "\n" + good + "\r\n  " + multibase(t, other, 0x86, 0x26) + "\n", []*ecdsa.PrivateKey{one, other}, ""},
		{"P113 a key of an account", multibase(t, one, 0x81, 0x26), nil, "key 1: is on the curve K-256"},
		{"P113 a public key", "z" + base58.Encode(append([]byte{0x80, 0x24}, make([]byte, 33)...)), nil, "a key of another kind; ES256"},
		{"P113 too short", "z" + base58.Encode([]byte{0x86, 0x26, 1, 2, 3}), nil, "has 3 bytes"},
		{"P113 no number that a key can be", "z" + base58.Encode(append([]byte{0x86, 0x26}, make([]byte, 32)...)), nil, "not a valid private key"},
		{"P113 another alphabet", "z" + strings.Repeat("0", 40), nil, "not base58btc"},
		{"P113 the second is damaged", good + "\n" + good[:20], nil, "key 2"},
		{"P113 too long", "z" + strings.Repeat("2", 1<<20), nil, "is not"},
		{"P113 zeros in front", "z" + strings.Repeat("1", 100), nil, "a key of another kind; ES256"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := oauth.ParseClientKeys([]byte(tt.text))
			if tt.err != "" {
				if e := wantKind(t, err, oauth.ErrConfig); !strings.Contains(e.Error(), tt.err) || strings.Contains(e.Error(), good[5:20]) || len(e.Error()) > 300 {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil || len(got) != len(tt.want) {
				t.Fatalf("%d keys, %v", len(got), err)
			}
			for i, key := range got {
				if !tt.want[i].Equal(key.Signer) {
					t.Errorf("key %d is another", i)
				}
			}
		})
	}
}

func TestImport(t *testing.T) {
	keys := []oauth.ClientKey{{ID: "k", Signer: newKey(t, elliptic.P256())}}
	t.Run("P113 a session of another client goes on here, and is imported once", func(t *testing.T) {
		server, kept := sandbox(t), new(store.Memory)
		theirs := oauth.Exported(login(t, server, confidential(t, server, keys)))
		theirs.ClientKeyID = "" // it had but one
		client := confidential(t, server, keys, withStore(kept))
		first, err := client.Import(t.Context(), theirs)
		if err != nil {
			t.Fatal(err)
		}
		if err := call(t.Context(), first); err != nil { // which renews the tokens
			t.Fatal(err)
		}
		if err := first.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name, again := range map[string]*oauth.Client{"in this process": client, "in another": confidential(t, server, keys, withStore(kept))} {
			second, err := again.Import(t.Context(), theirs)
			if err != nil {
				t.Fatal(err)
			}
			if second.Key() != first.Key() {
				t.Errorf("%s: %s and %s", name, first.Key().ID, second.Key().ID)
			}
			if err := call(t.Context(), second); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := count(t, kept.List(t.Context(), store.RecordSession, "")); n != 1 {
			t.Errorf("%d sessions", n)
		}
		if first.Handle() != "alice.test" || first.Host() != "https://pds.test" || first.Scope() != theirs.Scope {
			t.Errorf("%s, %s, %s", first.Handle(), first.Host(), first.Scope())
		}
		if text, err := first.Key().MarshalText(); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	})
	t.Run("P113 its tokens are used as long as they live", func(t *testing.T) {
		server := sandbox(t)
		client := newClient(t, server)
		theirs := oauth.Exported(login(t, server, client))
		theirs.Expires = time.Now().Add(time.Hour)
		s, err := newClient(t, server).Import(t.Context(), theirs)
		if err != nil {
			t.Fatal(err)
		}
		before := server.Stats().Requests[tokenPath]
		if err := call(t.Context(), s); err != nil || server.Stats().Requests[tokenPath] != before {
			t.Errorf("%v, %d token requests", err, server.Stats().Requests[tokenPath]-before)
		}
	})
	server := sandbox(t)
	one := confidential(t, server, keys)
	theirs := oauth.Exported(login(t, server, one))
	two := confidential(t, server, append(keys, oauth.ClientKey{ID: "l", Signer: newKey(t, elliptic.P256())}))
	for name, tt := range map[string]struct {
		change func(*oauth.ImportedSession)
		client *oauth.Client
		kind   oauth.Kind
		text   string
	}{
		"no account":               {func(s *oauth.ImportedSession) { s.DID = "alice.test" }, one, oauth.ErrConfig, "ImportedSession.DID"},
		"another client's":         {func(s *oauth.ImportedSession) { s.ClientID = "https://other.example.com/c.json" }, one, oauth.ErrConfig, "ImportedSession.ClientID"},
		"no client":                {func(s *oauth.ImportedSession) { s.ClientID = "" }, one, oauth.ErrConfig, "ImportedSession.ClientID"},
		"no issuer":                {func(s *oauth.ImportedSession) { s.Issuer = "pds.test" }, one, oauth.ErrConfig, "ImportedSession.Issuer"},
		"another issuer":           {func(s *oauth.ImportedSession) { s.Issuer = "https://evil.test" }, one, oauth.ErrIssuerChanged, "evil.test"},
		"an account of nobody":     {func(s *oauth.ImportedSession) { s.DID = "did:plc:zzzzzzzzzzzzzzzzzzzzzzzz" }, one, oauth.ErrUnresolved, ""},
		"no scope":                 {func(s *oauth.ImportedSession) { s.Scope = "transition:generic" }, one, oauth.ErrConfig, "ImportedSession.Scope"},
		"no access token":          {func(s *oauth.ImportedSession) { s.AccessToken = "" }, one, oauth.ErrConfig, "ImportedSession.AccessToken"},
		"no refresh token":         {func(s *oauth.ImportedSession) { s.RefreshToken = "" }, one, oauth.ErrConfig, "ImportedSession.RefreshToken"},
		"a token that breaks out":  {func(s *oauth.ImportedSession) { s.AccessToken = "a\r\nCookie: b" }, one, oauth.ErrConfig, "contains a character that no token has"},
		"no key":                   {func(s *oauth.ImportedSession) { s.Key = nil }, one, oauth.ErrConfig, "ImportedSession.Key"},
		"a key of another curve":   {func(s *oauth.ImportedSession) { s.Key = newKey(t, elliptic.P384()) }, one, oauth.ErrConfig, "ImportedSession.Key"},
		"a client key of nobody's": {func(s *oauth.ImportedSession) { s.ClientKeyID = "x" }, one, oauth.ErrConfig, "ImportedSession.ClientKeyID"},
		"one of several keys":      {func(s *oauth.ImportedSession) { s.ClientKeyID = "" }, two, oauth.ErrConfig, "ImportedSession.ClientKeyID"},
	} {
		t.Run("P113 refused is "+name, func(t *testing.T) {
			changed := theirs
			tt.change(&changed)
			_, err := tt.client.Import(t.Context(), changed)
			if e := wantKind(t, err, tt.kind); !strings.Contains(e.Error(), tt.text) || strings.Contains(e.Error(), theirs.RefreshToken) {
				t.Errorf("got %v", e)
			}
		})
	}
	t.Run("P113 P78 what is to be imported shows no secret", func(t *testing.T) {
		encoded, err := json.Marshal(map[string]any{"s": theirs, "p": &theirs})
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("%v %+v %#v %s %v %s", theirs, theirs, theirs, theirs, []any{theirs, &theirs}, encoded)
		if strings.Contains(text, theirs.AccessToken) || strings.Contains(text, theirs.RefreshToken) || !strings.Contains(text, string(theirs.DID)) {
			t.Error(text)
		}
	})
}

func TestSessionDetails(t *testing.T) {
	clock := new(movableClock)
	server, kept := sandbox(t), new(store.Memory)
	client := newClient(t, server, withStore(kept), clock.configure)
	first, second := login(t, server, client), login(t, server, client)
	clock.setAhead(time.Minute)
	if err := first.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	details := func(t *testing.T, did syntax.DID) (map[oauth.SessionKey]oauth.SessionDetails, []error) {
		t.Helper()
		found, errs := make(map[oauth.SessionKey]oauth.SessionDetails), []error(nil)
		for d, err := range client.SessionDetails(t.Context(), did) {
			if err != nil {
				errs = append(errs, err)
			}
			found[d.Key] = d
		}
		return found, errs
	}
	t.Run("an account page sees when sessions began, were refreshed, and what they may do", func(t *testing.T) {
		found, errs := details(t, first.DID())
		if len(found) != 2 || errs != nil {
			t.Fatalf("%v, %v", found, errs)
		}
		one, two := found[first.Key()], found[second.Key()]
		if took := one.Refreshed.Sub(one.Began); took < time.Minute || took > 2*time.Minute || two.Refreshed.Sub(two.Began) > time.Minute/2 {
			t.Errorf("%v\n%v", one, two)
		}
		if one.Scope != first.Scope() || one.Handle != "alice.test" || one.Issuer != "https://pds.test" {
			t.Errorf("%+v", one)
		}
		if found, errs := details(t, server.Environment().Account("bob").DID); len(found) != 0 || errs != nil {
			t.Errorf("%v, %v", found, errs)
		}
	})
	t.Run("O120 one that cannot be opened is named, and the others follow", func(t *testing.T) {
		key := store.RecordKey{Kind: store.RecordSession, DID: second.DID(), ID: second.Key().ID}
		r, err := kept.Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		r.Revision, r.Data = r.Revision+1, []byte("torn")
		if err := kept.Put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		found, errs := details(t, "")
		if len(found) != 2 || len(errs) != 1 || found[second.Key()].Scope != "" || found[first.Key()].Scope == "" {
			t.Fatalf("%v, %v", found, errs)
		}
		wantKind(t, errs[0], oauth.ErrSealed)
	})
}

func TestAccountURL(t *testing.T) {
	for name, tt := range map[string]struct {
		says any
		want string
	}{
		"what the server says":            {"https://pds.test/account?x=1#apps", "https://pds.test/account?x=1#apps"},
		"nothing":                         {nil, ""},
		"what is no page":                 {"javascript:alert(1)", ""},
		"a page by http":                  {"http://pds.test/account", ""},
		"one with credentials":            {"https://user@pds.test/account", ""},
		"a path":                          {"/account", ""},
		"P30 what is no text, and no bar": {7, ""},
	} {
		t.Run(name, func(t *testing.T) {
			server := sandbox(t)
			s := login(t, server, newClient(t, server, rewriting(serverDocument, func(m map[string]any) { m["account_management_uri"] = tt.says })))
			if got, err := s.AccountURL(t.Context()); got != tt.want || err != nil {
				t.Errorf("%q, %v; want %q", got, err, tt.want)
			}
		})
	}
}
