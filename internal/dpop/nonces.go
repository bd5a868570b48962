package dpop

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gimucco/atproto-go/internal/said"
)

// NonceHeader is where servers put the nonce they want (RFC 9449 §8).
const NonceHeader = "Dpop-Nonce"

const (
	// nonceAge is how long a nonce is taken for good where it was given out. Servers change
	// theirs every minute or so, and take the one before for a while.
	nonceAge = time.Minute
	// maxOrigins bounds a table: a session talks to two or three origins, a client to as
	// many as its users have servers.
	maxOrigins = 1024
	// maxRefused is how many nonces of one origin are known to be refused. When a server
	// begins anew, its sessions hold the last two or three.
	maxRefused = 4
	// noneAge is how long it is remembered that a server gives no nonces.
	noneAge = time.Hour
)

// Nonces keeps the newest nonce that one session was given by each origin. The specification
// wants them kept per session, as a server may give every session nonces of its own. Most have
// one nonce for everybody. So a session that holds none which is likely to be good tries the
// newest that any session of its Pool was given: when a server changes its nonce, one session
// is told, and the others need not be. Where the guess is wrong, it costs no more than the
// stale nonce would have cost.
//
// It is safe for concurrent use.
type Nonces struct {
	pool *Pool

	mu     sync.Mutex
	values map[string]nonce // by origin
}

// A nonce is a value and where it came from.
type nonce struct {
	value string
	asked uint64    // ticket of the request whose answer brought it
	seen  time.Time // when that answer arrived, zero if that was not in this process
}

// A Pool knows what all sessions of a client were given.
type Pool struct {
	now     func() time.Time
	tickets atomic.Uint64

	mu      sync.Mutex
	origins map[string]*origin
}

// origin is what a pool knows of one.
type origin struct {
	newest  nonce
	refused []string  // that were refused to sessions that had been given them, the latest last
	none    time.Time // when it was last seen to give none
}

// A Use is the nonce that one request carries.
type Use struct {
	Value string // "" if there is none yet

	origin string
	ticket uint64 // grows with every request of a pool, to tell newer nonces from older ones
	own    bool   // this session was given it
}

// NewPool returns an empty pool. now tells the time.
func NewPool(now func() time.Time) *Pool {
	return &Pool{now: now, origins: make(map[string]*origin)}
}

// Session returns the nonces of a session, beginning with those that were stored.
func (p *Pool) Session(stored map[string]string) *Nonces {
	n := &Nonces{pool: p}
	n.Adopt(stored)
	return n
}

// Adopt takes over stored nonces for origins that have none yet.
func (n *Nonces) Adopt(stored map[string]string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for where, value := range stored {
		if _, known := n.values[where]; !known {
			n.set(where, nonce{value: value})
		}
	}
}

// Stored returns the nonces as they are stored.
func (n *Nonces) Stored() map[string]string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.values) == 0 {
		return nil
	}
	stored := make(map[string]string, len(n.values))
	for where, known := range n.values {
		stored[where] = known.value
	}
	return stored
}

// Next returns the nonce for a request to an origin. challenge is what the answer to the
// request before asked for, if this one is sent for that reason: it is used whatever has
// become known since, as it is what the server waits for.
func (n *Nonces) Next(where, challenge string) Use {
	u := Use{Value: challenge, origin: where, ticket: n.pool.tickets.Add(1), own: true}
	if challenge != "" {
		return u
	}
	held := n.held(where)
	newest, refused := n.pool.look(where, held.value)
	if u.Value = held.value; newest != "" && (refused || !n.pool.recent(held)) {
		u.Value, u.own = newest, newest == held.value
	}
	return u
}

// maxNonce is more than a nonce has, in bytes.
const maxNonce = 2 << 10

// NonceOf returns the nonce that the header of an answer gives, "" if there is none, or none that can be
// one (RFC 9449 §8.1).
func NonceOf(h http.Header) string {
	if value := h.Get(NonceHeader); said.Visible(value, maxNonce) {
		return value
	}
	return ""
}

