package syntax

import (
	"strings"

	"github.com/gimucco/atproto-go/internal/cidform"
)

// A CID is the content address of a block, as text. This type holds only the text; package lex
// decodes it.
type CID string

// ParseCID checks s and returns it as a CID.
func ParseCID(s string) (CID, error) {
	c := CID(s)
	if err := c.Validate(); err != nil {
		return "", err
	}
	return c, nil
}

// Validate checks that the text can be a CID of version 1 in some multibase: 8 to 256 characters
// from the alphabets of multibases. It refuses version 0, like the data model. For a CID in base32,
// the base of the data model, it also checks the numbers and the length of the digest, and that the
// text is the only one for this CID.
func (c CID) Validate() error {
	s := string(c)
	if len(s) < 8 || len(s) > 256 {
		return invalid(KindCID, s, "is not 8 to 256 characters long")
	}
	for i := range len(s) {
		switch b := s[i]; {
		case isAlnum(b), b == '+', b == '/', b == '=', b == '-', b == '_':
		default:
			return invalid(KindCID, s, "has a character that is in no multibase")
		}
	}
	if len(s) == 46 && strings.HasPrefix(s, "Qm") {
		return invalid(KindCID, s, "is of version 0")
	}
	if s[0] == 'b' { // base32, the base of the data model
		var room [cidform.MaxSize]byte
		if _, wrong := cidform.Append(room[:0], s); wrong != "" {
			return invalid(KindCID, s, wrong)
		}
	}
	return nil
}
