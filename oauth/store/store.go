// Package store defines how sessions and logins in progress are kept. It has the interface Store,
// and Memory, a store in memory:
//
//	config.Store, config.Seal = &store.Memory{}, seal.Plaintext()
//
// Stores that survive the end of the process are in filestore, sqlstore and redisstore. To write
// your own, test it with storetest, the contract as a test suite.
//
// A store knows nothing about tokens, keys or servers. It keeps records that it cannot read,
// because package oauth encrypts them.
package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"time"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Store keeps records that it cannot read. Every write names the revision that it replaces, so
// writers never overwrite each other, in whatever process they run.
//
// Get, Put and Delete fail with ErrNotFound or ErrConflict (errors.Is) where their comments say so.
// Every other error counts as temporary. Every method returns soon after its context ends. The
// parts of a key may contain any bytes. A Store is safe for concurrent use.
//
// The store's own clock decides how long a record is kept: the clock of the database server if
// there is one, and the wall clock of this machine otherwise. So a process with a wrong clock does
// not remove records that others need.
type Store interface {
	// Get returns the record under key, or ErrNotFound. The record's Keep is 0. Get may or may not
	// return a record that has expired.
	Get(ctx context.Context, key RecordKey) (*Record, error)

	// Put writes r if the stored revision is r.Revision-1; revision 1 creates a record. Otherwise
	// it fails with ErrConflict, also if the record is gone.
	Put(ctx context.Context, r *Record) error

	// Delete removes the record if its stored revision is revision. Otherwise it fails with
	// ErrConflict. Revision 0 removes the record at any revision. If there is no record under key,
	// it returns ErrNotFound.
	Delete(ctx context.Context, key RecordKey, revision uint64) error

	// List yields the keys of a kind, each once and in no particular order: those of one account,
	// or all if did is "". Expired records may be among them. An error ends the sequence.
	List(ctx context.Context, kind RecordKind, did syntax.DID) iter.Seq2[RecordKey, error]

	// Purge removes expired records, and returns how many it removed. If a write extends a record
	// at the same time, the write wins.
	Purge(ctx context.Context) (int, error)
}

// A Scanner is a Store that can read many whole records at once. Package oauth uses it to read
// every session. From other Stores it reads one record at a time.
type Scanner interface {
	Store

	// Scan returns at most limit records of a kind, and next, the place to continue from. Pass next
	// as after in the next call. after "" means the beginning, next "" means the end. A place is
	// valid as long as the storage exists, and in every process. Records that exist all the time
	// come exactly once. Records that are added or removed meanwhile may be left out. A page may
	// have fewer records than limit, even none, without being the last.
	Scan(ctx context.Context, kind RecordKind, after string, limit int) (page []*Record, next string, err error)
}

// Errors of a Store that its user makes decisions on.
var (
	// ErrNotFound: there is no record under the key.
	ErrNotFound = errors.New("store: record not found")
	// ErrConflict: the stored revision is not the one that the write replaces.
	ErrConflict = errors.New("store: record was changed by another writer")
)

// A RecordKind says what a record is for. It is a part of the key.
type RecordKind string

// The kinds of records.
const (
	RecordSession RecordKind = "session" // tokens and key of one session
	RecordState   RecordKind = "state"   // a login in progress
	RecordMeta    RecordKind = "meta"    // data for sealing, such as a salt
	RecordEnding  RecordKind = "ending"  // why a session ended; kept for an hour

	RecordAppPassword RecordKind = "apppassword" // tokens of one session with an app password
)

// A RecordKey identifies a record. Its parts are stored unencrypted and indexed.
type RecordKey struct {
	Kind RecordKind // what the record is for
	DID  syntax.DID // the account; empty for states and meta records
	ID   string     // unique among the account's records of this kind
}

// A Record is what a Store keeps. The store cannot read Data.
type Record struct {
	Key      RecordKey // the record's key
	Revision uint64    // 1 for a new record; one more with every write

	// Keep is how long the record is kept, counted from this write. A store may round it up to
	// whole milliseconds, and longer times by up to a thirtieth. 0 keeps the time of the last
	// write; for a new record it means Forever. Less than 0 is an error.
	Keep time.Duration

	Data []byte // the content, usually sealed
}

// String returns the key and the revision, but not Data, because it may not be sealed.
func (r Record) String() string {
	return fmt.Sprintf("%s record %q of %q, revision %d, %d bytes", r.Key.Kind, r.Key.ID, r.Key.DID, r.Revision, len(r.Data))
}

// Format writes the same text as String, for every verb.
func (r Record) Format(f fmt.State, _ rune) { io.WriteString(f, r.String()) }

// Forever is the Keep of a record that never expires.
const Forever time.Duration = math.MaxInt64
