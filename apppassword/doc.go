// Package apppassword logs accounts in by password, and keeps their sessions: what bots and scripts use
// that have no browser.
//
//	client, err := apppassword.NewClient(apppassword.Config{Store: store, Seal: seal.Keys(key)})
//	session, err := client.ResumeOrLogin(ctx, "bot.example.com", os.Getenv("APP_PASSWORD"))
//	api := comatproto.NewClient(session)
//
// A Session is an xrpc.Doer, as that of package oauth is, and lives as long: its tokens are renewed by one
// process for all that share the store, new ones are stored before anybody needs them again, and a restart
// brings it back. The two packages stand on the same keeper, and may share a store.
//
// # What is different from OAuth
//
// The program knows a password. With an app password, which the owner makes in the account's settings and
// can take away again, it may do everything but manage the account; there are no scopes. Tokens are bearer
// tokens: whoever has one can use it. So an application for other people's accounts uses package oauth, and
// never asks for a password; a program for an account of its own may use either.
//
// The reference server takes a refresh token that was used for another two hours. So a session survives what would
// end one of OAuth: a process that is killed, or an answer that is lost, after the server gave new tokens and
// before they are stored.
package apppassword
