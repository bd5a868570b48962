package clientmetadata

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// CheckScope checks what every server checks of a scope, in a document as in a request:
// tokens of the characters that RFC 6749 §3.3 allows, separated by one space, none of
// them twice, "atproto" among them and "openid" not.
func CheckScope(scope string) error {
	if scope == "" {
		return errors.New(`is empty: it holds "atproto" at least`)
	}
	tokens := strings.Split(scope, " ")
	for i, token := range tokens {
		switch {
		case token == "":
			return fmt.Errorf("%q has an empty token: separate scopes by one space", scope)
		case strings.ContainsFunc(token, func(r rune) bool { return r < 0x21 || r > 0x7E || r == '"' || r == '\\' }):
			return fmt.Errorf("token %q holds a character that scopes may not have", token)
		case token == "openid":
			return errors.New(`holds "openid", which is not for atproto: the account is in every token answer`)
		case slices.Contains(tokens[:i], token):
			return fmt.Errorf("holds %q twice", token)
		}
	}
	if !slices.Contains(tokens, "atproto") {
		return fmt.Errorf("%q lacks \"atproto\"", scope)
	}
	return nil
}
