package simulation

import (
	"errors"
	"fmt"
	"time"
)

// Tokens are the value that the keeper keeps.
type tokens struct {
	gen     int // the refresh token; the higher, the newer
	expires time.Duration
}

func same(a, b tokens) bool { return a.gen == b.gen }

// What a server and the network say.
var (
	errBroken  = errors.New("500")
	errInvalid = errors.New("invalid_grant")
)

// A busy server wants to be left alone.
type busy struct{ after time.Duration }

func (b *busy) Error() string { return fmt.Sprintf("429, Retry-After: %v", b.after) }

func retryAfter(err error) time.Duration {
	if b, ok := errors.AsType[*busy](err); ok {
		return b.after
	}
	return 0
}

// A sending is one refresh token that a process sent.
type sending struct {
	by      *process
	claim   string
	gen     int
	fence   time.Duration // when the fence was passed
	sent    time.Duration
	arrived time.Duration
	acted   bool          // the token was taken, or the session ended for it
	got     int           // the generation that it brought
	proved  bool          // the sender knows that nothing was done
	lost    bool          // the answer did not come, or too late
	gaveUp  time.Duration // when the sender did, if it did
	over    bool          // refused
}

// The server rotates single-use tokens.
type server struct {
	last      int                   // the newest generation
	living    map[int]bool          // refresh tokens that work
	access    map[int]time.Duration // when the access token of a generation ends
	spent     map[int]*sending      // refresh tokens that were taken, by whom first
	spentAt   map[int]time.Duration
	dead      bool
	cause     string   // of the end
	replay    *sending // that ended it
	downUntil time.Duration
}

func (w *world) issue() tokens {
	s := &w.server
	s.last++
	t := tokens{gen: s.last, expires: w.now() + w.life}
	s.living[t.gen], s.access[t.gen] = true, t.expires
	return t
}

// refresh is the token endpoint. w.mu is held.
func (w *world) refresh(s *sending) (tokens, error) {
	srv := &w.server
	s.arrived = w.now()
	switch {
	case srv.dead:
		s.over = true
		return tokens{}, errInvalid
	case srv.living[s.gen]:
	case srv.spent[s.gen] != nil && w.now()-srv.spentAt[s.gen] <= w.grace:
		w.log("server", "forgives token %d", s.gen)
	default:
		s.acted, s.over = true, true
		srv.dead, srv.cause, srv.replay = true, "replay", s
		w.log("server", "token %d comes twice: the session ends", s.gen)
		return tokens{}, errInvalid
	}
	s.acted = true
	delete(srv.living, s.gen)
	if srv.spent[s.gen] == nil {
		srv.spent[s.gen], srv.spentAt[s.gen] = s, w.now()
	}
	if !w.outlives {
		delete(srv.access, s.gen)
	}
	t := w.issue()
	s.got = t.gen
	w.refreshes++
	w.log("server", "token %d becomes %d", s.gen, t.gen)
	return t, nil
}

// works reports whether the server takes an access token. w.mu is held.
func (w *world) works(t tokens) bool {
	return !w.server.dead && w.now() < w.server.access[t.gen]
}
