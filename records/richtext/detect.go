package richtext

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Resolver finds mentioned accounts. Every identity.Resolver is one; Server returns another. If a
// handle does not exist, the error is identity.ErrNotFound.
type Resolver interface {
	// ResolveHandle returns the DID that a handle names.
	ResolveHandle(ctx context.Context, handle syntax.Handle) (syntax.DID, error)
}

// Detect finds links, mentions, tags and cashtags in text, by the rules of the Bluesky app, and
// returns them in their order:
//
//   - https://example.com/a, and example.com/a if its last label is a top-level domain
//   - @alice.example, if the resolver finds it; without a resolver there are no mentions
//   - #tag, in any script, with at least one character that is not a digit
//   - $TICKER, which is the tag "$TICKER"
//
// Links become URIs of RFC 3986: an internationalized host, and other characters outside ASCII, are
// encoded.
//
// Each must be at the beginning of a word. Links, mentions and cashtags may also follow a
// parenthesis. Punctuation at the end of a sentence is not part of them.
//
// A handle that does not exist stays plain text. If a handle cannot be resolved now, that is an
// error; otherwise the mention would be lost silently.
func Detect(ctx context.Context, text string, resolver Resolver) ([]appbsky.RichtextFacet, error) {
	var found []span
	for from, to := range words(text) {
		word := text[from:to]
		if s, ok := link(word); ok {
			found = append(found, s.shift(from))
		}
		if s, ok := tag(word); ok {
			found = append(found, s.shift(from))
		}
		for s := range mentions(word) {
			found = append(found, s.shift(from))
		}
		for s := range cashtags(word) {
			found = append(found, s.shift(from))
		}
	}
	slices.SortStableFunc(found, func(a, b span) int { return a.from - b.from })

	var facets []appbsky.RichtextFacet
	known := make(map[syntax.Handle]syntax.DID)
	end := 0
	for _, s := range found {
		if s.from < end {
			continue // inside of an earlier span, such as "(@a.example" in a link
		}
		feature := appbsky.RichtextFacetFeaturesUnion{}
		switch s.kind {
		case isLink:
			feature = appbsky.NewRichtextFacetFeaturesUnion(&appbsky.RichtextFacetLink{URI: syntax.URI(s.value)})
		case isTag:
			feature = appbsky.NewRichtextFacetFeaturesUnion(&appbsky.RichtextFacetTag{Tag: s.value})
		case isMention:
			did, err := resolve(ctx, resolver, s.value, known)
			if err != nil {
				return nil, err
			}
			if did == "" {
				continue
			}
			feature = appbsky.NewRichtextFacetFeaturesUnion(&appbsky.RichtextFacetMention{DID: did})
		}
		facets = append(facets, facet(s.from, s.to, feature))
		end = s.to
	}
	return facets, nil
}

// resolve returns the DID of a mention, or "" if it is not one.
func resolve(ctx context.Context, resolver Resolver, text string, known map[syntax.Handle]syntax.DID) (syntax.DID, error) {
	handle, err := syntax.ParseHandle(text)
	if resolver == nil || err != nil {
		return "", nil
	}
	handle = handle.Normalize()
	if did, ok := known[handle]; ok {
		return did, nil
	}
	did, err := resolver.ResolveHandle(ctx, handle)
	switch {
	case errors.Is(err, identity.ErrNotFound):
		did = ""
	case err != nil:
		return "", fmt.Errorf("richtext: the mention @%s: %w", handle, err)
	}
	known[handle] = did
	return did, nil
}

type kind int

const (
	isLink kind = iota
	isMention
	isTag
)

// A span is a found piece of text. The offsets are bytes.
type span struct {
	from, to int
	kind     kind
	value    string // URI, handle or tag
}

func (s span) shift(by int) span {
	s.from += by
	s.to += by
	return s
}

// words yields the beginning and end of each word in a text.
func words(text string) func(yield func(from, to int) bool) {
	return func(yield func(from, to int) bool) {
		from := -1
		for i, r := range text {
			switch {
			case !isSpace(r):
				if from < 0 {
					from = i
				}
			case from >= 0:
				if !yield(from, i) {
					return
				}
				from = -1
			}
		}
		if from >= 0 {
			yield(from, len(text))
		}
	}
}

// isSpace is the app's \s.
func isSpace(r rune) bool { return r == '\ufeff' || r != '\u0085' && unicode.IsSpace(r) }

// starts yields the places in a word where something may begin: its beginning, and after each
// parenthesis.
func starts(word string) func(yield func(at int) bool) {
	return func(yield func(at int) bool) {
		if !yield(0) {
			return
		}
		for i := range len(word) {
			if word[i] == '(' && !yield(i+1) {
				return
			}
		}
	}
}

// link finds the link in a word. There is at most one, because a link continues to the end of the
// word.
func link(word string) (span, bool) {
	for at := range starts(word) {
		rest := word[at:]
		uri, ok := rest, hasScheme(rest)
		if !ok {
			domain := domainOf(rest)
			if domain == "" {
				continue
			}
			if !hasTopLevel(domain) {
				return span{}, false
			}
			uri = "https://" + rest
		}
		to := len(word)
		if strings.ContainsAny(uri[len(uri)-1:], ".,;:!?") {
			uri, to = uri[:len(uri)-1], to-1
		}
		if strings.HasSuffix(uri, ")") && !strings.Contains(uri, "(") {
			uri, to = uri[:len(uri)-1], to-1
		}
		uri, ok = inASCII(uri)
		return span{from: at, to: to, kind: isLink, value: uri}, ok
	}
	return span{}, false
}

