package oauth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/lestrrat-go/jwx/v2/jwk"
)

// A dpopKey is the P-256 key that a session's tokens are bound to (RFC 9449). It
// lives as long as the session and signs for nothing else.
type dpopKey struct {
	private *ecdsa.PrivateKey
	header  string // base64url of the proof's header, which never changes
}

// newDPoPKey makes a fresh key.
func newDPoPKey() (*dpopKey, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return dpopKeyOf(private)
}

func dpopKeyOf(private *ecdsa.PrivateKey) (*dpopKey, error) {
	public, err := jwk.FromRaw(private.PublicKey)
	if err != nil {
		return nil, err
	}
	header, err := json.Marshal(struct {
		Type string  `json:"typ"`
		Alg  string  `json:"alg"`
		Key  jwk.Key `json:"jwk"`
	}{"dpop+jwt", "ES256", public})
	if err != nil {
		return nil, err
	}
	return &dpopKey{private: private, header: base64.RawURLEncoding.EncodeToString(header)}, nil
}

// MarshalJSON returns the private key as a JWK, the form in which it is stored.
func (k *dpopKey) MarshalJSON() ([]byte, error) {
	key, err := jwk.FromRaw(k.private)
	if err != nil {
		return nil, err
	}
	return json.Marshal(key)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (k *dpopKey) UnmarshalJSON(data []byte) error {
	key, err := jwk.ParseKey(data)
	if err != nil {
		return err
	}
	private := new(ecdsa.PrivateKey)
	if err := key.Raw(private); err != nil {
		return fmt.Errorf("DPoP key: %w", err)
	}
	if private.Curve != elliptic.P256() {
		return fmt.Errorf("DPoP key is on curve %s, not P-256", private.Curve.Params().Name)
	}
	parsed, err := dpopKeyOf(private)
	if err != nil {
		return err
	}
	*k = *parsed
	return nil
}

// A proof says what one DPoP proof is for.
type proof struct {
	method string
	url    string // as dpopURL returns it
	nonce  string // empty before the server gave one
	token  string // access token, on resource requests only (O94)
	at     time.Time
}

// proofBuffers lend the memory that a proof is put together in.
var proofBuffers = sync.Pool{New: func() any { return new([]byte) }}

// sign makes the proof p, with a jti of its own (RFC 9449 §4.2). It costs little
// more than the signature: the header is ready, the claims are appended.
func (k *dpopKey) sign(p proof) (string, error) {
	pooled := proofBuffers.Get().(*[]byte)
	buf := append((*pooled)[:0], k.header...)
	buf = append(buf, '.')
	var raw [768]byte
	c := append(raw[:0], `{"jti":"`...)
	var jti [16]byte
	rand.Read(jti[:])
	c = base64.RawURLEncoding.AppendEncode(c, jti[:])
	c = append(c, `","htm":`...)
	c = appendJSONString(c, p.method)
	c = append(c, `,"htu":`...)
	c = appendJSONString(c, p.url)
	c = append(c, `,"iat":`...)
	c = strconv.AppendInt(c, p.at.Unix(), 10)
	if p.nonce != "" {
		c = append(c, `,"nonce":`...)
		c = appendJSONString(c, p.nonce)
	}
	if p.token != "" {
		sum := sha256.Sum256([]byte(p.token))
		c = append(c, `,"ath":"`...)
		c = base64.RawURLEncoding.AppendEncode(c, sum[:])
		c = append(c, '"')
	}
	c = append(c, '}')
	buf = base64.RawURLEncoding.AppendEncode(buf, c)

	digest := sha256.Sum256(buf)
	r, s, err := ecdsa.Sign(rand.Reader, k.private, digest[:])
	if err != nil {
		return "", &Error{Kind: ErrDPoP, Stage: StageDPoP, Err: err}
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	buf = append(buf, '.')
	buf = base64.RawURLEncoding.AppendEncode(buf, signature[:])
	signed := string(buf)
	*pooled = buf
	proofBuffers.Put(pooled)
	return signed, nil
}

// appendJSONString appends s as a JSON string. Methods and URLs need no escape;
// a nonce may hold anything a header may.
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

// dpopURL returns the htu of a request URL: no query, no fragment, no userinfo, no
// default port, scheme and host in lower case, the path as it is sent (O91).
func dpopURL(u *url.URL) string {
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	return originOf(u) + path
}

// originOf returns scheme, host and port of u, in lower case and without a
// default port.
func originOf(u *url.URL) string {
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	switch {
	case scheme == "https":
		host = strings.TrimSuffix(host, ":443")
	case scheme == "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return scheme + "://" + host
}
