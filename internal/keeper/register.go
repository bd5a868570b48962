package keeper

import (
	"context"
	"errors"
	"time"
)

// An Entry is what the register holds.
type Entry[V any] struct {
	Value    V
	Claim    *Claim // nil: nobody is about to send
	Revision uint64 // grows by one with every write
}

// A Claim announces a sending to other processes. It is stored beside the value.
type Claim struct {
	ID string `json:"id"`
	// At is when the claim was written, by the server's clock; zero where that was not known.
	At time.Time `json:"at,omitzero"`
	// Open marks a claim whose owner is done and does not know what the server did. It is
	// not waited for.
	Open bool `json:"open,omitempty"`
	// Knocks counts the marks of those who wait. Who sees one come knows that the register
	// takes writes.
	Knocks int `json:"knocks,omitempty"`
	// Replayed says that somebody who had lost the claim has sent the token all the same. The
	// server may end the session for it.
	Replayed bool `json:"replayed,omitempty"`
}

// A Party is whom the keeper acts for: one session. Its methods may take their time and
// may fail, also by a panic. The keeper calls one of Prepare and Exchange at a time, and the
// others at any time.
type Party[V any] interface {
	// Read returns the entry, or ErrGone.
	Read(ctx context.Context) (Entry[V], error)

	// Swap writes e in the place of revision e.Revision-1, or fails with ErrConflict, also where
	// the entry is gone. fresh says that the value came from the server and was not stored before.
	Swap(ctx context.Context, e Entry[V], fresh bool) error

	// Drop removes the entry if it still has this revision, because of an ending, or fails
	// with ErrConflict or ErrGone.
	Drop(ctx context.Context, revision uint64, why *Ending) error

	// Prepare finds out, before a claim is written, what Exchange needs to know, and returns
	// the value with it. An error stops the refresh; nothing was sent.
	Prepare(ctx context.Context, held V) (V, error)

	// Exchange sends the token of held to the server. It calls fence directly before every
	// sending, and where that fails it sends nothing more and returns Unspent with that
	// error, or Unknown if the server may have acted on what was sent before.
	Exchange(ctx context.Context, held V, fence func(context.Context) error) Answer[V]

	// Orphan takes fresh tokens whose entry is gone, to revoke them.
	Orphan(ctx context.Context, fresh V)

	// ServerTime asks the server for the time, for a claim that looks very old. It may answer
	// with what it learned within the last minute.
	ServerTime(ctx context.Context) (time.Time, error)

	// KnownServerTime is the time by the server's clock as far as that is known without
	// asking, or zero.
	KnownServerTime() time.Time

	// Notice is told what happens, in order. It is called with the keeper's lock held: it must
	// neither block nor call the keeper.
	Notice(Event, error)
}

// A Verdict says what is known of the token that was sent.
type Verdict int

const (
	// Unknown: nobody knows whether the server took the token.
	Unknown Verdict = iota
	// Unspent: the server did not take it, and that is proved.
	Unspent
	// Ended: the server says that the token is of no use.
	Ended
	// Fresh: there are new tokens.
	Fresh
)

// An Answer is what came of an exchange.
type Answer[V any] struct {
	Verdict Verdict
	Value   V     // if Fresh
	Err     error // otherwise
}

// What methods of a register fail with where the keeper decides on it. Any other error is
// taken as one that may pass.
var (
	ErrGone     = errors.New("keeper: the entry is gone")
	ErrConflict = errors.New("keeper: the entry was changed by another writer")
)

// What the keeper itself fails with.
var (
	// ErrBusy: another process is at it, or left its claim behind, and that takes longer than
	// this caller waits.
	ErrBusy = errors.New("keeper: another process holds the claim")
	// ErrStopped: Shutdown was called, and no refresh begins any more.
	ErrStopped = errors.New("keeper: shutting down")
	// ErrRegister: the register contradicts itself, or is too slow for a claim.
	ErrRegister = errors.New("keeper: the register cannot be worked with")
)

// An Ending is why a session is over.
type Ending struct {
	// Gone: the entry was removed by somebody else.
	Gone bool
	// Ambiguous: the server refused the token, and a refresh before may have lost its
	// answer.
	Ambiguous bool
	// Err is what the server said, if it did.
	Err error
}

func (e *Ending) Error() string {
	switch {
	case e.Gone:
		return "keeper: the entry is gone"
	case e.Ambiguous:
		return "keeper: the token was refused after an interrupted refresh"
	}
	return "keeper: the token was refused"
}

func (e *Ending) Unwrap() error { return e.Err }

// A Postponed error is the failure of the last refresh, given to who waited for it and to
// who asks for another before the pause is over.
type Postponed struct {
	For time.Duration // what is left of the pause
	Err error
}

func (p *Postponed) Error() string { return p.Err.Error() }
func (p *Postponed) Unwrap() error { return p.Err }

// An Event is something that an operator or a user of the keeper may want to know.
type Event int

const (
	Refreshed Event = iota // the server gave new tokens, and they are stored
	Adopted                // another process's tokens are in use
	TookOver               // the claim of another process is taken over
	Failed                 // a refresh failed; it will be tried again
	Unsaved                // new tokens are in use and could not be stored
	Saved                  // they are stored now, or need not be any more
	Knocked                // a mark was left on a claim that stands still
	Orphaned               // new tokens belong to a session that is gone
	Over                   // the session is over; the error is an *Ending
)
