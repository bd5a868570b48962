package store

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// Place returns the account and the ID of a key as one string. A Scanner that reads its keys in
// order can use it as the place after that key. It is never empty.
func Place(key RecordKey) string {
	return strconv.Itoa(len(key.DID)) + ":" + string(key.DID) + key.ID
}

// ParsePlace reads the output of Place for a key of this kind. "" is the key before all others.
func ParsePlace(kind RecordKind, place string) (RecordKey, error) {
	if place == "" {
		return RecordKey{Kind: kind}, nil
	}
	digits, rest, _ := strings.Cut(place, ":")
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 || n > len(rest) {
		return RecordKey{}, fmt.Errorf("store: %q is not a place: use a place that Scan returned", place)
	}
	return RecordKey{Kind: kind, DID: syntax.DID(rest[:n]), ID: rest[n:]}, nil
}
