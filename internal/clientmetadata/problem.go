package clientmetadata

import (
	"fmt"
	"slices"
)

// A Problem is a rule that a document breaks.
type Problem struct {
	// Field says where: "scope", "redirect_uris[1]", "jwks.keys[0].kid".
	Field string
	// Rule says what is wrong and, if it is not obvious, why. Field and Rule together are a
	// sentence.
	Rule string
	// Secret marks something worse than a refusal: the field publishes a private key.
	Secret bool
}

// String returns field and rule as a sentence.
func (p Problem) String() string { return p.Field + " " + p.Rule }

// concealed removes other problems of a value that is a private key, because rules quote values.
func concealed(list []Problem) []Problem {
	secret := make(map[string]bool)
	for _, p := range list {
		if p.Secret {
			secret[p.Field] = true
		}
	}
	return slices.DeleteFunc(list, func(p Problem) bool { return !p.Secret && p.Field != "" && secret[p.Field] })
}

// problems collects problems in their order.
type problems []Problem

// add notes that a field breaks a rule.
func (p *problems) add(field, format string, args ...any) {
	*p = append(*p, Problem{Field: field, Rule: fmt.Sprintf(format, args...)})
}

// check notes err, if it is not nil, as a problem of a field.
func (p *problems) check(field string, err error) {
	if err != nil {
		p.add(field, "%v", err)
	}
}
