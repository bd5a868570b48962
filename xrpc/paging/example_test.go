package paging_test

import (
	"fmt"
	"log"

	"github.com/gimucco/atproto-go/xrpc/paging"
)

// Follow a query of your own from page to page.
func ExampleAll() {
	type page struct{ names []string }
	fetch := func(cursor *string) (*page, *string, error) { // usually a call
		if cursor == nil {
			return &page{[]string{"alice", "bob"}}, new("2"), nil
		}
		return &page{[]string{"carol"}}, nil, nil
	}
	for name, err := range paging.All(paging.Pages(fetch, nil), func(p *page) []string { return p.names }) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(*name)
	}
	// Output:
	// alice
	// bob
	// carol
}
