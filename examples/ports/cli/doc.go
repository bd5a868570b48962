// Cli is the command-line program of the AT Protocol cookbook for Go (go-oauth-cli-app), which is written for indigo,
// ported to this module. docs/migrating.md compares the two.
//
//	go run ./examples/ports/cli login alice.example.com
//	go run ./examples/ports/cli status
//	go run ./examples/ports/cli bsky-post 'Hello from Go'
//
// Its client_id is an address that you publish the client's metadata at. Put your own into main.go first.
package main
