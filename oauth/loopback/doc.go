// Package loopback logs a person in at a command-line program, in one call: it opens the browser, takes the answer on a
// free port of this machine (RFC 8252 §7.3), and says in the browser that it is done.
//
//	session, err := loopback.Open(ctx, "my-bot", "alice.example.com")
//
// The session is in files of the program, and is resumed the next time. A program with a client of its own, and another
// place for sessions, has the two halves of it:
//
//	config := oauth.Localhost("http://127.0.0.1/callback", "atproto transition:generic")
//	config.Store, config.Seal = files, seal.Keys(key) // filestore.Open, seal.KeyFile
//	client, err := oauth.NewClient(config)
//	…
//	session, err := loopback.ResumeOrLogin(ctx, client, "alice.example.com")
//
// ResumeOrLogin takes the session that is in the store, so that the person logs in once. Login always asks.
//
// # Over SSH
//
// The browser is then on another machine, where nothing listens. Login notices that, opens no browser, and says what to
// do: either forward the port (it prints the line of ssh -L), or paste the address of the page on which the browser
// ended, which could not be shown.
package loopback
