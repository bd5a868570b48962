package clientmetadata

import (
	"fmt"
	"slices"
)

// A Problem is a rule that a document breaks.
type Problem struct {
	// Field is where: "scope", "redirect_uris[1]", "jwks.keys[0].kid".
	Field string
	// Rule says what is wrong and, where it is not obvious, why; read after Field it is a
	// sentence.
	Rule string
	// Secret marks what is worse than a refusal: the field publishes a private key.
	Secret bool
}

// String returns field and rule as a sentence.
func (p Problem) String() string { return p.Field + " " + p.Rule }

// concealed takes out what is said of a value beside its being a private key: rules quote
// values.
func concealed(list []Problem) []Problem {
	secret := make(map[string]bool)
	for _, p := range list {
		if p.Secret {
			secret[p.Field] = true
		}
	}
	return slices.DeleteFunc(list, func(p Problem) bool { return !p.Secret && p.Field != "" && secret[p.Field] })
}

// problems collects what is wrong, in order.
type problems []Problem

// add notes that a field breaks a rule.
func (p *problems) add(field, format string, args ...any) {
	*p = append(*p, Problem{Field: field, Rule: fmt.Sprintf(format, args...)})
}

// check notes err, if there is one, as what is wrong with a field.
func (p *problems) check(field string, err error) {
	if err != nil {
		p.add(field, "%v", err)
	}
}
