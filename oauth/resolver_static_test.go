package oauth_test

import (
	"testing"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/oauth"
)

func TestLoginWithAccountsFromMemory(t *testing.T) {
	server := sandbox(t)
	env := server.Environment()
	alice := env.Account("alice")
	client := newClient(t, server, func(cfg *oauth.Config) {
		cfg.Resolver = identity.NewStatic(identity.Identity{DID: alice.DID, Handle: alice.Handle, PDS: env.PDS})
	})
	if s := login(t, server, client); s.DID() != alice.DID || s.Handle() != alice.Handle {
		t.Errorf("logged in as %s, %s", s.DID(), s.Handle())
	}
}
