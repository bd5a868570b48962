package oauth

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/gimucco/atproto-go/oauth/store"
)

// A ClientKey is a private key that a confidential client authenticates with. It is an ECDSA key on
// P-256 and signs with ES256, the one algorithm that every server must support.
type ClientKey struct {
	// ID is the kid of the key in the published set. If it is "", the key's thumbprint is used (RFC
	// 7638).
	ID string
	// Signer holds the key: an *ecdsa.PrivateKey, or a key in a hardware security module.
	Signer crypto.Signer

	// NotBefore is when logins may begin to use the key. The key is published before that. Servers
	// cache a client's keys for minutes, so choose a time at least that far ahead. Zero means now.
	NotBefore time.Time
	// Expires is when the key stops signing and is no longer published. The sessions that use it go
	// on until their next refresh, which fails with ErrClientKeyGone. Zero means never.
	Expires time.Time
	// Revoked takes the key out of use at once, as if it had expired. Set it when a key has leaked.
	// Access tokens that servers have issued stay valid until they expire.
	Revoked bool
}

// LogValue gives loggers the ID only.
func (k ClientKey) LogValue() slog.Value { return slog.GroupValue(slog.String("kid", k.ID)) }

// String returns the ID of the key.
func (k ClientKey) String() string { return "client key " + strconv.Quote(k.ID) }

// Format writes the same text as String, for every verb.
func (k ClientKey) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }

// MarshalJSON writes the ID only. Without it, encoding/json would write the private key.
func (k ClientKey) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		ID string `json:"kid"`
	}{k.ID})
}

// usable reports whether the key may still sign and be published.
func (k *ClientKey) usable(now time.Time) bool {
	return !k.Revoked && (k.Expires.IsZero() || now.Before(k.Expires))
}

// active reports whether a login may begin to use the key.
func (k *ClientKey) active(now time.Time) bool { return k.usable(now) && !now.Before(k.NotBefore) }

// ParseClientKeys reads private keys. data is one of:
//
//   - PEM blocks "PRIVATE KEY" or "EC PRIVATE KEY"; other blocks, such as "EC PARAMETERS", are
//     skipped
//   - a JWK or a JWK set; a JWK keeps its kid, and its members nbf, exp and revoked become
//     NotBefore, Expires and Revoked
//   - multibase texts ("z42t…"), one per line, as other Go clients store keys
//
// An error says which key is wrong, and contains no part of it.
func ParseClientKeys(data []byte) ([]ClientKey, error) {
	data = bytes.TrimSpace(data)
	var keys []ClientKey
	var err error
	switch {
	case bytes.HasPrefix(data, []byte("{")):
		keys, err = parseJWKs(data)
	case bytes.HasPrefix(data, []byte("z")):
		keys, err = parseMultibaseKeys(string(data))
	default:
		keys, err = parsePEM(data)
	}
	if err != nil {
		return nil, &Error{Kind: ErrConfig, Err: fmt.Errorf("client keys: %w", err)}
	}
	return keys, nil
}

func parsePEM(data []byte) ([]ClientKey, error) {
	var keys []ClientKey
	var passed []string // the other blocks that were skipped
	begun := bytes.Count(data, []byte("-----BEGIN "))
	for n := 1; ; n++ {
		block, rest := pem.Decode(data)
		if block == nil {
			if n <= begun {
				return nil, fmt.Errorf("%d of %d PEM blocks are damaged", begun-n+1, begun)
			}
			break
		}
		data = rest
		var parsed any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			parsed, err = x509.ParseECPrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "OPENSSH PRIVATE KEY":
			err = errors.New("is an OpenSSH key: make a key for ES256, for example with `atproto keygen`")
		case "ENCRYPTED PRIVATE KEY":
			err = errors.New("is encrypted: decrypt it first")
		default:
			passed = append(passed, block.Type)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("PEM block %d: %w", n, err)
		}
		private, err := onP256(parsed)
		if err != nil {
			return nil, fmt.Errorf("PEM block %d: %w", n, err)
		}
		keys = append(keys, ClientKey{Signer: private})
	}
	switch {
	case len(keys) == 0 && passed != nil:
		return nil, fmt.Errorf("no private key: the PEM blocks are %q", passed)
	case len(keys) == 0:
		return nil, errors.New("neither a PEM block of a private key, nor a JWK or a JWK set, nor a key in multibase")
	}
	return keys, nil
}