// inASCII converts a URL to the form of RFC 3986. People type other characters, and not every
// server accepts them. It reports whether the URL has a possible host.
func inASCII(uri string) (string, bool) {
	scheme, rest, _ := strings.Cut(uri, "://")
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority := rest[:end]
	if !ascii(authority) {
		host, port, _ := strings.Cut(authority, ":")
		host, err := idna.Lookup.ToASCII(host)
		if err != nil || !hasTopLevel(host) {
			return "", false
		}
		authority = strings.TrimSuffix(host+":"+port, ":")
	}
	var b strings.Builder
	b.WriteString(scheme + "://" + authority)
	for i := end; i < len(rest); i++ {
		if c := rest[i]; c < utf8.RuneSelf {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String(), syntax.URI(b.String()).Validate() == nil
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

// hasScheme reports whether a word is a URL with something after the slashes.
func hasScheme(word string) bool {
	for _, scheme := range []string{"https://", "http://"} {
		if len(word) > len(scheme) && strings.EqualFold(word[:len(scheme)], scheme) {
			return true
		}
	}
	return false
}

// domainOf returns the domain at the beginning of a word: a letter, and labels of letters and
// digits with dots between them. It checks the form only.
func domainOf(word string) string {
	end := 0 // the end of the complete labels
	for at := 0; ; {
		label := at
		for at < len(word) && isAlphanumeric(word[at]) {
			at++
		}
		if at == label {
			break
		}
		end = at
		if at == len(word) || word[at] != '.' {
			break
		}
		at++
	}
	if end == 0 || !isLetter(word[0]) || !strings.Contains(word[:end], ".") {
		return ""
	}
	return word[:end]
}

// hasTopLevel reports whether the last label of a domain is a delegated top-level domain.
func hasTopLevel(domain string) bool {
	point := strings.LastIndexByte(domain, '.')
	if point < 0 || point == len(domain)-1 {
		return false
	}
	_, delegated := publicsuffix.PublicSuffix("example" + strings.ToLower(domain[point:]))
	return delegated
}

// mentions yields the handles after @ in a word, whether they exist or not.
func mentions(word string) func(yield func(span) bool) {
	return func(yield func(span) bool) {
		next := 0
		for at := range starts(word) {
			if at < next || at == len(word) || word[at] != '@' {
				continue
			}
			end := at + 1
			for end < len(word) && (isAlphanumeric(word[end]) || word[end] == '.' || word[end] == '-') {
				end++
			}
			// It ends where an ASCII word begins or ends: not with a dot, and not before a "_".
			for end > at+1 && isWord(word, end-1) == isWord(word, end) {
				end--
			}
			handle := word[at+1 : end]
			if !hasTopLevel(handle) && !strings.HasSuffix(handle, ".test") {
				continue
			}
			next = end
			if !yield(span{from: at, to: end, kind: isMention, value: handle}) {
				return
			}
		}
	}
}

// maxTag is the maximum length of a tag in UTF-16 units, like in the app.
const maxTag = 64

// tag finds the tag in a word.
func tag(word string) (span, bool) {
	_, sign := utf8.DecodeRuneInString(word)
	if !strings.HasPrefix(word, "#") && !strings.HasPrefix(word, "＃") || strings.HasPrefix(word[sign:], "\ufe0f") {
		return span{}, false
	}
	text := word[sign:]
	if i := strings.IndexFunc(text, isInvisible); i >= 0 {
		text = text[:i]
	}
	if !strings.ContainsFunc(text, func(r rune) bool { return (r < '0' || r > '9') && !unicode.IsPunct(r) }) {
		return span{}, false
	}
	text = strings.TrimRightFunc(text, unicode.IsPunct)
	if units := len(utf16.Encode([]rune(text))); units == 0 || units > maxTag {
		return span{}, false
	}
	return span{from: 0, to: sign + len(text), kind: isTag, value: text}, true
}

// isInvisible reports whether a character has no width; such a character ends a tag.
func isInvisible(r rune) bool {
	return r == '\u00ad' || r == '\u2060' || '\u200a' <= r && r <= '\u200d' || r == '\u20e2'
}

// maxTicker is the maximum length of a ticker.
const maxTicker = 5

// cashtags yields the tickers after $ in a word.
func cashtags(word string) func(yield func(span) bool) {
	return func(yield func(span) bool) {
		for at := range starts(word) {
			if at+1 >= len(word) || word[at] != '$' || !isLetter(word[at+1]) {
				continue
			}
			end := at + 1
			for end < len(word) && isAlphanumeric(word[end]) {
				end++
			}
			next, _ := utf8.DecodeRuneInString(word[end:])
			if end-at-1 > maxTicker || end < len(word) && !strings.ContainsRune(".,;:!?)\"'\u2019", next) {
				continue
			}
			if !yield(span{from: at, to: end, kind: isTag, value: strings.ToUpper(word[at:end])}) {
				return
			}
		}
	}
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isAlphanumeric(c byte) bool { return isLetter(c) || '0' <= c && c <= '9' }

// isWord is \w. It is false after the end of s.
func isWord(s string, at int) bool { return at < len(s) && (isAlphanumeric(s[at]) || s[at] == '_') }

func facet(from, to int, feature appbsky.RichtextFacetFeaturesUnion) appbsky.RichtextFacet {
	return appbsky.RichtextFacet{
		Index:    appbsky.RichtextFacetByteSlice{ByteStart: int64(from), ByteEnd: int64(to)},
		Features: []appbsky.RichtextFacetFeaturesUnion{feature},
	}
}
