package repo

import (
	"crypto/sha256"
	"math/bits"
	"strings"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// maxPath is the maximum length of a record's path, like in the reference.
const maxPath = 1024

// wrongPath says what is wrong with the path of a record, or returns "". A path has a collection, a
// slash and a key, with valid characters. It does not check that the collection is an NSID.
func wrongPath(path string) string {
	collection, key, ok := strings.Cut(path, "/")
	switch {
	case len(path) > maxPath:
		return "is longer than 1,024 bytes"
	case !ok || collection == "" || key == "":
		return "is not a collection and a key with a slash between them"
	}
	for i := range len(path) {
		c := path[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && !strings.ContainsRune("._~:-", rune(c)) && i != len(collection) {
			return "has a character that neither collections nor keys have"
		}
	}
	return ""
}

// split returns the collection and the key of a path.
func split(path string) (syntax.NSID, syntax.RecordKey) {
	collection, key, _ := strings.Cut(path, "/")
	return syntax.NSID(collection), syntax.RecordKey(key)
}

// layerOf returns the layer of a path in the tree: the number of pairs of zero bits at the
// beginning of its SHA-256 digest (https://atproto.com/specs/repository#mst-structure).
func layerOf(path string) int {
	zeros := 0
	for _, b := range sha256.Sum256([]byte(path)) {
		zeros += bits.LeadingZeros8(b)
		if b != 0 {
			break
		}
	}
	return zeros / 2
}

// commonPrefix returns the number of bytes that a and b share at their beginning.
func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
