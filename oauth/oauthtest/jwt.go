package oauthtest

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// signatureAlgorithms are accepted for proofs and client assertions.
var signatureAlgorithms = []string{"ES256", "ES384", "PS256", "RS256"}

// curves are the curves that the ECDSA algorithms need (RFC 7518 §3.4).
var curves = map[string]jwa.EllipticCurveAlgorithm{"ES256": jwa.P256, "ES384": jwa.P384}

// A jwt is a compact JWS with JSON claims, split but not verified.
type jwt struct {
	raw     string
	header  jwtHeader
	payload []byte
}

type jwtHeader struct {
	Type     string          `json:"typ"`
	Alg      string          `json:"alg"`
	KeyID    string          `json:"kid"`
	Key      json.RawMessage `json:"jwk"`
	Critical []string        `json:"crit"`
}

func parseJWT(raw string) (*jwt, error) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return nil, errors.New("is not a compact JWS")
	}
	t := &jwt{raw: raw}
	header, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if err := json.Unmarshal(header, &t.header); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if t.payload, err = base64.RawURLEncoding.DecodeString(parts[1]); err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	if !slices.Contains(signatureAlgorithms, t.header.Alg) {
		return nil, fmt.Errorf("alg %.20q is not supported", t.header.Alg)
	}
	if len(t.header.Critical) > 0 {
		return nil, errors.New("crit is not supported")
	}
	return t, nil
}

// verify checks the signature.
func (t *jwt) verify(key jwk.Key) error {
	if want, ok := curves[t.header.Alg]; ok {
		if ec, ok := key.(jwk.ECDSAPublicKey); !ok || ec.Crv() != want {
			return fmt.Errorf("the key does not fit %s", t.header.Alg)
		}
	}
	_, err := jws.Verify([]byte(t.raw), jws.WithCompact(), jws.WithKey(jwa.SignatureAlgorithm(t.header.Alg), key))
	return err
}

// parsePublicKey reads a JWK that must be public and asymmetric.
func parsePublicKey(data []byte) (jwk.Key, error) {
	key, err := jwk.ParseKey(data)
	if err != nil {
		return nil, err
	}
	private, err := jwk.IsPrivateKey(key)
	if err != nil {
		return nil, errors.New("the key is not asymmetric")
	}
	if private {
		return nil, errors.New("the key is private")
	}
	return key, nil
}

// thumbprint identifies a key (RFC 7638).
func thumbprint(key jwk.Key) (string, error) {
	sum, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}
