package dpop

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gimucco/atproto-go/internal/said"
)

// NonceHeader is the header with the nonce for the next request (RFC 9449 §8).
const NonceHeader = "Dpop-Nonce"

const (
	// nonceAge is how long a nonce counts as valid after the server sent it. Servers change theirs
	// about every minute, and accept the one before for a while.
	nonceAge = time.Minute
	// maxOrigins limits a table. A session talks to two or three origins, and a client to as many
	// as its users have servers.
	maxOrigins = 1024
	// maxRefused is how many refused nonces of one origin are remembered. After a server's restart,
	// its sessions hold the last two or three.
	maxRefused = 4
	// noneAge is how long it is remembered that a server sends no nonces.
	noneAge = time.Hour
)

// Nonces holds the newest nonce that each origin has sent to one session. The specification wants
// them kept per session, because a server may use different nonces for each session. Most servers
// use the same nonce for everybody. So if a session has no nonce that is probably valid, it tries
// the newest nonce that any session of its Pool got. When a server changes its nonce, only one
// session has to learn it from a refusal. A wrong guess costs no more than an old nonce.
//
// It is safe for concurrent use.
type Nonces struct {
	pool *Pool

	mu     sync.Mutex
	values map[string]nonce // by origin
}

// A nonce is a value and its origin in time.
type nonce struct {
	value string
	asked uint64    // ticket of the request whose answer contained it
	seen  time.Time // when that answer arrived; zero if it was not in this process
}

// A Pool knows the nonces that all sessions of a client got.
type Pool struct {
	now     func() time.Time
	tickets atomic.Uint64

	mu      sync.Mutex
	origins map[string]*origin
}

// origin is what a pool knows about one origin.
type origin struct {
	newest  nonce
	refused []string  // refused to the sessions that they were sent to; the latest is last
	none    time.Time // when an answer last had none
}

// A Use is the nonce of one request.
type Use struct {
	Value string // "" if there is none yet

	origin string
	ticket uint64 // grows with every request of a pool, to order nonces by age
	own    bool   // the server sent it to this session
}

// NewPool returns an empty pool. now returns the current time.
func NewPool(now func() time.Time) *Pool {
	return &Pool{now: now, origins: make(map[string]*origin)}
}

// Session returns the nonces of a session. stored are its stored nonces.
func (p *Pool) Session(stored map[string]string) *Nonces {
	n := &Nonces{pool: p}
	n.Adopt(stored)
	return n
}

// Adopt adds stored nonces for origins that have none yet.
func (n *Nonces) Adopt(stored map[string]string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for where, value := range stored {
		if _, known := n.values[where]; !known {
			n.set(where, nonce{value: value})
		}
	}
}

// Stored returns the nonces in the form for storing.
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

// Next returns the nonce for a request to an origin. challenge is the nonce that the last answer
// asked for, if the request is repeated for that reason. It is used in any case, because the server
// waits for it.
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

// maxNonce is larger than any nonce, in bytes.
const maxNonce = 2 << 10

// NonceOf returns the nonce in the header of an answer. It is "" if there is none, or if it is not
// valid (RFC 9449 §8.1).
func NonceOf(h http.Header) string {
	if value := h.Get(NonceHeader); said.Visible(value, maxNonce) {
		return value
	}
	return ""
}

// Learn notes the nonce in the answer to a request; "" means none. A late answer does not replace a
// newer nonce.
func (n *Nonces) Learn(u Use, value string) {
	if value == "" {
		return
	}
	learned := nonce{value: value, asked: u.ticket, seen: n.pool.now().Round(0)} // the wall clock, because machines sleep
	n.mu.Lock()
	if known, ok := n.values[u.origin]; !ok || known.asked <= u.ticket {
		n.set(u.origin, learned)
	}
	n.mu.Unlock()
	n.pool.learn(u.origin, learned)
}

// Refused notes that a server refused the nonce of a request. Call it after Learn. Only a nonce
// that was sent to this session says something about other sessions with the same nonce. Another
// session's nonce may be refused because it belongs to another session.
func (n *Nonces) Refused(u Use) {
	if u.own && u.Value != "" {
		n.pool.refuse(u)
	}
}

// Without notes that a server checked the proof of a request, accepted it, and sent no nonce: such
// a server sends none to anybody (P54). A later nonce from it undoes that.
func (n *Nonces) Without(u Use) { n.pool.without(u.origin) }

// Fresh reports whether the server very probably accepts the nonce of Next: it has just sent it to
// this session, or it uses no nonces.
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

// set must be called with the lock held.
func (n *Nonces) set(where string, value nonce) {
	if n.values == nil {
		n.values = make(map[string]nonce, 1)
	}
	makeRoom(n.values, where)
	n.values[where] = value
}

// makeRoom keeps a table within its limit. It may remove any origin, because a lost nonce costs
// only one round trip.
func makeRoom[V any](table map[string]V, where string) {
	if _, known := table[where]; known || len(table) < maxOrigins {
		return
	}
	for oldest := range table {
		delete(table, oldest)
		return
	}
}

// recent reports whether a nonce came in this process, and not long ago. If a clock is set back,
// the nonce must not stay recent for ever.
func (p *Pool) recent(n nonce) bool {
	return !n.seen.IsZero() && p.now().Round(0).Sub(n.seen).Abs() < nonceAge
}

// look returns the newest nonce of an origin, and whether the origin refused value.
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
	// A nonce that is sent again is valid again.
	o.refused = slices.DeleteFunc(o.refused, func(value string) bool { return value == learned.value })
}

// of returns what is known about an origin. p.mu is held.
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
	// If it is the newest nonce nevertheless, the server has sent it again since.
	if o == nil || o.newest.value == u.Value || slices.Contains(o.refused, u.Value) {
		return
	}
	if len(o.refused) == maxRefused {
		o.refused = slices.Delete(o.refused, 0, 1)
	}
	o.refused = append(o.refused, u.Value)
}
