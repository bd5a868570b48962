package oauth_test

import (
	"context"
	"testing"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/storetest"
)

func TestMemoryStoreKeepsTheContract(t *testing.T) {
	store := new(oauth.MemoryStore)
	storetest.Run(t, storetest.Backend{
		Open: func(context.Context) (oauth.Store, error) { return store, nil },
	})
}
