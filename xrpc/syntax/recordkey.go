package syntax

// A RecordKey identifies a record in its collection (https://atproto.com/specs/record-key).
type RecordKey string

const maxRecordKey = 512

// ParseRecordKey checks s and returns it as a RecordKey.
func ParseRecordKey(s string) (RecordKey, error) {
	k := RecordKey(s)
	if err := k.Validate(); err != nil {
		return "", err
	}
	return k, nil
}

// Validate checks the syntax: 1 to 512 characters of A-Z a-z 0-9 . _ ~ : - and not "." or "..".
func (k RecordKey) Validate() error {
	s := string(k)
	switch {
	case s == "":
		return invalid(KindRecordKey, s, "is empty")
	case len(s) > maxRecordKey:
		return invalid(KindRecordKey, s, "is longer than 512 characters")
	case s == "." || s == "..":
		return invalid(KindRecordKey, s, "is not allowed")
	}
	for i := range len(s) {
		switch c := s[i]; {
		case isAlnum(c), c == '.', c == '_', c == '~', c == ':', c == '-':
		default:
			return invalid(KindRecordKey, s, "has a character other than letters, digits and . _ ~ : -")
		}
	}
	return nil
}
