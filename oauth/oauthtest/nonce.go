package oauthtest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// nonceWindow is how long a nonce is the current one.
const nonceWindow = time.Minute

// A nonceSource makes the DPoP nonces of the authorization server and the PDS, which share them
// (RFC 9449 §8, §9). It keeps a secret instead of a list. The nonces of the previous, the current
// and the next window are valid, and the next one is sent out. So a nonce lasts between one and
// three windows.
type nonceSource struct {
	secret [32]byte
	always bool // every answer has a new nonce
}

func newNonceSource() (n nonceSource) {
	n.rotate()
	return n
}

func (n *nonceSource) rotate() { rand.Read(n.secret[:]) }

func (n *nonceSource) of(window int64) string {
	mac := hmac.New(sha256.New, n.secret[:])
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(window)))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:18])
}

// next returns the nonce to send out.
func (n *nonceSource) next(now time.Time) string {
	if n.always {
		n.rotate()
	}
	return n.of(now.Unix()/int64(nonceWindow.Seconds()) + 1)
}

func (n *nonceSource) valid(nonce string, now time.Time) bool {
	window := now.Unix() / int64(nonceWindow.Seconds())
	for w := window - 1; w <= window+1; w++ {
		if hmac.Equal([]byte(nonce), []byte(n.of(w))) {
			return true
		}
	}
	return false
}
