package syntax

import "strings"

// An ATURI identifies a repository, a collection in it, or a record. It has the restricted form for
// lexicons: at://AUTHORITY[/COLLECTION[/RECORDKEY]] (https://atproto.com/specs/at-uri-scheme).
type ATURI string

const maxURI = 8 << 10

// ParseATURI checks s and returns it as an ATURI.
func ParseATURI(s string) (ATURI, error) {
	u := ATURI(s)
	if err := u.Validate(); err != nil {
		return "", err
	}
	return u, nil
}

// RecordURI returns the URI of a record.
func RecordURI(authority AtIdentifier, collection NSID, key RecordKey) ATURI {
	return ATURI("at://" + string(authority) + "/" + string(collection) + "/" + string(key))
}

// Validate checks the syntax of the URI and of its parts.
func (u ATURI) Validate() error {
	s := string(u)
	if len(s) > maxURI {
		return invalid(KindATURI, s, "is longer than 8 KiB")
	}
	rest, ok := strings.CutPrefix(s, "at://")
	if !ok {
		return invalid(KindATURI, s, `does not start with "at://"`)
	}
	authority, path, hasPath := strings.Cut(rest, "/")
	if AtIdentifier(authority).Validate() != nil {
		return invalid(KindATURI, s, "has an authority that is neither a DID nor a handle")
	}
	if !hasPath {
		return nil
	}
	collection, key, hasKey := strings.Cut(path, "/")
	if NSID(collection).Validate() != nil {
		return invalid(KindATURI, s, "has a collection that is not an NSID")
	}
	if hasKey && RecordKey(key).Validate() != nil {
		return invalid(KindATURI, s, "has an invalid record key")
	}
	return nil
}

// Authority returns the account of the repository.
func (u ATURI) Authority() AtIdentifier {
	authority, _, _ := u.parts()
	return AtIdentifier(authority)
}

// Collection returns the type of the records, or "" if the URI has none.
func (u ATURI) Collection() NSID {
	_, collection, _ := u.parts()
	return NSID(collection)
}

// RecordKey returns the key of the record, or "" if the URI has none.
func (u ATURI) RecordKey() RecordKey {
	_, _, key := u.parts()
	return RecordKey(key)
}

func (u ATURI) parts() (authority, collection, key string) {
	rest, ok := strings.CutPrefix(string(u), "at://")
	if !ok {
		return "", "", ""
	}
	authority, rest, _ = strings.Cut(rest, "/")
	collection, key, _ = strings.Cut(rest, "/")
	return authority, collection, key
}
