package clientmetadata

import (
	"errors"
	"fmt"

	"github.com/gimucco/atproto-go/oauth/scope"
)

// CheckScope makes the checks of servers for a scope, in a document or in a request: its grammar,
// "atproto" in it, and the rules of every known resource (O121–O129).
func CheckScope(text string) error {
	if text == "" {
		return errors.New(`is empty: it holds "atproto" at least`)
	}
	set, err := scope.Parse(text)
	if err == nil {
		err = set.Validate()
	}
	broken, ok := errors.AsType[*scope.Error](err)
	switch {
	case !ok:
		return err
	case broken.Token == "": // the field says already that it is a scope
		return broken.Err
	}
	return fmt.Errorf("token %q at byte %d: %w", broken.Token, broken.Offset, broken.Err)
}
