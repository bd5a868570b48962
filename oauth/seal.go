package oauth

import (
	"fmt"

	"github.com/gimucco/atproto-go/internal/vault"
	"github.com/gimucco/atproto-go/oauth/store"
)

// vaultWords gives the errors of the vault the types of this package.
var vaultWords = vault.Words{StoreFailed: storeError, CannotOpen: sealError}

// sealError is for a record that cannot be sealed or opened.
func sealError(r *store.Record, err error) error {
	return &Error{Kind: ErrSealed, Err: fmt.Errorf("record %s %s: %w", r.Key.Kind, r.Key.DID, err)}
}
