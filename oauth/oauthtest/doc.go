// Package oauthtest runs an authorization server, a PDS and a PLC directory inside a test,
// as net/http/httptest runs a web server. It needs no network and no set-up:
//
//	server := oauthtest.NewServer() // with the accounts alice.test and bob.test
//	defer server.Close()
//	server.Environment().Configure(&config) // config is an oauth.Config
//
// Where a test is about what comes after a login, one line is enough:
//
//	session, err := server.Login(ctx, "alice")
//
// A client with that Config finds the accounts, logs in, calls the PDS, refreshes and logs
// out by the same requests as on the real network. Approve and Deny take the part of the
// user at the sign-in page, ApprovePart that of one who agrees to less than was asked for; SignInPage is one for real
// browsers.
//
// # What it verifies
//
// The server refuses what real servers refuse, in their words as far as they are known:
//
//   - the client: the form of client_id, the published metadata, redirect URIs, and the
//     assertions of confidential clients (private_key_jwt), each of which is taken once
//   - pushed requests (PAR): every login begins with one; a request_uri is used once, by the
//     client that pushed it, in its time
//   - PKCE: S256 alone, and the verifier that belongs to the challenge
//   - DPoP proofs: signature, key, method, URL, time, nonce, hash of the access token; each
//     is taken once. Nonces change, and an old one is answered with a challenge
//   - codes: taken once, in their time, by the same client with the same key
//   - refresh tokens: taken once, by the same key and client; a second use ends the session
//   - access tokens: bound to the key, run out, end with their session and at its refresh
//   - scopes: of the client's metadata, of the login, and for every call to the PDS;
//     permission sets as they are published
//   - writes: identifiers, whose repository it is, $type, swaps, sizes, that the blobs of a record were
//     uploaded, and that a record is as its lexicon wants it
//
// It speaks the sessions of app passwords as well: createSession, refreshSession, deleteSession,
// createAppPassword and revokeAppPassword, with bearer tokens and refresh tokens that work once, and for a
// grace period again. AddAppPassword, RevokeAppPassword, SetAuthFactor and SetTakenDown are for them, and
// Environment.ConfigureAppPassword for their clients.
//
// # What it knows
//
// The PDS has these methods, by their last names (Server.Methods has them all):
//
//   - com.atproto.server: describeServer, getSession, getServiceAuth, and those of app passwords
//   - com.atproto.identity: resolveHandle, resolveIdentity
//   - com.atproto.repo: createRecord, putRecord, deleteRecord, applyWrites, getRecord, listRecords, uploadBlob
//   - com.atproto.sync: getBlob, getRepo, getRecord, getLatestCommit, getRepoStatus, listRepos,
//     subscribeRepos
//
// Handle gives it any other: a func with types, behind the same authorization.
//
// Repositories are real: their records have the CIDs that every server gives them, and their commits are signed by the
// key in the account's DID document, so that package repo verifies them.
//
// # What it can do wrong
//
// Fault delays, refuses, fails or loses requests. SetTokenLifetime, RotateNonce,
// RevokeSessions, MoveAccount and SetDIDDocument do what happens to sessions in real life.
// Publish puts any document in the place of the server's own. WithClock gives the server
// another time than the client has, and Advance moves it. Stats counts what was asked, and WithRequestLog writes it down.
//
// # What it can say otherwise
//
// Real servers differ. WithoutNonces, WithDeadSessions, WithMissingScopes, WithExactRedirectURIs,
// WithoutRevocation, WithRequiredResponseMode, WithExpiresIn, WithDownloadsAt and MoveTokenEndpoint make
// the server speak as some of those do that people run, and Gateway puts a machine in front of it.
package oauthtest
