package oauth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// randomString returns n random bytes in base64url. crypto/rand never fails.
func randomString(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// newVerifier returns a code verifier of 43 characters (RFC 7636 §4.1).
func newVerifier() string { return randomString(32) }

// challengeS256 derives the code challenge of a verifier (RFC 7636 §4.2).
func challengeS256(verifier string) string { return hash(verifier) }

// hash returns the SHA-256 of s in base64url. It is used for code challenges, for the ath of
// proofs, and for values that are stored only to be recognised later.
func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
