package oauth

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"time"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

const (
	// assertionLife is how long an assertion is valid. Servers accept none that is older.
	assertionLife = time.Minute
	// assertionBackdate is how far iat lies in the past: some servers refuse an iat that is ahead
	// of their clock by any amount (O71).
	assertionBackdate = 5 * time.Second
)

// assertion signs a client assertion for issuer, with a new jti (RFC 7523 §3, O65, O66).
func (c *Client) assertion(key *preparedKey, clientID, issuer string, now time.Time) (string, error) {
	header, _ := json.Marshal(struct {
		Alg  string `json:"alg"`
		Type string `json:"typ"`
		ID   string `json:"kid"`
	}{"ES256", "JWT", key.ID})
	issued := now.Add(-assertionBackdate)
	claims, _ := json.Marshal(struct {
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		Audience string `json:"aud"`
		ID       string `json:"jti"`
		IssuedAt int64  `json:"iat"`
		Expires  int64  `json:"exp"`
	}{clientID, clientID, issuer, randomString(16), issued.Unix(), issued.Add(assertionLife).Unix()})
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode(header) + "." + encode(claims)
	signature, err := key.sign([]byte(signed))
	if err != nil {
		return "", &Error{Kind: ErrClientKey, Err: fmt.Errorf("key %q: %w", key.ID, err)}
	}
	return signed + "." + encode(signature), nil
}

// sign returns the ES256 signature of message: r and s with 32 bytes each (RFC 7518 §3.4). A
// crypto.Signer returns them in ASN.1.
func (k *preparedKey) sign(message []byte) ([]byte, error) {
	digest := sha256.Sum256(message)
	der, err := k.Signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	var pair struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(der, &pair)
	if err != nil || len(rest) > 0 || pair.R == nil || pair.S == nil || pair.R.Sign() <= 0 || pair.S.Sign() <= 0 || pair.R.BitLen() > 256 || pair.S.BitLen() > 256 {
		return nil, errors.New("its Signer did not return an ECDSA signature in ASN.1")
	}
	signature := make([]byte, 64)
	pair.R.FillBytes(signature[:32])
	pair.S.FillBytes(signature[32:])
	return signature, nil
}

// authenticate adds the client's identity to form: its ID, and for a confidential client an
// assertion for this attempt only (O67).
func (c *Client) authenticate(form url.Values, r *asRequest, now time.Time) error {
	form.Set("client_id", r.clientID)
	if r.clientKey == "" {
		return nil
	}
	key, err := c.keyOf(r.clientKey)
	if err != nil {
		return err
	}
	assertion, err := c.assertion(key, r.clientID, r.issuer, now)
	if err != nil {
		return err
	}
	form.Set("client_assertion_type", assertionType)
	form.Set("client_assertion", assertion)
	return nil
}
