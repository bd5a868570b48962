// Package oauthtest runs an authorization server, a PDS and a PLC directory inside a test, like
// net/http/httptest runs a web server. It needs no network and no set-up:
//
//	server := oauthtest.NewServer() // with the accounts alice.test and bob.test
//	defer server.Close()
//	server.Environment().Configure(&config) // config is an oauth.Config
//
// For a test of what comes after a login, one line is enough:
//
//	session, err := server.Login(ctx, "alice")
//
// A client with that Config finds the accounts, logs in, calls the PDS, refreshes and logs out with
// the same requests as on the real network. Approve and Deny act as the user at the sign-in page, and
// ApprovePart as a user who allows less than was asked for. SignInPage is a page for real browsers.
//
// # What it verifies
//
// The server refuses what real servers refuse, with their error messages as far as they are known:
//
//   - the client: the form of client_id, the published metadata, redirect URIs, and the
//     assertions of confidential clients (private_key_jwt), each of which works once
//   - pushed requests (PAR): every login begins with one; a request_uri works once, for the
//     client that pushed it, before it expires
//   - PKCE: only S256, with the verifier that belongs to the challenge
//   - DPoP proofs: signature, key, method, URL, time, nonce, hash of the access token; each
//     works once. Nonces change, and the answer to an old one is a challenge
//   - codes: each works once, before it expires, for the same client with the same key
//   - refresh tokens: each works once, for the same key and client; a second use ends the session
//   - access tokens: bound to the key; they end when they expire, with their session, and when
//     it is refreshed
//   - scopes: of the client's metadata, of the login, and for every call to the PDS; published
//     permission sets
//   - writes: identifiers, the owner of the repository, $type, swaps, sizes, that the blobs of a
//     record were uploaded, and that a record follows its lexicon
//
// It also supports the sessions of app passwords: createSession, refreshSession, deleteSession,
// createAppPassword and revokeAppPassword, with bearer tokens. Their refresh tokens work once, and
// again during a grace period. AddAppPassword, RevokeAppPassword, SetAuthFactor and SetTakenDown
// control them, and Environment.ConfigureAppPassword configures their clients.
//
// # What it knows
//
// The PDS has these methods, by their last names (Server.Methods returns them all):
//
//   - com.atproto.server: describeServer, getSession, getServiceAuth, and those of app passwords
//   - com.atproto.identity: resolveHandle, resolveIdentity
//   - com.atproto.repo: createRecord, putRecord, deleteRecord, applyWrites, getRecord, listRecords,
//     describeRepo, uploadBlob
//   - com.atproto.sync: getBlob, getRepo, getRecord, getLatestCommit, getRepoStatus, listRepos,
//     subscribeRepos
//
// Handle gives it any other: a func with types, behind the same authorization.
//
// Repositories are real. Their records have the CIDs that every server gives them. The key in the
// account's DID document signs their commits, so package repo verifies them.
//
// # Failures
//
// Fault delays, refuses, fails or loses requests. SetTokenLifetime, RotateNonce, RevokeSessions,
// MoveAccount and SetDIDDocument cause events that sessions meet in real life. Publish replaces any
// of the server's own documents. WithClock gives the server another time than the client has, and
// Advance moves it. Stats counts the requests, and WithRequestLog logs them.
//
// # Other servers
//
// Real servers differ. These options make the server behave like others that people run:
// WithoutNonces, WithDeadSessions, WithMissingScopes, WithExactRedirectURIs, WithoutRevocation,
// WithRequiredResponseMode, WithExpiresIn, WithDownloadsAt and MoveTokenEndpoint. Gateway puts a
// machine in front of the server.
package oauthtest
