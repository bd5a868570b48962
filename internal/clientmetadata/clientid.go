package clientmetadata

import (
	"errors"
	"fmt"
	"strings"
)

// CheckClientID checks a client_id that is the URL of a document: https, a public host without port
// and credentials, and a path. All of it must be in the normal form of URL parsers
// (https://url.spec.whatwg.org), because servers compare the client_id as a string with the URL
// that they parsed and fetched.
func CheckClientID(id string) error {
	if id == "" {
		return errors.New("is missing")
	}
	rest, ok := strings.CutPrefix(id, "https://")
	if !ok {
		return fmt.Errorf("%q is not an https URL", id)
	}
	if err := checkCharacters(id); err != nil {
		return fmt.Errorf("%q %w", id, err)
	}
	if strings.Contains(id, "#") {
		return fmt.Errorf("%q has a fragment", id)
	}
	rest, query, _ := strings.Cut(rest, "?")
	host, path, _ := strings.Cut(rest, "/")
	switch {
	case strings.Contains(host, "@"):
		return fmt.Errorf("%q has credentials", id)
	case strings.Contains(host, ":") && !strings.HasPrefix(host, "["):
		return fmt.Errorf("%q has a port", id)
	case !publicHost(host):
		return fmt.Errorf("%q does not name a public host", id)
	case host != strings.ToLower(host):
		return fmt.Errorf("%q has capital letters in its host, which servers take for another client_id", id)
	case path == "" || strings.HasSuffix(path, "/"):
		return fmt.Errorf("%q needs the path of a document, not ending in '/'", id)
	}
	if err := checkPath(path); err != nil {
		return fmt.Errorf("%q %w", id, err)
	}
	if i := strings.IndexAny(query, `"'<>`); i >= 0 {
		return fmt.Errorf("%q has the character %q in its query unescaped", id, query[i])
	}
	return nil
}

// checkPath refuses paths that a parser would change.
func checkPath(path string) error {
	// The path percent-encode set of the URL standard, without what checkCharacters and the
	// splitting have handled. The standard added ^ in 2024, so servers differ.
	if i := strings.IndexAny(path, "\"<>^`{}"); i >= 0 {
		return fmt.Errorf("has the character %q in its path unescaped", path[i])
	}
	for segment := range strings.SplitSeq(path, "/") {
		switch strings.ReplaceAll(strings.ToLower(segment), "%2e", ".") {
		case ".", "..":
			return fmt.Errorf("has the path segment %q, which parsers resolve", segment)
		}
	}
	return nil
}

// checkCharacters refuses characters that no URL may contain. Parsers remove some of them, change
// others, and read a backslash as a slash.
func checkCharacters(uri string) error {
	for i := range len(uri) {
		switch c := uri[i]; {
		case c <= 0x20 || c >= 0x7F || c == '\\':
			return fmt.Errorf("has the character %q, which no URL may have unescaped", c)
		case c == '%' && (i+2 >= len(uri) || !isHex(uri[i+1]) || !isHex(uri[i+2])):
			return errors.New("has a % that begins no escape")
		}
	}
	return nil
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}
