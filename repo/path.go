package repo

import (
	"crypto/sha256"
	"math/bits"
	"strings"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// maxPath is how long the path of a record may be, as the reference has it.
const maxPath = 1024

// wrongPath says what is wrong with the path of a record, "" if nothing is: it has a collection, a
// slash and a key, of characters that both may have. Whether the collection is an NSID is left to
// whom it matters.
func wrongPath(path string) string {
	collection, key, ok := strings.Cut(path, "/")
	switch {
	case len(path) > maxPath:
		return "is longer than 1,024 bytes"
	case !ok || collection == "" || key == "":
		return "is no collection and key with a slash between them"
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

// layerOf returns the layer of the tree that a path belongs to: how many pairs of zero bits its
// SHA-256 digest begins with (https://atproto.com/specs/repository#mst-structure).
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

// commonPrefix returns how many bytes a and b have in common at their beginning.
func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
