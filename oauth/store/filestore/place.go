package filestore

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"

	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A record's file is records/kind/aa/account/key.record. kind, account and key are hashes, and aa
// is the beginning of account. They are hashed because keys may be long, may contain any bytes, and
// may differ only in letter case. Lower-case hexadecimal names work on every file system, also if
// it ignores letter case or reserves names such as CON. The path below the directory has 127
// characters.
const (
	recordEnd = ".record"
	temporary = ".new-"
	depth     = 4 // parts of a path below records
)

func (s *Store) locks() string   { return filepath.Join(s.dir, "locks") }
func (s *Store) records() string { return filepath.Join(s.dir, "records") }

// ofKind returns the folder of a kind.
func (s *Store) ofKind(kind store.RecordKind) string {
	return filepath.Join(s.records(), digest(string(kind))[:8])
}

// ofAccount returns the folder for an account's records of a kind, and the number of its lock.
// Records without an account are spread over several folders by bucket.
func (s *Store) ofAccount(kind store.RecordKind, did syntax.DID, bucket string) (folder string, shard int) {
	account := digest(string(did), bucket)[:32]
	fmt.Sscanf(account[:2], "%x", &shard)
	return filepath.Join(s.ofKind(kind), account[:2], account), shard % shards
}

// A place is the location of a record: its file, and the lock that a writer must hold. All files of
// a folder share one lock, so that an empty folder can be removed.
type place struct {
	file  string
	shard int
}

func (s *Store) path(key store.RecordKey) place {
	name := digest(string(key.Kind), string(key.DID), key.ID)
	bucket := ""
	if key.DID == "" {
		// States have no account. They should not all wait for the same lock.
		bucket = name[:2]
	}
	folder, shard := s.ofAccount(key.Kind, key.DID, bucket)
	return place{filepath.Join(folder, name+recordEnd), shard}
}

// digest returns a hash of several strings, each with its length, in hexadecimal.
func digest(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil))
}
