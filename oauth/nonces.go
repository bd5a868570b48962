package oauth

import (
	"maps"
	"net/http"
	"sync"
	"time"
)

// maxNonces bounds a table: a session talks to two or three origins, a client to
// as many as its users have servers.
const maxNonces = 1024

// A nonceTable keeps the newest nonce of each origin (O93, O96, O97). The zero
// value is empty and ready to use; it is safe for concurrent use.
type nonceTable struct {
	mu     sync.Mutex
	values map[string]nonce
}

type nonce struct {
	value string
	asked uint64    // ticket of the request that brought it
	seen  time.Time // when its answer arrived
}

// newNonceTable starts with what was stored.
func newNonceTable(stored map[string]string) *nonceTable {
	t := new(nonceTable)
	for origin, value := range stored {
		t.learn(origin, value, 0, time.Time{})
	}
	return t
}

// get returns the nonce to use for origin, or "".
func (t *nonceTable) get(origin string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.values[origin].value
}

// learn notes a nonce that the answer to the request with this ticket carried.
// Tickets grow with every request of a Client, so that a late answer does not undo
// a newer nonce.
func (t *nonceTable) learn(origin, value string, ticket uint64, now time.Time) {
	if value == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if known, ok := t.values[origin]; ok && known.asked > ticket {
		return
	}
	if t.values == nil {
		t.values = make(map[string]nonce, 1)
	}
	if _, known := t.values[origin]; !known && len(t.values) >= maxNonces {
		for oldest := range t.values { // any one will do: a lost nonce costs one round trip
			delete(t.values, oldest)
			break
		}
	}
	t.values[origin] = nonce{value: value, asked: ticket, seen: now}
}

// fresh reports whether the nonce of origin arrived after since.
func (t *nonceTable) fresh(origin string, since time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	known, ok := t.values[origin]
	return ok && known.seen.After(since)
}

// snapshot returns the nonces as they are stored.
func (t *nonceTable) snapshot() map[string]string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.values) == 0 {
		return nil
	}
	stored := make(map[string]string, len(t.values))
	for origin, n := range t.values {
		stored[origin] = n.value
	}
	return stored
}

// adopt takes over stored nonces for origins that have none yet.
func (t *nonceTable) adopt(stored map[string]string) {
	for origin, value := range maps.All(stored) {
		t.mu.Lock()
		_, known := t.values[origin]
		t.mu.Unlock()
		if !known {
			t.learn(origin, value, 0, time.Time{})
		}
	}
}

// nonceHeader is where servers put the nonce they want (RFC 9449 §8).
const nonceHeader = "Dpop-Nonce"

// nonceFor returns the nonce for a request to origin and the request's ticket. A
// table that has none borrows the newest that this Client saw from there: a wrong
// guess costs no more than sending none.
func (c *Client) nonceFor(t *nonceTable, origin string) (value string, ticket uint64) {
	if value = t.get(origin); value == "" {
		value = c.nonces.get(origin)
	}
	return value, c.tickets.Add(1)
}

// learnNonce notes the nonce of an answer, for the table and for the whole Client.
func (c *Client) learnNonce(t *nonceTable, origin string, h http.Header, ticket uint64) {
	value, now := h.Get(nonceHeader), c.now()
	t.learn(origin, value, ticket, now)
	c.nonces.learn(origin, value, ticket, now)
}
