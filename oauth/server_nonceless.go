package oauth

import (
	"net/http"
	"sync"

	"github.com/gimucco/atproto-go/internal/answer"
)

// The specification has clients reject an answer without a DPoP-Nonce. A server that people run
// never sends one, and rejecting it would turn its users away without protecting them: nonces
// keep proofs that were made in advance from being used, which is the server's concern. So such
// answers are taken, and the operator is told once a server (O100, P54).

// A roll is a set of names. The zero value is empty and ready to use; it is safe for concurrent use.
type roll struct {
	mu    sync.Mutex
	names map[string]bool
}

// enter reports whether name was not there yet.
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

// noteNonceless tells the operator, once a server, of a success without a nonce.
func (c *Client) noteNonceless(origin string, status int, nonce string) {
	if nonce == "" && status >= 200 && status < 300 && c.nonceless.enter(origin) {
		c.log.Warn("oauth: the server's answer carries no DPoP-Nonce, as it should", "server", origin)
	}
}

// provesNonceless reports whether a PDS that gave no nonce in its answer to a call gives none at
// all. Servers look at no proof where a method needs none, so only those count that do: this is
// for com.atproto.server.getSession.
func provesNonceless(resp *http.Response) bool {
	return resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusForbidden && answer.ErrorName(resp) != ""
}
