package richtext

import (
	"slices"
	"strings"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Builder builds a text and its facets piece by piece. The zero value is an empty text. It is not
// safe for concurrent use.
type Builder struct {
	text   strings.Builder
	facets []appbsky.RichtextFacet
}

// Text adds plain text.
func (b *Builder) Text(text string) *Builder {
	b.text.WriteString(text)
	return b
}

// Link adds text that links to a URI.
func (b *Builder) Link(text string, uri syntax.URI) *Builder {
	return b.add(text, appbsky.NewRichtextFacetFeaturesUnion(&appbsky.RichtextFacetLink{URI: uri}))
}

// Mention adds text that mentions an account, such as "@alice.example".
func (b *Builder) Mention(text string, did syntax.DID) *Builder {
	return b.add(text, appbsky.NewRichtextFacetFeaturesUnion(&appbsky.RichtextFacetMention{DID: did}))
}

// Tag adds a tag with a # in front. Write tag without the #.
func (b *Builder) Tag(tag string) *Builder {
	return b.add("#"+tag, appbsky.NewRichtextFacetFeaturesUnion(&appbsky.RichtextFacetTag{Tag: tag}))
}

func (b *Builder) add(text string, feature appbsky.RichtextFacetFeaturesUnion) *Builder {
	if text == "" {
		return b // a facet must contain at least one character
	}
	from := b.text.Len()
	b.text.WriteString(text)
	b.facets = append(b.facets, facet(from, b.text.Len(), feature))
	return b
}

// String returns the text.
func (b *Builder) String() string { return b.text.String() }

// Facets returns the facets.
func (b *Builder) Facets() []appbsky.RichtextFacet { return slices.Clone(b.facets) }
