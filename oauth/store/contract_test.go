package store_test

import (
	"context"
	"testing"

	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/oauth/store/storetest"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	memory := new(store.Memory)
	storetest.Run(t, storetest.Backend{
		Open: func(context.Context) (store.Store, error) { return memory, nil },
	})
}
