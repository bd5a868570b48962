// Package clientmetadata holds the rules for the document that describes an OAuth client to
// authorization servers. These are the rules for the document itself, for the URL that is its
// client_id, and for the http://localhost client_id, which replaces a document that nobody
// publishes.
//
//	document, err := clientmetadata.Parse(body)
//	if err != nil {
//		return err
//	}
//	for _, problem := range document.Check() {
//		fmt.Println(problem) // redirect_uris[0] "http://app.example.net/cb" is not https
//	}
//
// The rules are those of https://atproto.com/specs/oauth#clients. Where that says nothing, they are
// those of the reference server, so the reference server accepts a document without problems. There
// is one exception: this package does not decode names in Punycode, so a label such as xn--a, which
// is no valid name, is a problem for that server only.
//
// In other points the rules are stricter than the server's, which may check later or not at all.
// Links must lead to public hosts, URLs must need no repair by a parser, every key for signatures
// must be one for ES256, and scopes must follow their grammar.
//
// This package makes no requests.
package clientmetadata
