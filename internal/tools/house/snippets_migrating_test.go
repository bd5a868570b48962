package house

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"go/format"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/blake2b"
	"golang.org/x/crypto/nacl/secretbox"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// What follows are the snippets of docs/migrating.md, in its order, so that the compiler reads them
// too. TestSnippetsOfGuidesCompile compares.

func importIndigo(ctx context.Context, client *oauth.Client, stored []byte, clientID, clientKeyID string) (*oauth.Session, error) {
	var old struct { // as indigo's stores keep a session, in JSON
		AccountDID    syntax.DID `json:"account_did"`
		AuthServerURL string     `json:"authserver_url"`
		Scopes        []string   `json:"scopes"`
		AccessToken   string     `json:"access_token"`
		RefreshToken  string     `json:"refresh_token"`
		Key           string     `json:"dpop_privatekey_multibase"`
	}
	if err := json.Unmarshal(stored, &old); err != nil {
		return nil, err
	}
	keys, err := oauth.ParseClientKeys([]byte(old.Key))
	if err != nil {
		return nil, err
	}
	return client.Import(ctx, oauth.ImportedSession{
		DID:          old.AccountDID,
		ClientID:     clientID,
		Issuer:       old.AuthServerURL,
		Scope:        strings.Join(old.Scopes, " "),
		AccessToken:  old.AccessToken,
		RefreshToken: old.RefreshToken,
		Key:          keys[0].Signer,
		ClientKeyID:  clientKeyID, // that of SetClientSecret; "" for a public client
	})
}

func openPHP(field, passphrase string) (string, error) {
	box, err := base64.StdEncoding.DecodeString(field)
	if err != nil || len(box) < 24 {
		return "", errors.New("the field is not encrypted")
	}
	key := blake2b.Sum256([]byte(passphrase))
	text, ok := secretbox.Open(nil, box[24:], (*[24]byte)(box), &key)
	if !ok {
		return "", errors.New("the passphrase is not the one that the field was encrypted with")
	}
	return string(text), nil
}

// A phpRow is a row of the PHP library, its secrets opened.
type phpRow struct {
	DID                                                                   syntax.DID
	AuthServerIssuer, Scope, AccessToken, RefreshToken, DPoPPrivateKeyPEM string
	ExpiresAt                                                             int64
}

func importPHP(ctx context.Context, client *oauth.Client, row phpRow, clientID string) (*oauth.Session, error) {
	keys, err := oauth.ParseClientKeys([]byte(row.DPoPPrivateKeyPEM))
	if err != nil {
		return nil, err
	}
	return client.Import(ctx, oauth.ImportedSession{
		DID:          row.DID,
		ClientID:     clientID,
		Issuer:       row.AuthServerIssuer,
		Scope:        row.Scope,
		AccessToken:  row.AccessToken,
		RefreshToken: row.RefreshToken,
		Expires:      time.Unix(row.ExpiresAt, 0),
		Key:          keys[0].Signer,
	})
}

var _ = []any{importIndigo, importPHP}

// What the guide opens was sealed by libsodium itself, which the PHP library uses.
func TestTheGuideOpensWhatLibsodiumSealed(t *testing.T) {
	const field = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYNQWmvdyL+rHnv0yjHlHynQ2OSiWwjHbD6hP69DN81Zo="
	if text, err := openPHP(field, "correct horse battery staple"); err != nil || text != "eyJ.access.token" {
		t.Errorf("%q, %v", text, err)
	}
	if text, err := openPHP(field, "another passphrase"); err == nil {
		t.Errorf("another passphrase opens it as %q", text)
	}
	if text, err := openPHP("eyJ.access.token", "correct horse battery staple"); err == nil {
		t.Errorf("a field in the clear is opened as %q", text)
	}
}

// The guide says how long the ports are.
func TestPortsAreAsShortAsTheGuideSays(t *testing.T) {
	guide := readDocument(t, "docs/migrating.md")
	for _, tt := range []struct {
		files []string
		row   string
	}{
		{[]string{"web/main.go"}, "| lines of Go, as gofmt writes them, without blank ones | 310 | %d |"},
		{[]string{"web/base.html", "web/home.html", "web/login.html", "web/post.html"}, "| lines of HTML, without blank ones | 58 | %d |"},
		{[]string{"cli/main.go"}, "| lines of Go of the program, without blank ones | 197 | %d |"},
	} {
		lines := 0
		for _, name := range tt.files {
			source, err := os.ReadFile(root + "/examples/ports/" + name)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(name, ".go") {
				if formatted, err := format.Source(source); err != nil || string(formatted) != string(source) {
					t.Errorf("%s is not as gofmt writes it: %v", name, err)
				}
			}
			for line := range strings.Lines(string(source)) {
				if strings.TrimSpace(line) != "" {
					lines++
				}
			}
		}
		if row := fmt.Sprintf(tt.row, lines); !strings.Contains(guide, row) {
			t.Errorf("docs/migrating.md lacks %q", row)
		}
	}
}
