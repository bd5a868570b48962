package oauth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"fmt"
	"strings"

	"github.com/gimucco/atproto-go/internal/multibase"
)

// parseMultibaseKeys reads one key per line. No error contains a part of a key.
func parseMultibaseKeys(text string) ([]ClientKey, error) {
	var keys []ClientKey
	for n, line := range strings.Fields(text) {
		private, err := parseMultibaseKey(line)
		if err != nil {
			return nil, fmt.Errorf("multibase key %d: %w", n+1, err)
		}
		keys = append(keys, ClientKey{Signer: private})
	}
	return keys, nil
}

func parseMultibaseKey(text string) (*ecdsa.PrivateKey, error) {
	raw, curve, err := multibase.Private(text)
	switch {
	case errors.Is(err, multibase.ErrSort):
		return nil, fmt.Errorf("%w; ES256 is needed: a private key on the curve P-256", err)
	case err != nil:
		return nil, err
	case curve == multibase.K256:
		return nil, errors.New("is on the curve K-256, which is for accounts; ES256 is needed: a private key on the curve P-256")
	case len(raw) != 32:
		return nil, fmt.Errorf("has %d bytes, not 32", len(raw))
	}
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
	if err != nil {
		return nil, errors.New("is not a valid private key on P-256")
	}
	return private, nil
}