func parseJWKs(data []byte) ([]ClientKey, error) {
	set, err := jwk.Parse(data)
	if err != nil {
		return nil, errors.New("not a JWK or a set of them") // the cause may quote the key
	}
	var keys []ClientKey
	for i := range set.Len() {
		key, _ := set.Key(i)
		var raw any
		if err := key.Raw(&raw); err != nil {
			return nil, fmt.Errorf("JWK %d cannot be read", i+1)
		}
		private, err := onP256(raw)
		if err != nil {
			return nil, fmt.Errorf("JWK %d: %w", i+1, err)
		}
		parsed := ClientKey{ID: key.KeyID(), Signer: private}
		if parsed.NotBefore, err = jwkTime(key, "nbf"); err == nil {
			parsed.Expires, err = jwkTime(key, "exp")
		}
		if err != nil {
			return nil, fmt.Errorf("JWK %d: %w", i+1, err)
		}
		// Either an object that says when and why (OpenID Federation 1.0 §8.7.2), or true.
		if revoked, ok := key.Get("revoked"); ok && revoked != nil && revoked != false {
			parsed.Revoked = true
		}
		keys = append(keys, parsed)
	}
	if len(keys) == 0 {
		return nil, errors.New("the set is empty")
	}
	return keys, nil
}

// onP256 returns a private key that can sign with ES256. Its error says what the key is instead.
func onP256(key any) (*ecdsa.PrivateKey, error) {
	if private, ok := key.(*ecdsa.PrivateKey); ok && private.Curve == elliptic.P256() {
		return private, nil
	}
	return nil, fmt.Errorf("%s; ES256 is needed: a private key on the curve P-256", sortOfKey(key))
}

// sortOfKey names the kind of a key in the words of the person who made it.
func sortOfKey(key any) string {
	switch key := key.(type) {
	case *rsa.PrivateKey, *rsa.PublicKey:
		return "an RSA key"
	case ed25519.PrivateKey, ed25519.PublicKey:
		return "an Ed25519 key"
	case *ecdh.PrivateKey, *ecdh.PublicKey:
		return "a key for key agreement"
	case []byte:
		return "a symmetric key"
	case *ecdsa.PrivateKey:
		return "an ECDSA key on " + key.Curve.Params().Name
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			return "a public key"
		}
		return "a public ECDSA key on " + key.Curve.Params().Name
	}
	return fmt.Sprintf("a key of another kind (%T)", key)
}

// jwkTime reads a member that holds a time in seconds, if it is there.
func jwkTime(key jwk.Key, member string) (time.Time, error) {
	value, ok := key.Get(member)
	if !ok {
		return time.Time{}, nil
	}
	seconds, ok := value.(float64)
	if !ok || seconds < 0 || seconds > 1<<40 {
		return time.Time{}, fmt.Errorf("%s is not a time in seconds", member)
	}
	return time.Unix(int64(seconds), 0), nil
}

// A preparedKey is a ClientKey that is ready to use.
type preparedKey struct {
	ClientKey // its ID is filled in
	public    publicJWK
}

// A publicJWK is a public key in its published form. The struct has no private field, so no private
// member can be published by mistake (O15).
type publicJWK struct {
	Type  string `json:"kty"`
	Curve string `json:"crv"`
	X     string `json:"x"`
	Y     string `json:"y"`
	ID    string `json:"kid,omitempty"`
	Use   string `json:"use,omitempty"`
	Alg   string `json:"alg,omitempty"`
}

