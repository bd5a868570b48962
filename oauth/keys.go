package oauth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/lestrrat-go/jwx/v2/jwk"
)

// A Key is a private key that a confidential client authenticates with: ECDSA on
// P-256, which signs ES256, the one algorithm that every server has to know.
type Key struct {
	// ID is the key's kid in the published set; "" is its thumbprint (RFC 7638).
	ID string
	// Signer holds the key: an *ecdsa.PrivateKey, or a key in a security module.
	Signer crypto.Signer
}

// ParseKeys reads private keys: PEM blocks ("PRIVATE KEY" or "EC PRIVATE KEY"; others,
// such as "EC PARAMETERS", are passed over), one JWK, or a JWK set. A JWK keeps its kid.
// Errors say which key is wrong and hold no part of it.
func ParseKeys(data []byte) ([]Key, error) {
	data = bytes.TrimSpace(data)
	var keys []Key
	var err error
	if bytes.HasPrefix(data, []byte("{")) {
		keys, err = parseJWKs(data)
	} else {
		keys, err = parsePEM(data)
	}
	if err != nil {
		return nil, &Error{Kind: ErrConfig, Stage: StageConfiguration, Err: fmt.Errorf("keys: %w", err)}
	}
	return keys, nil
}

func parsePEM(data []byte) ([]Key, error) {
	var keys []Key
	for n := 1; ; n++ {
		block, rest := pem.Decode(data)
		if block == nil {
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
		case "ENCRYPTED PRIVATE KEY":
			err = errors.New("is encrypted: decrypt it first")
		default:
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("PEM block %d: %w", n, err)
		}
		private, ok := parsed.(*ecdsa.PrivateKey)
		if !ok {
			return nil, fmt.Errorf("PEM block %d: a %T, not an ECDSA key", n, parsed)
		}
		if private.Curve != elliptic.P256() {
			return nil, fmt.Errorf("PEM block %d: on curve %s, not P-256", n, private.Curve.Params().Name)
		}
		keys = append(keys, Key{Signer: private})
	}
	if len(keys) == 0 {
		return nil, errors.New("neither a PEM block of a private key, nor a JWK or a set of them")
	}
	return keys, nil
}

func parseJWKs(data []byte) ([]Key, error) {
	set, err := jwk.Parse(data)
	if err != nil {
		return nil, errors.New("not a JWK or a set of them") // the cause may quote the key
	}
	var keys []Key
	for i := range set.Len() {
		key, _ := set.Key(i)
		var raw any
		if err := key.Raw(&raw); err != nil {
			return nil, fmt.Errorf("JWK %d cannot be read", i+1)
		}
		private, ok := raw.(*ecdsa.PrivateKey)
		switch {
		case !ok:
			return nil, fmt.Errorf("JWK %d is a %s key without its private part, or of another sort than EC", i+1, key.KeyType())
		case private.Curve != elliptic.P256():
			return nil, fmt.Errorf("JWK %d is on curve %s, not P-256", i+1, private.Curve.Params().Name)
		}
		keys = append(keys, Key{ID: key.KeyID(), Signer: private})
	}
	if len(keys) == 0 {
		return nil, errors.New("the set is empty")
	}
	return keys, nil
}

// A clientKey is a Key made ready.
type clientKey struct {
	id     string
	signer crypto.Signer
	public publicJWK
}

// A publicJWK is a public key as it is published. Its fields are all there is: no
// private member can slip in (O15).
type publicJWK struct {
	Type  string `json:"kty"`
	Curve string `json:"crv"`
	X     string `json:"x"`
	Y     string `json:"y"`
	ID    string `json:"kid,omitempty"`
	Use   string `json:"use,omitempty"`
	Alg   string `json:"alg,omitempty"`
}

// prepareKeys checks keys and gives those an ID that have none.
func prepareKeys(keys []Key) ([]*clientKey, error) {
	var out []*clientKey
	for i, key := range keys {
		field := fmt.Sprintf("Keys[%d]", i)
		if key.Signer == nil {
			return nil, configError(field, "has no Signer")
		}
		public, ok := key.Signer.Public().(*ecdsa.PublicKey)
		if !ok || public.Curve != elliptic.P256() {
			return nil, configError(field, "is not an ECDSA key on P-256")
		}
		point, err := public.Bytes() // 4, x, y
		if err != nil || len(point) != 65 {
			return nil, configError(field, "is not a point on P-256")
		}
		encode := base64.RawURLEncoding.EncodeToString
		bare := publicJWK{Type: "EC", Curve: "P-256", X: encode(point[1:33]), Y: encode(point[33:])}
		id := key.ID
		if id == "" {
			// The members in lexicographic order and nothing else (RFC 7638 §3).
			id = hash(fmt.Sprintf(`{"crv":"P-256","kty":"EC","x":%q,"y":%q}`, bare.X, bare.Y))
		}
		for j, other := range out {
			if other.id == id {
				return nil, configError(field, "has the ID %q, which Keys[%d] has already", id, j)
			}
			if other.public.X == bare.X && other.public.Y == bare.Y {
				return nil, configError(field, "is the same key as Keys[%d]", j)
			}
		}
		bare.ID, bare.Use, bare.Alg = id, "sig", "ES256"
		out = append(out, &clientKey{id: id, signer: key.Signer, public: bare})
	}
	return out, nil
}

// keySet is the public half of keys as a JWK set.
func keySet(keys []*clientKey) json.RawMessage {
	set := struct {
		Keys []publicJWK `json:"keys"`
	}{Keys: []publicJWK{}}
	for _, key := range keys {
		set.Keys = append(set.Keys, key.public)
	}
	data, _ := json.Marshal(set) // strings always marshal
	return data
}
