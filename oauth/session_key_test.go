package oauth

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

const keyText = "did:plc:ewvi7nxzyoun6zhxrhs64oiz/3yQXGd9hT0c-_A"

func TestSessionKeysAsText(t *testing.T) {
	key := SessionKey{DID: "did:plc:ewvi7nxzyoun6zhxrhs64oiz", ID: "3yQXGd9hT0c-_A"}
	t.Run("account, slash, ID", func(t *testing.T) {
		text, err := key.MarshalText()
		if err != nil || string(text) != keyText {
			t.Errorf("got %q, %v", text, err)
		}
	})
	t.Run("values and names in JSON come back", func(t *testing.T) {
		type document struct {
			Key  SessionKey
			Seen map[SessionKey]int
		}
		other := SessionKey{DID: "did:web:localhost%3A2583", ID: "_"}
		data, err := json.Marshal(document{key, map[SessionKey]int{key: 1, other: 2}})
		if err != nil {
			t.Fatal(err)
		}
		if want := `{"Key":"` + keyText + `","Seen":{"` + keyText + `":1,"did:web:localhost%3A2583/_":2}}`; string(data) != want {
			t.Errorf("written as %s", data)
		}
		var back document
		if err := json.Unmarshal(data, &back); err != nil || back.Key != key || len(back.Seen) != 2 || back.Seen[key] != 1 || back.Seen[other] != 2 {
			t.Errorf("read as %+v, %v", back, err)
		}
	})
	for name, text := range map[string]string{
		"nothing":               "",
		"no slash":              "did:plc:ewvi7nxzyoun6zhxrhs64oiz",
		"no ID":                 "did:plc:ewvi7nxzyoun6zhxrhs64oiz/",
		"no account":            "/3yQXGd9hT0c",
		"a handle":              "alice.test/3yQXGd9hT0c",
		"two slashes":           keyText + "/x",
		"a blank":               " " + keyText,
		"a line end":            keyText + "\n",
		"a blank in the ID":     "did:plc:ewvi7nxzyoun6zhxrhs64oiz/a b",
		"what is not UTF-8":     keyText + "\xff",
		"a quoted one":          `"` + keyText + `"`,
		"an ID that is escaped": "did:plc:ewvi7nxzyoun6zhxrhs64oiz/a%2Fb",
	} {
		t.Run("refused: "+name, func(t *testing.T) {
			got := key
			err := got.UnmarshalText([]byte(text))
			if !errors.Is(err, ErrSessionUnknown) || !errors.Is(err, ErrReauthRequired) || got != key {
				t.Errorf("%q is read as %+v, %v", text, got, err)
			}
		})
	}
	for name, bad := range map[string]SessionKey{
		"the zero key": {}, "no account": {ID: "x"}, "no ID": {DID: key.DID}, "a slash in the ID": {DID: key.DID, ID: "a/b"},
		"a slash in the account": {DID: key.DID + "/a", ID: "b"},
	} {
		t.Run("not written: "+name, func(t *testing.T) {
			if text, err := bad.MarshalText(); !errors.Is(err, ErrSessionUnknown) {
				t.Errorf("got %q, %v", text, err)
			}
		})
	}
}

func FuzzSessionKeyText(f *testing.F) {
	for _, seed := range []string{keyText, "", "/", "did:web:a.test:b%3A1/_", "did:plc:a/b/c", strings.Repeat("did:", 600) + "/a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var key SessionKey
		if err := key.UnmarshalText([]byte(text)); err != nil {
			typed(t, err)
			return
		}
		data, err := json.Marshal(map[SessionKey]bool{key: true})
		if err != nil {
			t.Fatalf("%q is read, and not written: %v", text, err)
		}
		var back map[string]bool
		if err := json.Unmarshal(data, &back); err != nil || !back[text] {
			t.Errorf("%q is written as %s, %v", text, data, err)
		}
	})
}
