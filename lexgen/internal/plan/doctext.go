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

var (
	deprecated = regexp.MustCompile(`(?i)^\[?deprecated\]?[\s.:,;-]*`)
	// deprecatedToo is a text that says so at its end.
	deprecatedToo = regexp.MustCompile(`^(.*[.!?]) (DEPRECATED[\s:,;-]+.*)$`)
	// noted is a text with a remark in front.
	noted = regexp.MustCompile(`^\[NOTE:\s*([^\[\]]+)\][.:\s]*`)
)

// docOf is a doc comment that begins with lead, a sentence without its end, and goes on with a lexicon's description. What
// the description says of itself stands in a paragraph of its own: a remark, and that something is deprecated, which tools
// look for.
func docOf(lead, description string) Doc {
	text := clean(description)
	var d, after Doc
	if m := noted.FindStringSubmatch(text); m != nil {
		text = text[len(m[0]):]
		after = append(after, "Note: "+sentence(m[1]))
	}
	if m := deprecatedToo.FindStringSubmatch(text); m != nil {
		text = m[1]
		after = append(after, deprecation(m[2]))
	} else if deprecated.MatchString(text) {
		after = append(after, deprecation(text))
		text = ""
	}
	switch {
	case lead != "" && text != "":
		d = Doc{lead + ": " + sentence(text)}
	case lead != "":
		d = Doc{lead + "."}
	case text != "":
		d = Doc{sentence(text)}
	}
	return append(d, after...)
}

// deprecation is the paragraph of a text that begins with the word.
func deprecation(text string) string {
	rest := strings.TrimSpace(deprecated.ReplaceAllString(text, ""))
	if rest == "" {
		rest = "the lexicon says no more"
	}
	return deprecationMark + sentence(rest)
}

const deprecationMark = "Deprecated: "

// sentence ends a text with a full stop, if it has no end yet.
func sentence(s string) string {
	end := strings.TrimRight(s, `)"'`)
	if s == "" || end == "" || strings.ContainsAny(end[len(end)-1:], ".!?") || strings.HasSuffix(s, ":") {
		return s
	}
	return s + "."
}

// with adds sentences to the first paragraph, which stands above those that docOf sets apart.
func (d Doc) with(s string) Doc {
	switch {
	case s == "":
		return d
	case len(d) == 0 || strings.HasPrefix(d[0], deprecationMark) || strings.HasPrefix(d[0], "Note: "):
		return append(Doc{s}, d...)
	}
	d[0] += " " + s
	return d
}

// withErrors adds the errors that a method declares.
func (d Doc) withErrors(names []string) Doc {
	if len(names) == 0 {
		return d
	}
	return append(d, "Errors: ["+strings.Join(names, "], [")+"].")
}

// ofType is a body that is no JSON of a known form.
func ofType(encoding string) string {
	switch encoding {
	case "application/json":
		return "JSON"
	case "*/*":
		return "a stream of bytes of any type"
	}
	return "a stream of bytes of type " + clean(encoding)
}
