//go:build !race

package lex

import "testing"

// The race detector makes sync.Pool forget at random, so it must not count.
func TestAllocations(t *testing.T) {
	doc := []byte(`{"uri":"at://did:plc:abcdefghijklmnop/app.bsky.feed.post/3kabcdefghijk","cid":"bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a","count":5,"seen":true}`)
	var r reference
	// One chunk for the strings, one slab each for integers and booleans.
	if got := testing.AllocsPerRun(100, func() {
		if err := UnmarshalJSON(doc, &r); err != nil {
			t.Fatal(err)
		}
	}); got > 3 {
		t.Errorf("decoding allocates %.0f times, want at most 3", got)
	}
	if got := testing.AllocsPerRun(100, func() {
		if _, err := MarshalJSON(&r); err != nil {
			t.Fatal(err)
		}
	}); got > 1 {
		t.Errorf("encoding allocates %.0f times, want 1", got)
	}
	post := []byte(thread)
	if got := testing.AllocsPerRun(100, func() {
		if err := UnmarshalJSON(post, new(node)); err != nil {
			t.Fatal(err)
		}
	}); got > 9 {
		t.Errorf("decoding a post allocates %.0f times, want at most 9", got)
	}
	buf := make([]byte, 0, 1024)
	if got := testing.AllocsPerRun(100, func() {
		if _, err := AppendJSON(buf, &r); err != nil {
			t.Fatal(err)
		}
	}); got > 0 {
		t.Errorf("encoding into a lent buffer allocates %.0f times", got)
	}
}