// Learn notes the nonce of the answer to a request, "" if it has none. A late answer does not
// undo a newer nonce.
func (n *Nonces) Learn(u Use, value string) {
	if value == "" {
		return
	}
	learned := nonce{value: value, asked: u.ticket, seen: n.pool.now().Round(0)} // to the clock on the wall: machines sleep
	n.mu.Lock()
	if known, ok := n.values[u.origin]; !ok || known.asked <= u.ticket {
		n.set(u.origin, learned)
	}
	n.mu.Unlock()
	n.pool.learn(u.origin, learned)
}

// Refused notes that a server did not take the nonce of a request, once its answer is
// learned. Only one that this session was given tells something about the sessions that were
// given the same: another's may have been refused for being another's.
func (n *Nonces) Refused(u Use) {
	if u.own && u.Value != "" {
		n.pool.refuse(u)
	}
}

// Without notes that a server took a request, looked at its proof, and gave no nonce in its answer:
// it gives none to anybody (P54). A nonce that it gives later undoes that.
func (n *Nonces) Without(u Use) { n.pool.without(u.origin) }

// Fresh reports whether the nonce that Next returns is very likely to be taken: this session
// was given it just now, or the server does not want any.
func (n *Nonces) Fresh(where string) bool {
	if n.pool.givesNone(where) {
		return true
	}
	held := n.held(where)
	_, refused := n.pool.look(where, held.value)
	return !refused && n.pool.recent(held)
}

func (n *Nonces) held(where string) nonce {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.values[where]
}

// set is called with the lock held.
func (n *Nonces) set(where string, value nonce) {
	if n.values == nil {
		n.values = make(map[string]nonce, 1)
	}
	makeRoom(n.values, where)
	n.values[where] = value
}

// makeRoom keeps a table in its bounds. Any origin will do: a lost nonce costs one round trip.
func makeRoom[V any](table map[string]V, where string) {
	if _, known := table[where]; known || len(table) < maxOrigins {
		return
	}
	for oldest := range table {
		delete(table, oldest)
		return
	}
}

// recent reports whether a nonce was given out here, and not long ago. A clock that was set
// back must not make it recent for ever.
func (p *Pool) recent(n nonce) bool {
	return !n.seen.IsZero() && p.now().Round(0).Sub(n.seen).Abs() < nonceAge
}

// look returns the newest nonce of an origin, and whether value is one that it refused.
func (p *Pool) look(where, value string) (newest string, refused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.origins[where]
	if o == nil {
		return "", false
	}
	return o.newest.value, slices.Contains(o.refused, value)
}

func (p *Pool) learn(where string, learned nonce) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.of(where)
	o.none = time.Time{}
	if o.newest.asked > learned.asked {
		return
	}
	o.newest = learned
	// What is given out again is good again.
	o.refused = slices.DeleteFunc(o.refused, func(value string) bool { return value == learned.value })
}

// of returns what is known of an origin. p.mu is held.
func (p *Pool) of(where string) *origin {
	o := p.origins[where]
	if o == nil {
		o = new(origin)
		makeRoom(p.origins, where)
		p.origins[where] = o
	}
	return o
}

func (p *Pool) without(where string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.of(where).none = p.now().Round(0)
}

func (p *Pool) givesNone(where string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.origins[where]
	return o != nil && !o.none.IsZero() && p.now().Round(0).Sub(o.none).Abs() < noneAge
}

func (p *Pool) refuse(u Use) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.origins[u.origin]
	// One that is the newest all the same was given out since.
	if o == nil || o.newest.value == u.Value || slices.Contains(o.refused, u.Value) {
		return
	}
	if len(o.refused) == maxRefused {
		o.refused = slices.Delete(o.refused, 0, 1)
	}
	o.refused = append(o.refused, u.Value)
}
