package plan

import (
	"regexp"
	"strings"
	"unicode"
)

// clean makes text of a lexicon fit for a line comment: one line, no control
// characters, nothing a compiler or gofmt would read as more than words.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return ' '
		case unicode.Is(unicode.Cf, r): // byte order marks, bidirectional controls
			return -1
		}
		return r
	}, s)
	// gofmt takes a line "// +build …" for a build constraint wherever it stands, and
	// moves it to the top of the file.
	s = strings.ReplaceAll(s, "+build", "'+build'")
	return strings.Join(strings.Fields(s), " ")
}

var deprecated = regexp.MustCompile(`(?i)^\[?deprecated\]?[\s.:,;-]*`)

// docOf is a doc comment that begins with lead, a sentence without its end, and goes
// on with a lexicon's description. A description that begins with "deprecated"
// becomes the paragraph tools look for.
func docOf(lead, description string) Doc {
	text := clean(description)
	if loc := deprecated.FindString(text); loc != "" {
		rest := strings.TrimSpace(text[len(loc):])
		if rest == "" {
			rest = "the lexicon says no more."
		}
		d := Doc{"Deprecated: " + rest}
		if lead != "" {
			d = Doc{lead + ".", d[0]}
		}
		return d
	}
	switch {
	case lead == "" && text == "":
		return nil
	case lead == "":
		return Doc{sentence(text)}
	case text == "":
		return Doc{lead + "."}
	}
	return Doc{lead + ": " + sentence(text)}
}

// sentence ends a text with a full stop, if it has no end yet.
func sentence(s string) string {
	if s == "" || strings.ContainsAny(s[len(s)-1:], ".!?:)") {
		return s
	}
	return s + "."
}

// with adds a sentence to the last paragraph.
func (d Doc) with(s string) Doc {
	if len(d) == 0 {
		return Doc{s}
	}
	d[len(d)-1] += " " + s
	return d
}
