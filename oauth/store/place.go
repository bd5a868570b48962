package store

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// Place writes account and ID of a key as one string, for a Scanner that goes through its
// keys in an order: the place behind that key. It is never empty.
func Place(key RecordKey) string {
	return strconv.Itoa(len(key.DID)) + ":" + string(key.DID) + key.ID
}

// ParsePlace reads what Place has written of a key of this kind; "" is the key before all
// others.
func ParsePlace(kind RecordKind, place string) (RecordKey, error) {
	if place == "" {
		return RecordKey{Kind: kind}, nil
	}
	digits, rest, _ := strings.Cut(place, ":")
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 || n > len(rest) {
		return RecordKey{}, fmt.Errorf("store: %q is not a place among records", place)
	}
	return RecordKey{Kind: kind, DID: syntax.DID(rest[:n]), ID: rest[n:]}, nil
}
