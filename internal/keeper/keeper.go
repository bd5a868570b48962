package keeper

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// A Keeper holds the value of one session in this process, and refreshes it. It is safe for
// concurrent use. New makes one.
type Keeper[V any] struct {
	group *Group
	party Party[V]
	same  func(a, b V) bool

	mu      sync.Mutex
	value   V
	since   uint64      // the first revision at which we saw value in the register
	unsaved *pending[V] // if set, value is not in the register
	saver   *pending[V] // what a saver is trying to store
	ended   error       // why the session ended
	flight  *flight[V]  // the refresh under way, if any
	pace    pace        // delays the next refresh after a failure

	// mine are the claims that this keeper wrote, or tried to write, since the last write that is
	// certain. They need not be watched. Only the current flight uses them.
	mine []*ownClaim
}

// New returns the keeper of a value that the register holds at a revision. same reports whether two
// values have the same tokens, whatever else they contain.
func New[V any](group *Group, party Party[V], same func(a, b V) bool, value V, revision uint64) *Keeper[V] {
	return &Keeper[V]{group: group, party: party, same: same, value: value, since: revision}
}

// Current returns the newest value that this process knows, and why the session ended, if it has.
func (k *Keeper[V]) Current() (V, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.startSaver() // the earlier saver may have stopped
	return k.value, k.ended
}

// Renew makes sure that the value is another one than used. It adopts what another process has
// stored, or asks the server. It reports whether the server was asked, by this call or by one that
// it joined. Renew waits until that is done, or until ctx ends; the refresh continues in any case.
//
// Errors:
//
//   - a [*Postponed] after a failure of Exchange, Prepare or the register, with that error as its
//     cause. It says how long the pause after the failure is. Until the pause is over, every
//     other call gets it too.
//   - an [*Ending], or the error that was given to End, if the session has ended
//   - an [*UnsavedError] if there are new tokens that are not stored yet; they may be used
//   - ErrBusy, ErrStopped, ErrRegister, and the error of ctx
func (k *Keeper[V]) Renew(ctx context.Context, used V) (asked bool, err error) {
	patience := time.NewTimer(k.group.times.patience())
	defer patience.Stop()
	for {
		f, err := k.begin(used)
		if postponed, ok := errors.AsType[*Postponed](err); ok && f == nil {
			return false, k.lookInstead(ctx, used, postponed)
		}
		if f == nil {
			return false, err
		}
		select {
		case <-f.done:
			if !k.same(f.used, used) {
				continue // it brought the value that is to be replaced now, and was about to end
			}
			return f.asked, f.err
		case <-patience.C:
			return false, &Postponed{For: pauseFirst, Err: ErrBusy}
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// Start begins what Renew does, and does not wait.
func (k *Keeper[V]) Start(used V) { _, _ = k.begin(used) }

// begin returns the refresh that is under way, or a new one that replaces used. The one under way
// may have brought used, and be about to end. begin returns no refresh if there is nothing to do
// (no error), or if it must not be done now.
func (k *Keeper[V]) begin(used V) (*flight[V], error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.ended != nil:
		return nil, k.ended
	case !k.same(k.value, used):
		return nil, nil
	case k.flight != nil:
		return k.flight, nil
	}
	if left := k.pace.left(k.group.clock.now()); left > 0 {
		return nil, &Postponed{For: left, Err: k.pace.err}
	}
	if !k.group.begin() {
		return nil, ErrStopped
	}
	k.startSaver()
	f := &flight[V]{used: used, done: make(chan struct{})}
	k.flight = f
	go k.fly(f)
	return f, nil
}

// lookInstead runs during the pause after a failure, because another process may have new tokens.
// It reads the register at most once a second.
func (k *Keeper[V]) lookInstead(ctx context.Context, used V, postponed *Postponed) error {
	k.mu.Lock()
	look := k.pace.mayLook(k.group.clock.now())
	k.mu.Unlock()
	if !look {
		return postponed
	}
	attempt, cancel := context.WithTimeout(ctx, k.group.times.Write)
	defer cancel()
	err := k.Look(attempt)
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.ended != nil:
		return k.ended
	case !k.same(k.value, used):
		return nil
	case err != nil:
		k.pace.lookFailed()
	}
	return postponed
}

// Look reads the register, and adopts its value if that is newer. An *Ending error means that the
// session has ended.
func (k *Keeper[V]) Look(ctx context.Context) (err error) {
	defer recovered(&err)
	_, err = k.read(ctx)
	return err
}

// End ends the session for a reason of the caller, and reports whether it had not ended before. A
// refresh under way finds the entry gone and passes its tokens to Orphan; Idle waits for that.
func (k *Keeper[V]) End(reason error) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ended != nil {
		return false
	}
	k.ended = reason
	return true
}

// Idle waits until no refresh is under way.
func (k *Keeper[V]) Idle(ctx context.Context) error {
	k.mu.Lock()
	f := k.flight
	k.mu.Unlock()
	if f == nil {
		return nil
	}
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

var errWentBack = errors.New("keeper: the register holds older tokens than it did before")

// read reads the entry and adopts it if it is newer. If the entry is gone, the session ends.
func (k *Keeper[V]) read(ctx context.Context) (Entry[V], error) {
	k.mu.Lock()
	known := k.since
	k.mu.Unlock()
	e, err := k.party.Read(ctx)
	if errors.Is(err, ErrGone) {
		k.mu.Lock()
		k.startSaver() // it stores what is unsaved; readers do not wait for that
		k.mu.Unlock()
		return e, k.over(&Ending{Gone: true})
	}
	if err != nil {
		k.group.count(func(s *Stats) { s.RegisterErrors++ })
		return e, err
	}
	k.take(e, known)
	return e, nil
}

// take adopts the value in the register if it is newer. known is the value of since when e was
// requested.
func (k *Keeper[V]) take(e Entry[V], known uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	other := !k.same(e.Value, k.value)
	switch {
	case k.unsaved != nil:
		// Our value is newer, whatever revision the register has.
	case other && e.Revision < known:
		// The register went back: a fail-over lost our last write, or a replica lags behind. If it
		// is a fail-over, our tokens are the newest and must be written again. Only a write of
		// tokens counts: a lost claim does no harm.
		k.keepInMemory(&pending[V]{fresh: k.value, replaced: e.Value, revision: e.Revision}, errWentBack)
	case e.Revision < k.since:
		// It was read before we got our value.
	case other:
		k.value, k.since = e.Value, e.Revision
		k.pace.succeeded()
		k.notice(Adopted, nil)
	default:
		k.value = e.Value // other parts than the tokens may be new
	}
}

// over marks the session as ended and returns the first reason.
func (k *Keeper[V]) over(ending *Ending) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ended == nil {
		k.ended = ending
		k.notice(Over, ending)
	}
	return k.ended
}

// notice tells the party and counts. k.mu is held.
func (k *Keeper[V]) notice(e Event, err error) {
	k.group.countEvent(e)
	k.party.Notice(e, err)
}

func (k *Keeper[V]) noticeLocked(e Event, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.notice(e, err)
}

// recovered turns a panic of the party into an error. A program must not die because its store
// panics.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: panic: %v", ErrRegister, p)
	}
}

// pause waits for d. If the group is shutting down, it returns ErrStopped at once.
func (g *Group) pause(d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-g.closing:
		return ErrStopped
	}
}