// prepareKeys checks keys, and gives an ID to those that have none. If there are keys, at least one
// must be usable for logins now (O19).
func prepareKeys(keys []ClientKey, now time.Time) ([]*preparedKey, error) {
	var out []*preparedKey
	for i, key := range keys {
		field := fmt.Sprintf("ClientKeys[%d]", i)
		if key.Signer == nil {
			return nil, configError(field, "has no Signer")
		}
		public, ok := key.Signer.Public().(*ecdsa.PublicKey)
		if !ok || public.Curve != elliptic.P256() {
			return nil, configError(field, "is %s; ES256 is needed: a signer whose key is on the curve P-256", sortOfKey(key.Signer.Public()))
		}
		point, err := public.Bytes() // 4, x, y
		if err != nil || len(point) != 65 {
			return nil, configError(field, "is not a point on P-256")
		}
		encode := base64.RawURLEncoding.EncodeToString
		bare := publicJWK{Type: "EC", Curve: "P-256", X: encode(point[1:33]), Y: encode(point[33:])}
		if key.ID == "" {
			// The members in lexicographic order and nothing else (RFC 7638 §3).
			key.ID = hash(fmt.Sprintf(`{"crv":"P-256","kty":"EC","x":%q,"y":%q}`, bare.X, bare.Y))
		}
		for j, other := range out {
			if other.ID == key.ID {
				return nil, configError(field, "has the ID %q, which ClientKeys[%d] has already", key.ID, j)
			}
			if other.public.X == bare.X && other.public.Y == bare.Y {
				return nil, configError(field, "is the same key as ClientKeys[%d]", j)
			}
		}
		bare.ID, bare.Use, bare.Alg = key.ID, "sig", "ES256"
		out = append(out, &preparedKey{ClientKey: key, public: bare})
	}
	if len(out) > 0 && !slices.ContainsFunc(out, func(k *preparedKey) bool { return k.active(now) }) {
		return nil, configError("ClientKeys", "has no key for logins now: all are revoked, expired or not valid yet")
	}
	return out, nil
}

// keySet is the public half of the keys that may be used, as a JWK set.
func keySet(keys []*preparedKey, now time.Time) json.RawMessage {
	set := struct {
		Keys []publicJWK `json:"keys"`
	}{Keys: []publicJWK{}}
	for _, key := range keys {
		if key.usable(now) {
			set.Keys = append(set.Keys, key.public)
		}
	}
	data, _ := json.Marshal(set) // strings always marshal
	return data
}

// activeKey returns the ID of the key for a login that begins now, or "" for a public client (O70).
func (c *Client) activeKey() (string, error) {
	if len(c.keys) == 0 {
		return "", nil
	}
	now := c.now()
	for _, key := range c.keys {
		if key.active(now) {
			return key.ID, nil
		}
	}
	return "", &Error{Kind: ErrClientKey, Err: errors.New("all of Config.ClientKeys are revoked, expired or not valid yet")}
}

// keyOf returns the client key of a session. Servers tie a session to the key of its login, so no
// other key works (O68, O69).
func (c *Client) keyOf(id string) (*preparedKey, error) {
	i := slices.IndexFunc(c.keys, func(k *preparedKey) bool { return k.ID == id })
	switch {
	case i < 0:
		return nil, &Error{Kind: ErrClientKeyGone, Err: fmt.Errorf("Config.ClientKeys has no key %q, which the session's login used", id)}
	case !c.keys[i].usable(c.now()):
		return nil, &Error{Kind: ErrClientKeyGone, Err: fmt.Errorf("key %q, which the session's login used, is revoked or expired", id)}
	}
	return c.keys[i], nil
}

// SessionsPerClientKey counts the sessions in the store by the ID of their client key. A key that
// is not in the result can leave Config.ClientKeys. The count excludes sessions of other clients
// and sessions that cannot be opened; an error of kind ErrSealed names the first that cannot be
// opened. It reads every session, like Reseal.
func (c *Client) SessionsPerClientKey(ctx context.Context) (map[string]int, error) {
	var mu sync.Mutex
	sessions := make(map[string]int)
	err := c.eachSession(ctx, func(_ context.Context, _ SessionKey, state *sessionRecord, _ *store.Record, _ bool) error {
		mu.Lock()
		defer mu.Unlock()
		sessions[state.ClientKey]++
		return nil
	})
	return sessions, err
}
