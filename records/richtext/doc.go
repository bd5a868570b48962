// Package richtext detects the links, mentions and tags of a text, builds such texts, and splits
// them. Bluesky stores them beside the text, as facets (app.bsky.richtext.facet).
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
// The offsets of facets count bytes of UTF-8, like the indexes of Go strings.
package richtext
