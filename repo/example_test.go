package repo_test

import (
	"context"
	"fmt"
	"os"

	"github.com/gimucco/atproto-go/repo"
	"github.com/gimucco/atproto-go/xrpc/lex"
)

// Read a file that comes from com.atproto.sync.getRepo.
func Example() {
	file, err := os.Open("../internal/interop/testdata/repo/greenground.repo.car")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()
	r, err := repo.Read(context.Background(), file)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()

	fmt.Println(r.Commit().DID, r.Commit().Rev)
	for record, err := range r.Records() {
		if err != nil {
			fmt.Println(err)
			return
		}
		var follow subject // or *appbsky.GraphFollow
		if err := record.As(&follow); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(record.Path(), follow)
	}

	// Output:
	// did:plc:kzcqyc3unb33eh5sxzsfs25z 3k67up3j7hf2x
	// app.bsky.graph.follow/3k5rgfiifs42u did:plc:6fktaamhhxdqb2ypum33kbkj
	// app.bsky.graph.follow/3k5vze25v5a26 did:plc:cz73r7iyiqn26upot4jtjdhk
}

// A subject is the account that a record of app.bsky.graph.follow follows.
type subject string

func (s *subject) DecodeLex(d *lex.Decoder) error {
	var rest lex.Extra
	for key := range d.Object {
		if string(key) == "subject" {
			*s = lex.StringOf[subject](d)
			continue
		}
		d.Extra(&rest, key)
	}
	return d.Err()
}
