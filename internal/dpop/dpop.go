// Package dpop makes DPoP proofs (RFC 9449). A proof is a signed statement about one request, made
// with the key that the access token is bound to. The package also chooses the nonce for the next
// proof (Pool, Nonces). Package oauth manages the keys.
//
//	header, err := dpop.Header(&key.PublicKey) // once for each key
//	signed, err := dpop.Sign(key, header, dpop.Proof{Method: "GET", URL: "https://pds.example/xrpc/…", At: time.Now()})
package dpop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"
)

// A Proof is the content of one proof.
type Proof struct {
	Method string
	URL    string // without query and fragment (RFC 9449 §4.2)
	Nonce  string // the server's nonce; "" before it sent one
	Token  string // access token, for requests to resources only; the proof contains only its hash
	At     time.Time
}

// Header returns the header of all proofs of a P-256 key, in base64url. It contains the public key.
func Header(public *ecdsa.PublicKey) (string, error) {
	point, err := public.Bytes() // a 4, x and y
	if err != nil {
		return "", err
	}
	if public.Curve != elliptic.P256() {
		return "", fmt.Errorf("the key is on curve %s, not P-256", public.Curve.Params().Name)
	}
	// Written by hand, because every resumed session needs one. No member needs escapes in JSON.
	header := []byte(`{"typ":"dpop+jwt","alg":"ES256","jwk":{"crv":"P-256","kty":"EC","x":"`)
	header = base64.RawURLEncoding.AppendEncode(header, point[1:33])
	header = append(header, `","y":"`...)
	header = base64.RawURLEncoding.AppendEncode(header, point[33:])
	header = append(header, `"}}`...)
	return base64.RawURLEncoding.EncodeToString(header), nil
}

// buffers are reused memory for building proofs.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// Sign makes the proof p, with a new jti. header is the result of Header for the key. It costs
// little more than the signature.
func Sign(key *ecdsa.PrivateKey, header string, p Proof) (string, error) {
	pooled := buffers.Get().(*[]byte)
	buf := append((*pooled)[:0], header...)
	buf = append(buf, '.')
	var raw [768]byte
	c := append(raw[:0], `{"jti":"`...)
	var jti [16]byte
	rand.Read(jti[:])
	c = base64.RawURLEncoding.AppendEncode(c, jti[:])
	c = append(c, `","htm":`...)
	c = appendJSONString(c, p.Method)
	c = append(c, `,"htu":`...)
	c = appendJSONString(c, p.URL)
	c = append(c, `,"iat":`...)
	c = strconv.AppendInt(c, p.At.Unix(), 10)
	if p.Nonce != "" {
		c = append(c, `,"nonce":`...)
		c = appendJSONString(c, p.Nonce)
	}
	if p.Token != "" {
		sum := sha256.Sum256([]byte(p.Token))
		c = append(c, `,"ath":"`...)
		c = base64.RawURLEncoding.AppendEncode(c, sum[:])
		c = append(c, '"')
	}
	c = append(c, '}')
	buf = base64.RawURLEncoding.AppendEncode(buf, c)

	digest := sha256.Sum256(buf)
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		return "", err
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	buf = append(buf, '.')
	buf = base64.RawURLEncoding.AppendEncode(buf, signature[:])
	signed := string(buf)
	*pooled = buf
	buffers.Put(pooled)
	return signed, nil
}

// appendJSONString appends s as a JSON string. Methods and URLs need no escapes; a nonce may
// contain every character that a header allows.
func appendJSONString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			quoted, _ := json.Marshal(s) // strings always marshal
			return append(dst, quoted...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}
