// Package clientmetadata holds the rules for the document that describes an OAuth client
// to authorization servers: the document itself, the URL that is its client_id, and the
// http://localhost client_id that stands for a document nobody published.
//
//	document, err := clientmetadata.Parse(body)
//	if err != nil {
//		return err
//	}
//	for _, problem := range document.Check() {
//		fmt.Println(problem) // redirect_uris[0] "http://app.example.net/cb" is not https
//	}
//
// The rules are those of https://atproto.com/specs/oauth#clients, and where it is silent
// those of the reference server, so that it takes a document without problems. There is one
// exception: names in Punycode are not decoded, and a label such as xn--a, which stands for
// no name, is a problem to that server alone. In the other direction the rules are
// narrower. Links lead to public hosts, URLs are written without what parsers mend, every
// key for signatures is one for ES256, and scopes follow their grammar, where the server
// may look later or not at all.
//
// No request is made here.
package clientmetadata
