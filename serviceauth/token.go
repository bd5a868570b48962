package serviceauth

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

const (
	// DefaultLife is how long a token lives if no time was requested. Servers use the same time.
	DefaultLife = time.Minute
	// MaxLife is the longest life of a token. Servers sign none that lives longer.
	MaxLife = time.Hour

	// maxToken is larger than any token, in bytes.
	maxToken = 8 << 10
	// accountKey is the key that signs a token without kid.
	accountKey = "atproto"
)

// Claims are the content of a token.
type Claims struct {
	// Issuer is the account that makes the call.
	Issuer syntax.DID
	// Audience is the service that the token is for: a DID, or a DID with a service id,
	// "did:web:feed.example.com#bsky_fg".
	Audience string
	// Method is the only method that the token is for.
	Method syntax.NSID
	// KeyID is the Issuer's key that signed the token, without the number sign. Empty means
	// "atproto".
	KeyID string
	// ID is a unique ID of the token (jti). If it is empty, Sign makes one.
	ID string
	// IssuedAt and Expires are in whole seconds. IssuedAt is zero if the token does not contain it.
	IssuedAt, Expires time.Time
}

// A header is the first part of a token.
type header struct {
	Algorithm string `json:"alg"`
	Type      string `json:"typ"`
	KeyID     string `json:"kid,omitempty"`
	Critical  any    `json:"crit,omitempty"`
}

// A payload is the second part of a token.
type payload struct {
	Issuer   string      `json:"iss"`
	Audience audiences   `json:"aud"`
	Expires  numericDate `json:"exp"`
	IssuedAt numericDate `json:"iat,omitzero"`
	NotYet   numericDate `json:"nbf,omitzero"`
	Method   string      `json:"lxm,omitempty"`
	ID       string      `json:"jti,omitempty"`
}

// audiences is the aud of a JWT: one string or a list (RFC 7519 §4.1.3).
type audiences []string

func (a audiences) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}

func (a *audiences) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		*a = make(audiences, 1)
		return json.Unmarshal(data, &(*a)[0])
	}
	return json.Unmarshal(data, (*[]string)(a))
}

// A numericDate is a time in seconds, possibly with a fraction (RFC 7519 §2).
type numericDate struct{ time.Time }

func (d numericDate) MarshalJSON() ([]byte, error) { return json.Marshal(d.Unix()) }

func (d *numericDate) UnmarshalJSON(data []byte) error {
	var seconds float64
	if err := json.Unmarshal(data, &seconds); err != nil {
		return errors.New("a time is not a number of seconds")
	}
	if math.Abs(seconds) > 1<<40 { // 34,000 years
		return errors.New("a time is out of range")
	}
	d.Time = time.UnixMilli(int64(seconds * 1000))
	return nil
}

// A token is a parsed token that is not verified yet.
type token struct {
	header    header
	payload   payload
	signed    []byte // the bytes that the signature covers
	signature []byte
}

// parse parses a token in its compact form (RFC 7515 §7.1).
func parse(text string) (*token, error) {
	if len(text) > maxToken {
		return nil, fmt.Errorf("it has %d bytes; %d are allowed", len(text), maxToken)
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("it has %d parts, not three with dots between them", len(parts))
	}
	t := &token{signed: []byte(text[:len(parts[0])+1+len(parts[1])])}
	for i, into := range []any{&t.header, &t.payload} {
		if err := decode(parts[i], into); err != nil {
			return nil, fmt.Errorf("part %d: %w", i+1, err)
		}
	}
	var err error
	if t.signature, err = base64.RawURLEncoding.Strict().DecodeString(parts[2]); err != nil {
		return nil, errors.New("part 3: is not base64url without padding")
	}
	return t, nil
}

func decode(part string, into any) error {
	text, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return errors.New("is not base64url without padding")
	}
	if len(text) == 0 || text[0] != '{' {
		return errors.New("is not a JSON object")
	}
	if err := json.Unmarshal(text, into); err != nil {
		return errors.New("is not the JSON of a token") // err may contain parts of it
	}
	return nil
}

// Sign returns a token that key signs. If Expires is zero, it is DefaultLife from now. IssuedAt is
// now. It fails if the claims are not valid for a token.
func Sign(key *Key, claims Claims) (string, error) {
	return sign(key, claims, time.Now())
}

func sign(key *Key, claims Claims, now time.Time) (string, error) {
	if key == nil {
		return "", errors.New("serviceauth: Sign: the key is nil")
	}
	if err := claims.Issuer.Validate(); err != nil {
		return "", fmt.Errorf("serviceauth: Sign: Claims.Issuer: %w", err)
	}
	if err := checkAudience(claims.Audience); err != nil {
		return "", fmt.Errorf("serviceauth: Sign: Claims.Audience: %w", err)
	}
	if err := claims.Method.Validate(); err != nil {
		return "", fmt.Errorf("serviceauth: Sign: Claims.Method: %w", err)
	}
	now = now.Truncate(time.Second)
	expires := claims.Expires
	if expires.IsZero() {
		expires = now.Add(DefaultLife)
	}
	if life := expires.Sub(now); life <= 0 || life > MaxLife {
		return "", fmt.Errorf("serviceauth: Sign: Claims.Expires is in %s; it must be within %s from now", life.Round(time.Second), MaxLife)
	}
	head := header{Algorithm: key.Public().Algorithm(), Type: "JWT"}
	if id := strings.TrimPrefix(claims.KeyID, "#"); id != accountKey {
		head.KeyID = id
	}
	id := claims.ID
	if id == "" {
		id = rand.Text()
	}
	first, err := json.Marshal(head)
	if err != nil {
		return "", fmt.Errorf("serviceauth: Sign: %w", err)
	}
	second, err := json.Marshal(payload{
		Issuer: string(claims.Issuer), Audience: audiences{claims.Audience}, Method: string(claims.Method),
		ID: id, IssuedAt: numericDate{now}, Expires: numericDate{expires},
	})
	if err != nil {
		return "", fmt.Errorf("serviceauth: Sign: %w", err)
	}
	signed := base64.RawURLEncoding.EncodeToString(first) + "." + base64.RawURLEncoding.EncodeToString(second)
	signature, err := key.Sign([]byte(signed))
	if err != nil {
		return "", fmt.Errorf("serviceauth: Sign: %w", err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// checkAudience returns an error if a token cannot be for audience.
func checkAudience(audience string) error {
	did, service, named := strings.Cut(audience, "#")
	if err := syntax.DID(did).Validate(); err != nil {
		return fmt.Errorf("%.200q is not a DID, nor a DID with a service such as did:web:feed.example.com#bsky_fg: %w", audience, err)
	}
	if named && (service == "" || strings.ContainsAny(service, "#/? ")) {
		return fmt.Errorf("%.200q does not name a service after the number sign", audience)
	}
	return nil
}
