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
// those of the reference server, so that a document without problems is taken by both.
// No request is made here.
package clientmetadata
