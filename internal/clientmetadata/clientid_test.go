package clientmetadata

import (
	"strings"
	"testing"
)

func TestCheckClientID(t *testing.T) {
	for _, tt := range []struct {
		name, id string
		want     string // part of the error; "": valid
	}{
		{"the usual form", "https://app.example.com/client-metadata.json", ""},
		{"a folder, a query, an escape", "https://app.example.com/a/b%2Fc.json?v=1", ""},
		{"small letters in an escape", "https://app.example.com/a%2fb.json", ""},
		{"two slashes", "https://app.example.com//a//b.json", ""},
		{"dots in a name", "https://app.example.com/..a/b../.c/...json", ""},
		{"what parsers keep", "https://app.example.com/~!$&'()*+,;=:@[]|_-", ""},
		{"an underscore in the host", "https://my_app.example.com/m.json", ""},
		{"a host in Punycode", "https://xn--mnchen-3ya.example.com/m.json", ""},
		{"digits before the top level", "https://1.2.example.com/m.json", ""},

		{"nothing", "", "missing"},
		{"http", "http://app.example.com/m.json", "not an https URL"},
		{"capital letters in the scheme", "HTTPS://app.example.com/m.json", "not an https URL"},
		{"no URL", "app.example.com/m.json", "not an https URL"},
		{"a port", "https://app.example.com:8443/m.json", "has a port"},
		{"the default port", "https://app.example.com:443/m.json", "has a port"},
		{"an empty port", "https://app.example.com:/m.json", "has a port"},
		{"credentials", "https://user:secret@app.example.com/m.json", "has credentials"},
		{"empty credentials", "https://@app.example.com/m.json", "has credentials"},
		{"a fragment", "https://app.example.com/m.json#a", "has a fragment"},
		{"an empty fragment", "https://app.example.com/m.json#", "has a fragment"},
		{"no host", "https:///m.json", "public host"},
		{"an IPv4 address", "https://192.0.2.1/m.json", "public host"},
		{"a short IPv4 address", "https://127.1/m.json", "public host"},
		{"a hexadecimal IPv4 address", "https://127.0.0.0x1/m.json", "public host"},
		{"an IPv6 address", "https://[2001:db8::1]/m.json", "public host"},
		{"one label", "https://intranet/m.json", "public host"},
		{"localhost", "https://localhost/m.json", "public host"},
		{"below localhost", "https://app.localhost/m.json", "public host"},
		{"a multicast name", "https://app.local/m.json", "public host"},
		{"the test domain", "https://app.TEST/m.json", "public host"},
		{"an internal domain", "https://app.internal/m.json", "public host"},
		{"a home network", "https://app.home.arpa/m.json", "public host"},
		{"an onion service", "https://app.onion/m.json", "public host"},
		{"no name", "https://app.invalid/m.json", "public host"},
		{"documentation", "https://app.example/m.json", "public host"},
		{"a dot behind the host", "https://app.example.com./m.json", "public host"},
		{"two dots in the host", "https://app..example.com/m.json", "public host"},
		{"an escape in the host", "https://app%2Eexample.com/m.json", "public host"},
		{"a label too long", "https://" + strings.Repeat("a", 64) + ".example.com/m.json", "public host"},
		{"a host too long", "https://" + strings.Repeat("abcdefg.", 32) + "com/m.json", "public host"},
		{"capital letters in the host", "https://App.example.com/m.json", "capital letters"},
		{"no path", "https://app.example.com", "path of a document"},
		{"the root", "https://app.example.com/", "path of a document"},
		{"no path, a query", "https://app.example.com?m.json", "path of a document"},
		{"a folder", "https://app.example.com/m/", "path of a document"},
		{"a parent", "https://app.example.com/a/../m.json", `segment ".."`},
		{"a parent at the end", "https://app.example.com/a/..", `segment ".."`},
		{"the same folder", "https://app.example.com/./m.json", `segment "."`},
		{"an escaped parent", "https://app.example.com/a/%2e%2E/m.json", "segment"},
		{"a half escaped parent", "https://app.example.com/a/.%2e/m.json", "segment"},
		{"an escaped same folder", "https://app.example.com/%2E/m.json", "segment"},
		{"a backslash", `https://app.example.com\m.json`, "character"},
		{"a backslash in the path", `https://app.example.com/a\m.json`, "character"},
		{"a space", "https://app.example.com/a m.json", "character"},
		{"a space in front", " https://app.example.com/m.json", "not an https URL"},
		{"a tab", "https://app.example.com/m.\tjson", "character"},
		{"a line feed behind", "https://app.example.com/m.json\n", "character"},
		{"a letter outside of ASCII", "https://app.example.com/métadonnées.json", "character"},
		{"a host outside of ASCII", "https://münchen.example.com/m.json", "character"},
		{"a quotation mark", `https://app.example.com/"m".json`, "unescaped"},
		{"braces", "https://app.example.com/{m}.json", "unescaped"},
		{"a backquote", "https://app.example.com/`m.json", "unescaped"},
		{"a caret", "https://app.example.com/^m.json", "unescaped"},
		{"angle brackets", "https://app.example.com/<m>.json", "unescaped"},
		{"an apostrophe in the query", "https://app.example.com/m.json?a='b'", "query unescaped"},
		{"half an escape", "https://app.example.com/m%2.json", "begins no escape"},
		{"half an escape at the end", "https://app.example.com/m%2", "begins no escape"},
		{"no escape", "https://app.example.com/100%.json", "begins no escape"},
	} {
		t.Run("O1 "+tt.name, func(t *testing.T) {
			err := CheckClientID(tt.id)
			if tt.want == "" && err != nil {
				t.Fatal(err)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
