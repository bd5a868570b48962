package syntax

import (
	"slices"
	"strings"
)

// A Language is a language tag (BCP 47, RFC 5646 §2.1), such as "ja" or "pt-BR".
type Language string

// ParseLanguage checks s and returns it as a Language.
func ParseLanguage(s string) (Language, error) {
	l := Language(s)
	if err := l.Validate(); err != nil {
		return "", err
	}
	return l, nil
}

// Validate checks that the tag is well-formed (RFC 5646 §2.2.9). A tag has a language of two or
// three lower-case letters, up to three language extensions, a script, a region, variants and
// extensions, none of them twice, and a private-use part. It may also be private use alone, or one
// of the tags that are older than these rules. Validate does not check that subtags are registered.
func (l Language) Validate() error {
	s := string(l)
	if slices.Contains(irregularLanguages, s) {
		return nil
	}
	first, _, _ := strings.Cut(s, "-")
	rest := s[len(first):] // the remaining subtags, each with a hyphen in front
	if first != "x" && first != "X" {
		switch {
		case len(first) != 2 && len(first) != 3:
			return invalid(KindLanguage, s, "has a language that is not two or three letters long")
		case !isTag(first, isLower, 2, 3):
			return invalid(KindLanguage, s, "has a language with other characters than a to z")
		}
		for range 3 {
			rest = skipTag(rest, isAlpha, 3, 3)
		}
		rest = skipTag(rest, isAlpha, 4, 4)
		if after := skipTag(rest, isAlpha, 2, 2); after != rest {
			rest = after
		} else {
			rest = skipTag(rest, isDigit, 3, 3)
		}
		var wrong string
		if rest, wrong = skipVariants(rest); wrong == "" {
			rest, wrong = skipExtensions(rest)
		}
		if wrong != "" {
			return invalid(KindLanguage, s, wrong)
		}
		if rest == "" {
			return nil
		}
		if private := firstTag(rest); private != "x" && private != "X" {
			return invalid(KindLanguage, s, "has a subtag that cannot stand where it does")
		}
		rest = rest[len("-x"):]
	}
	if rest == "" {
		return invalid(KindLanguage, s, "has nothing after its prefix")
	}
	for rest != "" {
		after := skipTag(rest, isAlnum, 1, 8)
		if after == rest {
			return invalid(KindLanguage, s, "has a subtag that is not one to eight letters and digits")
		}
		rest = after
	}
	return nil
}

// irregularLanguages are registered tags that follow no rule (RFC 5646 §2.1). Other old tags follow
// the rules.
var irregularLanguages = []string{
	"en-GB-oed", "i-ami", "i-bnn", "i-default", "i-enochian", "i-hak", "i-klingon", "i-lux", "i-mingo", "i-navajo",
	"i-pwn", "i-tao", "i-tay", "i-tsu", "sgn-BE-FR", "sgn-BE-NL", "sgn-CH-DE",
}

// firstTag returns the first remaining subtag.
func firstTag(rest string) string {
	if rest == "" {
		return ""
	}
	tag, _, _ := strings.Cut(rest[1:], "-")
	return tag
}

// isTag reports whether tag has shortest to longest characters, all of one kind.
func isTag(tag string, kind func(byte) bool, shortest, longest int) bool {
	if len(tag) < shortest || len(tag) > longest {
		return false
	}
	for i := range len(tag) {
		if !kind(tag[i]) {
			return false
		}
	}
	return true
}

// skipTag removes the first subtag if it is of that kind.
func skipTag(rest string, kind func(byte) bool, shortest, longest int) string {
	if tag := firstTag(rest); rest != "" && isTag(tag, kind, shortest, longest) {
		return rest[1+len(tag):]
	}
	return rest
}

// skipVariants removes the variants: dialects and spellings.
func skipVariants(tags string) (rest, wrong string) {
	for rest = tags; ; {
		tag := firstTag(rest)
		if !isTag(tag, isAlnum, 5, 8) && !(isTag(tag, isAlnum, 4, 4) && isDigit(tag[0])) {
			return rest, ""
		}
		for before := tags; before != rest; before = before[1+len(firstTag(before)):] {
			if strings.EqualFold(firstTag(before), tag) {
				return rest, "has a variant twice"
			}
		}
		rest = rest[1+len(tag):]
	}
}

// skipExtensions removes the extensions: a letter or digit, followed by subtags.
func skipExtensions(tags string) (rest, wrong string) {
	for rest = tags; ; {
		tag := firstTag(rest)
		if !isTag(tag, isAlnum, 1, 1) || tag == "x" || tag == "X" {
			return rest, ""
		}
		for before := tags; before != rest; before = before[1+len(firstTag(before)):] {
			if strings.EqualFold(firstTag(before), tag) {
				return rest, "has an extension twice"
			}
		}
		first := rest[1+len(tag):]
		rest = skipTag(first, isAlnum, 2, 8)
		if rest == first {
			return rest, "has an extension with nothing after its letter"
		}
		for after := skipTag(rest, isAlnum, 2, 8); after != rest; after = skipTag(rest, isAlnum, 2, 8) {
			rest = after
		}
	}
}
