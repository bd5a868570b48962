// Web is the demo of a web application that comes with indigo's OAuth client, written for this module. It has the same
// pages, settings and scopes. docs/migrating.md compares the two.
//
//	go run ./examples/ports/web
//
// CLIENT_HOSTNAME, CLIENT_SECRET_KEY and CLIENT_SECRET_KEY_ID mean what they mean there.
package main
