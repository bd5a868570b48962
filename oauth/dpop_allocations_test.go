//go:build !race

package oauth

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"testing"
	"time"
)

// A proof must cost little more than its signature, in time and in allocations. (The race
// detector makes sync.Pool forget at random, so it must not count.)
func TestProofAllocations(t *testing.T) {
	key := newTestKey(t)
	digest := sha256.Sum256([]byte("x"))
	bare := testing.AllocsPerRun(100, func() {
		if _, _, err := ecdsa.Sign(rand.Reader, key.private, digest[:]); err != nil {
			t.Fatal(err)
		}
	})
	p := proof{method: "GET", url: "https://pds.example.com/xrpc/com.atproto.server.getSession", nonce: "abcdefghijklmnopqrstuvwxyz", token: "token", at: time.Now()}
	proved := testing.AllocsPerRun(100, func() { signed(t, key, p) })
	if proved > bare+5 {
		t.Errorf("a proof allocates %.0f times, a bare signature %.0f; at most 5 more are allowed", proved, bare)
	}
}
