package keeper

import (
	"context"
	"errors"
	"time"
)

// An Entry is the content of the register.
type Entry[V any] struct {
	Value    V
	Claim    *Claim // nil: nobody is about to send
	Revision uint64 // grows by one with every write
}

// A Claim announces to other processes that a token will be sent. It is stored beside the value.
type Claim struct {
	ID string `json:"id"`
	// At is when the claim was written, by the server's clock. It is zero if that was unknown.
	At time.Time `json:"at,omitzero"`
	// Open marks a claim whose owner has finished and does not know what the server did. Nobody
	// waits for it.
	Open bool `json:"open,omitempty"`
	// Knocks counts the marks of waiting processes. Whoever sees a new mark knows that the register
	// accepts writes.
	Knocks int `json:"knocks,omitempty"`
	// Replayed says that a process which had lost the claim has sent the token nevertheless. The
	// server may end the session because of that.
	Replayed bool `json:"replayed,omitempty"`
}

// A Party is what the keeper works for: one session. Its methods may be slow and may fail, also
// with a panic. The keeper calls only one of Prepare and Exchange at a time, and the other methods
// at any time.
type Party[V any] interface {
	// Read returns the entry, or ErrGone.
	Read(ctx context.Context) (Entry[V], error)

	// Swap writes e in place of revision e.Revision-1. Otherwise it fails with ErrConflict, also if
	// the entry is gone. fresh says that the value came from the server and was not stored before.
	Swap(ctx context.Context, e Entry[V], fresh bool) error

	// Drop removes the entry if it still has this revision, because the session has ended.
	// Otherwise it fails with ErrConflict or ErrGone.
	Drop(ctx context.Context, revision uint64, why *Ending) error

	// Prepare finds out, before a claim is written, what Exchange needs, and returns held with it.
	// An error stops the refresh; nothing was sent.
	Prepare(ctx context.Context, held V) (V, error)

	// Exchange sends the token of held to the server. It calls fence directly before everything
	// that it sends. If fence fails, Exchange sends nothing more. It returns Unspent with that
	// error, or Unknown if the server may have acted on an earlier request.
	Exchange(ctx context.Context, held V, fence func(context.Context) error) Answer[V]

	// Orphan gets new tokens whose entry is gone, and revokes them.
	Orphan(ctx context.Context, fresh V)

	// ServerTime asks the server for the time, for a claim that looks very old. It may return what
	// it learned within the last minute.
	ServerTime(ctx context.Context) (time.Time, error)

	// KnownServerTime returns the time by the server's clock if that is known without asking, or
	// zero.
	KnownServerTime() time.Time

	// Notice reports what happens, in order. The keeper's lock is held during the call, so Notice
	// must not block and must not call the keeper.
	Notice(Event, error)
}

// A Verdict says what is known about the token that was sent.
type Verdict int

const (
	// Unknown: it is unknown whether the server accepted the token.
	Unknown Verdict = iota
	// Unspent: it is proved that the server did not accept it.
	Unspent
	// Ended: the server says that the token is not valid.
	Ended
	// Fresh: there are new tokens.
	Fresh
)

// An Answer is the result of an exchange.
type Answer[V any] struct {
	Verdict Verdict
	Value   V     // if Verdict is Fresh
	Err     error // otherwise
}

// Errors of a register that the keeper makes decisions on. Any other error counts as one that may
// pass.
var (
	ErrGone     = errors.New("keeper: the entry is gone")
	ErrConflict = errors.New("keeper: the entry was changed by another writer")
)

// Errors of the keeper itself.
var (
	// ErrBusy: another process is refreshing, or left its claim behind, and that takes longer than
	// this caller waits.
	ErrBusy = errors.New("keeper: another process holds the claim")
	// ErrStopped: Shutdown was called, so no refresh begins any more.
	ErrStopped = errors.New("keeper: shutting down")
	// ErrRegister: the register contradicts itself, or is too slow for a claim.
	ErrRegister = errors.New("keeper: the register is too slow or contradicts itself")
)

// An Ending says why a session ended.
type Ending struct {
	// Gone: somebody else removed the entry.
	Gone bool
	// Ambiguous: the server refused the token, and an earlier refresh may have lost its answer.
	Ambiguous bool
	// Err is the server's answer, if there is one.
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

// A Postponed error is the failure of the last refresh. Callers that waited for it get it, and
// callers that ask for another refresh before the pause is over.
type Postponed struct {
	For time.Duration // how long the pause still lasts
	Err error
}

func (p *Postponed) Error() string { return p.Err.Error() }
func (p *Postponed) Unwrap() error { return p.Err }

// An Event is something that an operator or a user of the keeper may want to know.
type Event int

const (
	Refreshed Event = iota // the server gave new tokens, and they are stored
	Adopted                // the tokens of another process are in use
	TookOver               // the claim of another process was taken over
	Failed                 // a refresh failed; it will be tried again
	Unsaved                // new tokens are in use but could not be stored
	Saved                  // they are stored now, or need not be stored any more
	Knocked                // a mark was left on a claim that does not change
	Orphaned               // new tokens belong to a session that is gone
	Over                   // the session has ended; the error is an *Ending
)
