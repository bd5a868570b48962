package syntax

import "strings"

// A CID is the content address of a block, in its string form. This type knows the
// text only; package lex decodes it.
type CID string

// ParseCID checks s and returns it as a CID.
func ParseCID(s string) (CID, error) {
	c := CID(s)
	if err := c.Validate(); err != nil {
		return "", err
	}
	return c, nil
}

// Validate checks that the text can be a CID of version 1 in some multibase: 8 to
// 256 characters of their alphabets. Version 0 is refused, as the data model has it.
func (c CID) Validate() error {
	s := string(c)
	if len(s) < 8 || len(s) > 256 {
		return invalid(KindCID, s, "is not 8 to 256 characters long")
	}
	for i := range len(s) {
		switch b := s[i]; {
		case isAlnum(b), b == '+', b == '/', b == '=', b == '-', b == '_':
		default:
			return invalid(KindCID, s, "has a character that no multibase has")
		}
	}
	if len(s) == 46 && strings.HasPrefix(s, "Qm") {
		return invalid(KindCID, s, "is of version 0")
	}
	return nil
}
