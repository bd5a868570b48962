package store_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/gimucco/atproto-go/oauth/store"
)

// Every write names the revision that it replaces. So the second of two writers learns that the record
// has changed, reads it again, and writes the next revision.
func ExampleStore() {
	ctx := context.Background()
	var s store.Store = new(store.Memory)
	key := store.RecordKey{Kind: store.RecordSession, DID: "did:plc:ewvi7nxzyoun6zhxrhs64oiz", ID: "1"}

	if err := s.Put(ctx, &store.Record{Key: key, Revision: 1, Data: []byte("one")}); err != nil {
		log.Fatal(err)
	}
	err := s.Put(ctx, &store.Record{Key: key, Revision: 1, Data: []byte("another one")})
	fmt.Println(errors.Is(err, store.ErrConflict))

	r, err := s.Get(ctx, key)
	if err != nil {
		log.Fatal(err)
	}
	r.Revision, r.Data = r.Revision+1, []byte("two")
	fmt.Println(s.Put(ctx, r))
	// Output:
	// true
	// <nil>
}
