package house

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store/sqlstore"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// What follows are the snippets of docs/stores.md, in its order, so that the compiler reads them
// too. TestSnippetsOfGuidesCompile compares.

func storesOpened(ctx context.Context, config oauth.Config, newKey, oldKey []byte) error {
	db, err := sql.Open("pgx", "postgres://app@db.example.com/app")
	if err != nil {
		return err
	}
	store := sqlstore.New(db, sqlstore.Postgres)
	if err := store.Migrate(ctx); err != nil {
		return err
	}
	config.Store = store
	config.Seal = seal.Keys(newKey, oldKey) // 32 random bytes each; the first seals, all open
	_, err = oauth.NewClient(config)
	return err
}

func storesMigrated() error {
	migrations, err := sqlstore.Migrations(sqlstore.Postgres)
	if err != nil {
		return err
	}
	for _, m := range migrations {
		fmt.Println(m.SQL())
	}
	return nil
}

func listSessions(ctx context.Context, client *oauth.Client, did syntax.DID) error {
	for key, err := range client.Sessions(ctx, did) {
		if err != nil {
			return err
		}
		fmt.Println(key.ID)
	}
	purged, err := client.Purge(ctx) // now and then: logins nobody finished, sessions long over
	if err != nil {
		return err
	}
	fmt.Println(purged)
	return nil
}

func resealed(ctx context.Context, client *oauth.Client) error {
	resealed, err := client.Reseal(ctx)
	if errors.Is(err, oauth.ErrSealed) {
		return fmt.Errorf("keep the old key: a session cannot be opened: %w", err)
	}
	if err != nil {
		return fmt.Errorf("keep the old key and try again: %w", err)
	}
	fmt.Println(resealed, "sessions have the new key")
	return nil
}

func imported(ctx context.Context, client *oauth.Client, did syntax.DID, proofKey, granted, accessToken, refreshToken string) error {
	keys, err := oauth.ParseClientKeys([]byte(proofKey)) // the key that the tokens are bound to: PEM, JWK or multibase
	if err != nil {
		return err
	}
	session, err := client.Import(ctx, oauth.ImportedSession{
		DID:          did,
		ClientID:     "https://app.example.com/client-metadata.json", // that of before
		Issuer:       "https://pds.example.com",
		Scope:        granted,
		AccessToken:  accessToken,
		RefreshToken: refreshToken,
		Key:          keys[0].Signer,
		ClientKeyID:  "primary", // the kid of the client key, where there are several
	})
	_ = session
	return err
}

var _ = []any{storesOpened, storesMigrated, listSessions, resealed, imported}
