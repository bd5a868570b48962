// Package apppassword logs accounts in with a password, and keeps their sessions. It is for bots
// and scripts, which have no browser.
//
//	client, err := apppassword.NewClient(apppassword.Config{Store: store, Seal: seal.Keys(key)})
//	session, err := client.ResumeOrLogin(ctx, "bot.example.com", os.Getenv("APP_PASSWORD"))
//	api := comatproto.NewClient(session)
//
// A Session is an xrpc.Doer, like the Session of package oauth, and lives as long. One process
// refreshes its tokens for all processes that share the store. New tokens are stored before anybody
// needs them again, and a restarted program resumes the session. Both packages use the same
// internal machinery, and may share a store.
//
// # Differences from OAuth
//
// The program knows a password. It should be an app password, which the account's owner makes in
// the account's settings and can revoke. With it, the program may do everything except manage the
// account; there are no scopes. Tokens are bearer tokens: anybody who has one can use it. So an
// application for other people's accounts should use package oauth, and never ask for a password. A
// program for your own account may use either package.
//
// The reference server accepts a used refresh token again for two hours. So a session survives
// failures that end an OAuth session: after the server has issued new tokens, and before they are
// stored, the process is killed or the answer is lost.
package apppassword
