// Package richtext finds the links, mentions and tags of a text, which Bluesky keeps beside it
// as facets (app.bsky.richtext.facet), writes such texts and takes them apart.
//
//	facets, err := richtext.Detect(ctx, "Hello @alice.example, see example.com #atproto", resolver)
//
//	var b richtext.Builder
//	b.Text("Read ").Link("the docs", "https://atproto.com/docs").Text(" ").Tag("atproto")
//	post := &appbsky.FeedPost{Text: b.String(), Facets: b.Facets(), CreatedAt: syntax.Now()}
//
//	for s := range richtext.Segments(post.Text, post.Facets) {
//		…
//	}
//
// Offsets of facets are bytes of UTF-8, as those of Go's strings.
package richtext
