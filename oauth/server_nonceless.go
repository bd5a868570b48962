package oauth

import (
	"net/http"
	"sync"

	"github.com/gimucco/atproto-go/internal/answer"
)

// The specification tells clients to reject an answer without a DPoP-Nonce. A server that people
// run never sends one. Rejecting its answers would lock its users out and protect nobody: nonces
// stop proofs that were made in advance, and that is the server's concern. So the client accepts
// such answers, and tells the operator once per server (O100, P54).

// A roll is a set of names. The zero value is empty and ready to use; it is safe for concurrent use.
type roll struct {
	mu    sync.Mutex
	names map[string]bool
}

// enter adds name, and reports whether it is new.
func (r *roll) enter(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.names[name] {
		return false
	}
	if r.names == nil || len(r.names) >= maxServers {
		r.names = make(map[string]bool, 1) // the operator is told again
	}
	r.names[name] = true
	return true
}

// noteNonceless tells the operator, once per server, about a success without a nonce.
func (c *Client) noteNonceless(origin string, status int, nonce string) {
	if nonce == "" && status >= 200 && status < 300 && c.nonceless.enter(origin) {
		c.log.Warn("oauth: the server's answer carries no DPoP-Nonce, as it should", "server", origin)
	}
}

// provesNonceless reports whether an answer without a nonce means that the PDS sends no nonces at
// all. If a method needs no login, servers do not look at the proof. So only methods that need one
// count: this is for com.atproto.server.getSession.
func provesNonceless(resp *http.Response) bool {
	return resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusForbidden && answer.ErrorName(resp) != ""
}
