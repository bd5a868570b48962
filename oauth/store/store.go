// Package store is how sessions and logins in progress are kept: what a Store has to
// promise, and one in memory. Stores that outlive the process are in filestore, sqlstore
// and redisstore; storetest is the contract as a test suite, for a store of one's own.
//
// A store knows nothing of tokens, keys or servers. It keeps records that it cannot read:
// package oauth seals them.
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

// A Store keeps records it cannot read. Every write names the revision it
// replaces, so writers never overwrite each other, whatever process they run in.
//
// Get, Put and Delete fail with ErrNotFound or ErrConflict where their comments say
// so (errors.Is); any other error is taken as temporary. Every method returns soon after
// its context has ended. The parts of a key may hold any bytes. A Store is safe for
// concurrent use.
//
// How long a record is kept is counted by the store's own clock: that of the database
// server where there is one, the wall clock of this machine otherwise. So a process
// whose clock is wrong removes nothing that others need.
type Store interface {
	// Get returns the record under key, or ErrNotFound. Its Keep is 0. A record that is
	// past its time may be returned or not.
	Get(ctx context.Context, key RecordKey) (*Record, error)

	// Put writes r if the stored revision is r.Revision-1 (1 creates), and fails
	// with ErrConflict otherwise, also when the record is gone.
	Put(ctx context.Context, r *Record) error

	// Delete removes the record if its stored revision is revision, and fails with
	// ErrConflict when it moved on; revision 0 removes whatever is stored. It
	// returns ErrNotFound when there is nothing under key.
	Delete(ctx context.Context, key RecordKey, revision uint64) error

	// List yields the keys of a kind, of one account or (did "") of all, in no
	// particular order, each once. One that is past its time may be among them. An error
	// ends the sequence.
	List(ctx context.Context, kind RecordKind, did syntax.DID) iter.Seq2[RecordKey, error]

	// Purge removes the records that are past their time, and returns how many are gone.
	// A write that prolongs a record wins over a Purge that goes on at the same time.
	Purge(ctx context.Context) (int, error)
}

// A Scanner is a Store that reads many whole records at once. Package oauth uses it where it
// reads every session, and reads one record at a time from a Store that is none.
type Scanner interface {
	Store

	// Scan returns records of a kind, limit at most, and the place to go on from: the after
	// of the next call. After "" is the beginning, a next "" the end. A place is good for
	// as long as the storage is, in every process. Records that are there all the time come
	// exactly once; those that come or go meanwhile may be left out. A page may have
	// fewer records than limit, even none, and yet not be the last.
	Scan(ctx context.Context, kind RecordKind, after string, limit int) (page []*Record, next string, err error)
}

// What a Store fails with where its user decides on it.
var (
	// ErrNotFound: there is no record under the key.
	ErrNotFound = errors.New("store: record not found")
	// ErrConflict: the stored revision is not the one the write replaces.
	ErrConflict = errors.New("store: record was changed by another writer")
)

// A RecordKind says what a record is for. Kinds are part of the key.
type RecordKind string

// The kinds of record.
const (
	RecordSession RecordKind = "session" // tokens and key of one session
	RecordState   RecordKind = "state"   // a login that has begun and not ended
	RecordMeta    RecordKind = "meta"    // what sealing needs to know, such as a salt
	RecordEnding  RecordKind = "ending"  // why a session ended, for an hour

	RecordAppPassword RecordKind = "apppassword" // tokens of one session of an app password
)

// A RecordKey names a record. Its parts are stored in clear and indexed.
type RecordKey struct {
	Kind RecordKind
	DID  syntax.DID // the account; empty for states and meta records
	ID   string
}

// A Record is the unit of storage. Data is opaque to the store.
type Record struct {
	Key      RecordKey
	Revision uint64 // 1 for a new record, one more with every write

	// Keep is how long the record is kept from this write on; a store may round it up to
	// whole milliseconds, and what is longer than that by a thirtieth. 0 leaves the time as it is: that of an earlier write, and for a
	// new record Forever. Less than 0 is an error.
	Keep time.Duration

	Data []byte
}

// String returns the key and the revision. Data is to be read from its field: it may not be sealed.
func (r Record) String() string {
	return fmt.Sprintf("%s record %q of %q, revision %d, %d bytes", r.Key.Kind, r.Key.ID, r.Key.DID, r.Revision, len(r.Data))
}

// Format writes what String returns, whatever the verb.
func (r Record) Format(f fmt.State, _ rune) { io.WriteString(f, r.String()) }

// Forever is the Keep of a record whose time never ends.
const Forever time.Duration = math.MaxInt64
