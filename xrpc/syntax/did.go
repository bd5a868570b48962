package syntax

import "strings"

// A DID is a decentralized identifier: the permanent name of an account
// (https://atproto.com/specs/did). It is case-sensitive.
type DID string

const maxDID = 2048

// ParseDID checks s and returns it as a DID.
func ParseDID(s string) (DID, error) {
	d := DID(s)
	if err := d.Validate(); err != nil {
		return "", err
	}
	return d, nil
}

// Validate checks the syntax. It does not check that atproto supports the method, nor that the DID
// exists.
func (d DID) Validate() error {
	s := string(d)
	if len(s) > maxDID {
		return invalid(KindDID, s, "is longer than 2048 characters")
	}
	rest, ok := strings.CutPrefix(s, "did:")
	if !ok {
		return invalid(KindDID, s, `does not start with "did:"`)
	}
	method, id, ok := strings.Cut(rest, ":")
	if !ok || method == "" || id == "" {
		return invalid(KindDID, s, "lacks a method or an identifier")
	}
	for i := range len(method) {
		if !isLower(method[i]) {
			return invalid(KindDID, s, "has a method with other characters than a to z")
		}
	}
	for i := range len(id) {
		switch c := id[i]; {
		case isAlnum(c), c == '.', c == '_', c == '-', c == ':', c == '%':
		default:
			return invalid(KindDID, s, "has a character that its identifier cannot have")
		}
	}
	if last := id[len(id)-1]; last == ':' || last == '%' {
		return invalid(KindDID, s, "ends with a colon or a percent sign")
	}
	return nil
}

// Method returns the method of the DID, such as "plc" or "web".
func (d DID) Method() string {
	rest, _ := strings.CutPrefix(string(d), "did:")
	method, _, _ := strings.Cut(rest, ":")
	return method
}

// Identifier returns the part after the method, unchanged.
func (d DID) Identifier() string {
	rest, _ := strings.CutPrefix(string(d), "did:")
	_, id, _ := strings.Cut(rest, ":")
	return id
}
