package scope

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// checkService checks a reference to a service: the DID of its operator and, as a fragment, its
// name in the DID document.
func checkService(ref string) error {
	did, fragment, found := strings.Cut(ref, "#")
	if err := checkDID(syntax.DID(did)); err != nil {
		return fmt.Errorf("audience %q: %w", ref, err)
	}
	if !found {
		return fmt.Errorf("audience %q names a DID but no service: write %s#service with the service's name", ref, did)
	}
	if !isFragment(fragment) {
		return fmt.Errorf("audience %q has an empty or invalid service name", ref)
	}
	return nil
}

// checkDID checks that did uses one of the DID methods of atproto
// (https://atproto.com/specs/did#blessed-did-methods).
func checkDID(did syntax.DID) error {
	if err := did.Validate(); err != nil {
		return err
	}
	id := did.Identifier()
	switch did.Method() {
	case "plc":
		if len(id) != 24 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz234567") != "" {
			return errors.New("a did:plc has 24 characters from a to z and 2 to 7")
		}
		return nil
	case "web":
		if host, port, ok := strings.Cut(id, "%3A"); ok && host == "localhost" && strings.Trim(port, "0123456789") == "" {
			return nil
		}
		if strings.ContainsAny(id, ":%") {
			return errors.New("a did:web is a host name without port and path")
		}
		return nil
	}
	return errors.New("is neither did:plc nor did:web")
}

// isFragment checks the fragment of a URI (RFC 3986 §3.5).
func isFragment(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case isAlnum(c), strings.IndexByte("-._~!$&'()*+,;=:@/?", c) >= 0:
		case c == '%' && isEscape(s[i:]):
		default:
			return false
		}
	}
	return s != ""
}
