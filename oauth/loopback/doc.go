// Package loopback logs a person in to a command-line program, in one call. It opens the browser,
// receives the answer on a free port of this machine (RFC 8252 §7.3), and tells the person in the
// browser that the login is done.
//
//	session, err := loopback.Open(ctx, "my-bot", "alice.example.com")
//
// Open keeps the session in files of the program, and resumes it the next time. A program that has
// a client of its own, or keeps sessions in another place, uses ResumeOrLogin:
//
//	config := oauth.Localhost("http://127.0.0.1/callback", "atproto transition:generic")
//	config.Store, config.Seal = files, seal.Keys(key) // filestore.Open, seal.KeyFile
//	client, err := oauth.NewClient(config)
//	…
//	session, err := loopback.ResumeOrLogin(ctx, client, "alice.example.com")
//
// ResumeOrLogin uses a session from the store if there is one, so the person logs in once. Login
// always starts a new login.
//
// # Over SSH
//
// Over SSH the browser runs on another machine, where this program does not listen. Login notices
// that and opens no browser. It tells the person what to do: forward the port (it prints the ssh -L
// command), or paste the address of the last page, the one that the browser could not show.
package loopback
