package oauth

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Store keeps records it cannot read. Every write names the revision it
// replaces, so writers never overwrite each other, whatever process they run in.
//
// Get, Put and Delete fail with ErrNotFound or ErrConflict where their comments say
// so (errors.Is); any other error is taken as temporary. A Store is safe for
// concurrent use.
type Store interface {
	// Get returns the record under key, or ErrNotFound. A record whose Expires has
	// passed may be returned or not; the Client checks.
	Get(ctx context.Context, key RecordKey) (*Record, error)

	// Put writes r if the stored revision is r.Revision-1 (1 creates), and fails
	// with ErrConflict otherwise, also when the record is gone.
	Put(ctx context.Context, r *Record) error

	// Delete removes the record if its stored revision is revision, and fails with
	// ErrConflict when it moved on; revision 0 removes whatever is stored. It
	// returns ErrNotFound when there is nothing under key.
	Delete(ctx context.Context, key RecordKey, revision uint64) error

	// List yields the keys of a kind, of one account or (did "") of all, in no
	// particular order. An error ends the sequence.
	List(ctx context.Context, kind RecordKind, did syntax.DID) iter.Seq2[RecordKey, error]

	// Purge removes the records whose Expires is set and not after now, and returns
	// how many. A zero Expires never expires.
	Purge(ctx context.Context, now time.Time) (int, error)
}

// What a Store fails with where a Client decides on it.
var (
	// ErrNotFound: there is no record under the key.
	ErrNotFound = errors.New("oauth: record not found")
	// ErrConflict: the stored revision is not the one the write replaces.
	ErrConflict = errors.New("oauth: record was changed by another writer")
)

// A RecordKind says what a record is for. Kinds are part of the key.
type RecordKind string

// The kinds of record.
const (
	RecordSession RecordKind = "session" // tokens and key of one session
	RecordState   RecordKind = "state"   // a login that has begun and not ended
	RecordMeta    RecordKind = "meta"    // what sealing needs to know, such as a salt
)

// A RecordKey names a record. Its parts are stored in clear and indexed.
type RecordKey struct {
	Kind RecordKind
	DID  syntax.DID // the account; empty for states and meta records
	ID   string
}

// A Record is the unit of storage. Data is opaque to the store: the Client seals it.
type Record struct {
	Key      RecordKey
	Revision uint64    // 1 for a new record, one more with every write
	Expires  time.Time // zero: never
	Data     []byte
}
