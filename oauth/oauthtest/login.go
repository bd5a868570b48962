package oauthtest

import (
	"context"
	"fmt"

	"github.com/gimucco/atproto-go/oauth"
)

// Login logs an account in and returns its session. It is for tests of what comes after a login:
//
//	session, err := server.Login(ctx, "alice")
//
// name has the same meaning as in Environment.Account. The client is a new development client with
// the scope "atproto transition:generic", sessions in memory and the server's clock. change, if
// given, changes its Config before the client is made:
//
//	session, err := server.Login(ctx, "alice", func(c *oauth.Config) { c.Scope = "atproto repo:app.bsky.feed.post" })
//
// The login makes the same requests as any other, and Stats counts them.
func (s *Server) Login(ctx context.Context, name string, change ...func(*oauth.Config)) (*oauth.Session, error) {
	const redirectURI = "http://127.0.0.1/callback"
	config := oauth.Localhost(redirectURI, "atproto transition:generic")
	environment := s.Environment()
	environment.Configure(&config)
	config.Clock = s.Now
	id := config.ClientID
	for _, c := range change {
		c(&config)
	}
	if config.ClientID == id {
		// The ID of such a client names the scopes that it may ask for.
		config.ClientID = oauth.Localhost(redirectURI, config.Scope).ClientID
	}
	client, err := oauth.NewClient(config)
	if err != nil {
		return nil, fmt.Errorf("oauthtest: the client: %w", err)
	}
	account := environment.Account(name)
	login, err := client.Authorize(ctx, string(account.DID))
	if err != nil {
		return nil, fmt.Errorf("oauthtest: %w", err)
	}
	callback, err := s.Approve(ctx, login.URL, account)
	if err != nil {
		return nil, err
	}
	result, err := client.Callback(ctx, callback.Query(), login.Binding)
	if err != nil {
		return nil, fmt.Errorf("oauthtest: %w", err)
	}
	return result.Session, nil
}
