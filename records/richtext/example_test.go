package richtext_test

import (
	"context"
	"fmt"
	"log"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/records/richtext"
)

// A text gets its facets, and is split into segments for display.
func ExampleDetect() {
	resolver := identity.NewStatic(identity.Identity{DID: "did:plc:ewvi7nxzyoun6zhxrhs64oiz", Handle: "alice.example"})
	text := "Hello @alice.example, see example.com #atproto"
	facets, err := richtext.Detect(context.Background(), text, resolver)
	if err != nil {
		log.Fatal(err)
	}
	for s := range richtext.Segments(text, facets) {
		for _, f := range s.Features {
			switch f := f.Value.(type) {
			case *appbsky.RichtextFacetMention:
				fmt.Println(s.Text, "is", f.DID)
			case *appbsky.RichtextFacetLink:
				fmt.Println(s.Text, "leads to", f.URI)
			case *appbsky.RichtextFacetTag:
				fmt.Println(s.Text, "is the tag", f.Tag)
			}
		}
	}
	// Output:
	// @alice.example is did:plc:ewvi7nxzyoun6zhxrhs64oiz
	// example.com leads to https://example.com
	// #atproto is the tag atproto
}
