package oauthtest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Browser returns a browser with a person who agrees to every login. It is for tests of programs
// that open a page and wait for the browser to come back, such as those that use package loopback:
//
//	session, err := loopback.Open(ctx, "my-bot", "alice.test",
//		loopback.WithConfig(server.Environment().Configure), loopback.WithBrowser(server.Browser("alice")))
//
// name has the same meaning as in Environment.Account. The returned func takes the address of a
// login, agrees as that account, and then goes where the server sends the browser. It does not wait
// for the page that it gets there. It fails, and goes nowhere, if the address is not that of a login
// at this server.
func (s *Server) Browser(name string) func(page string) error {
	account := s.Environment().Account(name)
	return func(page string) error {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		callback, err := s.Approve(ctx, page, account)
		if err != nil {
			cancel()
			return err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, callback.String(), nil)
		if err != nil {
			cancel()
			return fmt.Errorf("oauthtest: the redirect URI: %w", err)
		}
		go func() {
			defer cancel()
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return // the program under test tells its tests what became of the login
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}()
		return nil
	}
}
