package main

import (
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
)

// A sandbox is a server with the accounts alice.test and bob.test in this process, for
// trying the application out without a network.
type sandbox struct{ *oauthtest.Server }

// startSandbox starts one whose sign-in page is the application's own /sign-in.
func startSandbox(home string) *sandbox {
	return &sandbox{oauthtest.NewServer(oauthtest.WithSignInPage(home + "/sign-in"))}
}

// configure makes the application a client of the sandbox.
func (s *sandbox) configure(config *oauth.Config) {
	env := s.Environment()
	env.Configure(config)
	config.DefaultServer = env.PDS
}

// words are what the pages say of it.
func (s *sandbox) words() (example, note string) {
	return "alice.test", "This is the sandbox: its accounts are alice.test and bob.test, and end with this program."
}
