package serviceauth

import (
	"encoding/base64"
	"encoding/json"
	"time"
)

// SignAny signs a token of any content.
func SignAny(key *Key, head, body map[string]any) (string, error) {
	first, err := json.Marshal(head)
	if err != nil {
		return "", err
	}
	second, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	signed := base64.RawURLEncoding.EncodeToString(first) + "." + base64.RawURLEncoding.EncodeToString(second)
	signature, err := key.Sign([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), err
}

// SignAt is Sign at another time.
func SignAt(key *Key, claims Claims, now time.Time) (string, error) { return sign(key, claims, now) }
