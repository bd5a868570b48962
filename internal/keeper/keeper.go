package keeper

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// A Keeper holds the value of one session in this process, and renews it. It is safe for
// concurrent use. Make it by New.
type Keeper[V any] struct {
	group *Group
	party Party[V]
	same  func(a, b V) bool

	mu      sync.Mutex
	value   V
	since   uint64      // the first revision under which we saw value in the register
	unsaved *pending[V] // if set, value is not in the register
	saver   *pending[V] // what a saver is at work for
	ended   error       // why the session is over
	flight  *flight[V]  // the refresh under way, if any
	pace    pace        // what holds back the next one

	// mine are the claims that this keeper wrote, or tried to write, since one was written for
	// certain: they need not be watched. Only the one flight touches them.
	mine []*ownClaim
}

// New returns the keeper of a value that the register holds under a revision. same says
// whether two values hold the same tokens, whatever else they hold.
func New[V any](group *Group, party Party[V], same func(a, b V) bool, value V, revision uint64) *Keeper[V] {
	return &Keeper[V]{group: group, party: party, same: same, value: value, since: revision}
}

// Current returns the newest value that this process knows, and why the session is
// over, if it is.
func (k *Keeper[V]) Current() (V, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.startSaver() // the one before may have given up
	return k.value, k.ended
}

// Renew makes sure that the value is another one than used: by adopting what another
// process has stored, or by asking the server. It reports whether the server was asked,
// by this call or one that it joined. It waits until that is done, or ctx ends; the
// refresh goes on in any case.
//
// Errors: what Exchange, Prepare or the register said, as the cause of a [*Postponed], which says
// how long the pause after the failure is, and until it is over is what every other call gets;
// [*Ending] and what End was given, when the session is over; [*UnsavedError]
// when there are new tokens that are not stored yet, which may be used; ErrBusy, ErrStopped,
// ErrRegister; and ctx's.
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
				continue // it brought what is to be replaced now, and was not quite over
			}
			return f.asked, f.err
		case <-patience.C:
			return false, &Postponed{For: pauseFirst, Err: ErrBusy}
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// Start begins what Renew does, and waits for nothing.
func (k *Keeper[V]) Start(used V) { _, _ = k.begin(used) }

// begin returns the refresh that is under way, or a new one that renews used. The one under way
// may have brought used, and be about to end. It returns none when there is nothing to do (no
// error), or when it must not be done now.
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

// lookInstead is what is done while the pause after a failure lasts: another process may have
// new tokens all the same. It looks once a second at most.
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

// Look reads the register, and adopts what it holds if that is newer. An error of kind
// *Ending says that the session is over.
func (k *Keeper[V]) Look(ctx context.Context) (err error) {
	defer recovered(&err)
	_, err = k.read(ctx)
	return err
}

// End ends the session for a reason of the caller's own, and returns whether it was
// still going on. A refresh under way finds the entry gone and hands its tokens to Orphan; wait
// for it by Idle.
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

// read reads the entry and takes it over if it is newer. An entry that is gone ends the
// session.
func (k *Keeper[V]) read(ctx context.Context) (Entry[V], error) {
	k.mu.Lock()
	known := k.since
	k.mu.Unlock()
	e, err := k.party.Read(ctx)
	if errors.Is(err, ErrGone) {
		k.mu.Lock()
		k.startSaver() // it hands over what is unsaved; who looks does not wait for that
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

// take makes what the register holds the keeper's own, if it is newer. known is the value of
// since when e was asked for.
func (k *Keeper[V]) take(e Entry[V], known uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	other := !k.same(e.Value, k.value)
	switch {
	case k.unsaved != nil:
		// What we hold is newer, whatever revision the register has.
	case other && e.Revision < known:
		// The register went back: a fail-over lost our last write, or a replica lags behind. If
		// it is the first, our tokens are the newest there are, and have to be written again. Only
		// the write of the tokens counts: with a claim nothing is lost.
		k.keepInMemory(&pending[V]{fresh: k.value, replaced: e.Value, revision: e.Revision}, errWentBack)
	case e.Revision < k.since:
		// It was read before we got what we hold.
	case other:
		k.value, k.since = e.Value, e.Revision
		k.pace.succeeded()
		k.notice(Adopted, nil)
	default:
		k.value = e.Value // beside the tokens there may be news
	}
}

// over marks the session as over and returns the reason: the first there was.
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

// recovered turns a panic of the party into an error. A program must not die because its
// store does.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: panic: %v", ErrRegister, p)
	}
}

// pause waits for d. It returns ErrStopped at once when the group is shutting down.
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
