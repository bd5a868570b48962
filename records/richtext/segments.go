package richtext

import (
	"iter"
	"slices"
	"unicode/utf8"

	"github.com/gimucco/atproto-go/generated/appbsky"
)

// A Segment is a piece of a text.
type Segment struct {
	// Text is the text of the piece.
	Text string
	// Features are the meanings of the piece: *appbsky.RichtextFacetLink, RichtextFacetMention,
	// RichtextFacetTag, or newer ones. Plain text has none.
	Features []appbsky.RichtextFacetFeaturesUnion
}

// Segments splits a text for display. All segments together are the text. Anybody may write any
// facets. So Segments ignores facets that are outside of the text, begin or end inside a character,
// are empty, or overlap an earlier one.
func Segments(text string, facets []appbsky.RichtextFacet) iter.Seq[Segment] {
	return func(yield func(Segment) bool) {
		sorted := slices.SortedStableFunc(slices.Values(facets), func(a, b appbsky.RichtextFacet) int {
			switch {
			case a.Index.ByteStart < b.Index.ByteStart:
				return -1
			case a.Index.ByteStart > b.Index.ByteStart:
				return 1
			}
			return 0
		})
		at := 0
		for _, f := range sorted {
			from, to := f.Index.ByteStart, f.Index.ByteEnd
			if from < int64(at) || to <= from || to > int64(len(text)) || !boundary(text, int(from)) || !boundary(text, int(to)) {
				continue
			}
			if int(from) > at && !yield(Segment{Text: text[at:from]}) {
				return
			}
			if !yield(Segment{Text: text[from:to], Features: f.Features}) {
				return
			}
			at = int(to)
		}
		if at < len(text) {
			yield(Segment{Text: text[at:]})
		}
	}
}

// boundary reports whether a character begins at the offset, or the text ends there.
func boundary(text string, at int) bool { return at == len(text) || utf8.RuneStart(text[at]) }
