package syntax

import (
	"errors"
	"strings"
)

// An AtIdentifier identifies an account by its DID or by its handle. To make one from a DID or
// Handle, convert it: AtIdentifier(did).
type AtIdentifier string

// ParseAtIdentifier checks s and returns it as an AtIdentifier. A text that starts with "did:" must
// be a DID; any other text must be a handle. A leading @ is not allowed.
func ParseAtIdentifier(s string) (AtIdentifier, error) {
	a := AtIdentifier(s)
	if err := a.Validate(); err != nil {
		return "", err
	}
	return a, nil
}

// Validate checks the syntax. If the identifier starts with "did:", the Reason of its error is a
// rule for DIDs, and otherwise a rule for handles.
func (a AtIdentifier) Validate() error {
	check := Handle(a).Validate
	if a.isDID() {
		check = DID(a).Validate
	}
	if e, ok := errors.AsType[*Error](check()); ok {
		return invalid(KindAtIdentifier, string(a), e.Reason)
	}
	return nil
}

// DID returns the identifier as a DID, and whether it is one.
func (a AtIdentifier) DID() (DID, bool) {
	if !a.isDID() || DID(a).Validate() != nil {
		return "", false
	}
	return DID(a), true
}

// Handle returns the identifier as a handle, and whether it is one.
func (a AtIdentifier) Handle() (Handle, bool) {
	if a.isDID() || Handle(a).Validate() != nil {
		return "", false
	}
	return Handle(a), true
}

func (a AtIdentifier) isDID() bool { return strings.HasPrefix(string(a), "did:") }
