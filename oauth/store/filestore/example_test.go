package filestore_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/oauth/store/filestore"
)

// Two programs that open the same directory share their records.
func ExampleOpen() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "filestore")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	key := store.RecordKey{Kind: store.RecordMeta, ID: "greeting"}
	for _, text := range []string{"hello", ""} { // two starts of a program
		s, err := filestore.Open(filepath.Join(dir, "sessions"))
		if err != nil {
			log.Fatal(err)
		}
		if text != "" {
			err = s.Put(ctx, &store.Record{Key: key, Revision: 1, Data: []byte(text)})
			fmt.Println(err)
			continue
		}
		r, err := s.Get(ctx, key)
		fmt.Println(string(r.Data), err)
	}
	// Output:
	// <nil>
	// hello <nil>
}
