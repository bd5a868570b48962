package syntax

import "strings"

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

// Validate checks the form: a language of two or three lower-case letters, or the
// prefix i or x, then subtags of one to eight letters and digits. It does not check
// in which order subtags stand, nor that they are registered.
func (l Language) Validate() error {
	s := string(l)
	primary, rest, more := strings.Cut(s, "-")
	switch {
	case primary == "i" || primary == "x":
		if !more {
			return invalid(KindLanguage, s, "has nothing after its prefix")
		}
	case len(primary) != 2 && len(primary) != 3:
		return invalid(KindLanguage, s, "has a language that is not two or three letters long")
	default:
		for i := range len(primary) {
			if !isLower(primary[i]) {
				return invalid(KindLanguage, s, "has a language with other characters than a to z")
			}
		}
	}
	if !more {
		return nil
	}
	for tag := range strings.SplitSeq(rest, "-") {
		if tag == "" || len(tag) > 8 {
			return invalid(KindLanguage, s, "has a subtag that is not one to eight characters long")
		}
		for i := range len(tag) {
			if !isAlnum(tag[i]) {
				return invalid(KindLanguage, s, "has a subtag with a character other than letters and digits")
			}
		}
	}
	return nil
}
