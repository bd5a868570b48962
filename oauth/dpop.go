package oauth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/gimucco/atproto-go/internal/dpop"
	"github.com/gimucco/atproto-go/internal/safehttp"
)

// A dpopKey is the P-256 key that a session's tokens are bound to (RFC 9449). It lives as long as
// the session and signs nothing else.
type dpopKey struct {
	private *ecdsa.PrivateKey
	header  string // base64url of the proof's header; it never changes
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
	header, err := dpop.Header(&private.PublicKey)
	if err != nil {
		return nil, err
	}
	return &dpopKey{private: private, header: header}, nil
}

// MarshalJSON returns the private key as a JWK, the form in which it is stored.
func (k *dpopKey) MarshalJSON() ([]byte, error) {
	key, err := jwk.FromRaw(k.private)
	if err != nil {
		return nil, err
	}
	return json.Marshal(key)
}

// UnmarshalJSON reads the output of MarshalJSON.
func (k *dpopKey) UnmarshalJSON(data []byte) error {
	// Parsed by hand: package jwk reads the text several times, which is a large part of the cost
	// of resuming a session.
	var key struct {
		Type  string `json:"kty"`
		Curve string `json:"crv"`
		D     string `json:"d"`
	}
	if err := json.Unmarshal(data, &key); err != nil {
		return errors.New("DPoP key: is not a JSON Web Key") // err may contain a part of it
	}
	if key.Type != "EC" || key.Curve != "P-256" {
		return fmt.Errorf("DPoP key is of type %.20q on curve %.20q, not EC on P-256", key.Type, key.Curve)
	}
	d, err := base64.RawURLEncoding.DecodeString(key.D)
	if err != nil || len(d) > 32 {
		return errors.New("DPoP key: its d is not base64url of 32 bytes")
	}
	d = append(make([]byte, 32-len(d)), d...) // some programs leave out leading zeros
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
	if err != nil {
		return errors.New("DPoP key: its d is not a valid private key on P-256")
	}
	parsed, err := dpopKeyOf(private)
	if err != nil {
		return err
	}
	*k = *parsed
	return nil
}

// A proof is the content of one DPoP proof.
type proof struct {
	method string
	url    string // in the form of dpopURL
	nonce  string // empty until the server has sent one
	token  string // access token, for requests to the PDS only (O94)
	at     time.Time
}

// sign makes the DPoP proof p, with a new jti.
func (k *dpopKey) sign(p proof) (string, error) {
	signed, err := dpop.Sign(k.private, k.header, dpop.Proof{Method: p.method, URL: p.url, Nonce: p.nonce, Token: p.token, At: p.at})
	if err != nil {
		return "", &Error{Kind: ErrDPoP, Err: err}
	}
	return signed, nil
}

// dpopURL returns the htu of a request URL: without query, fragment, userinfo and default port,
// with scheme and host in lower case, and with the path as it is sent (O91).
func dpopURL(u *url.URL) string {
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	return originOf(u) + path
}

// originOf returns scheme, host and port of u, in lower case and without a
// default port.
func originOf(u *url.URL) string { return safehttp.Origin(u) }
