package repo

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gimucco/atproto-go/xrpc/lex"
)

func TestCommits(t *testing.T) {
	s := newSigner(t, alice)
	data, nodes := grow(t, nil)
	var extra lex.Extra
	if err := extra.Set("later", []byte(`{"$link":"bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm"}`)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		commit Commit
		kind   error
	}{
		{"version 3", Commit{DID: alice, Version: 3, Data: data.text(), Rev: rev, hasPrev: true}, nil},
		{"version 3 with a commit before", Commit{DID: alice, Version: 3, Data: data.text(), Rev: rev, Prev: data.text(), hasPrev: true}, nil},
		{"version 3 without prev", Commit{DID: alice, Version: 3, Data: data.text(), Rev: rev}, nil},
		{"a field that is not known", Commit{DID: alice, Version: 3, Data: data.text(), Rev: rev, hasPrev: true, extra: extra}, nil},
		{"version 2", Commit{DID: alice, Version: 2, Data: data.text(), hasPrev: true}, nil},
		{"version 2 with a rev", Commit{DID: alice, Version: 2, Data: data.text(), Rev: rev, hasPrev: true}, nil},
		{"version 1", Commit{DID: alice, Version: 1, Data: data.text(), Rev: rev, hasPrev: true}, ErrCommit},
		{"version 4", Commit{DID: alice, Version: 4, Data: data.text(), Rev: rev, hasPrev: true}, ErrCommit},
		{"no DID", Commit{DID: "alice.example.com", Version: 3, Data: data.text(), Rev: rev, hasPrev: true}, ErrCommit},
		{"no rev", Commit{DID: alice, Version: 3, Data: data.text(), hasPrev: true}, ErrCommit},
		{"a rev that is no TID", Commit{DID: alice, Version: 3, Data: data.text(), Rev: "yesterday", hasPrev: true}, ErrCommit},
		{"a tree that is a picture", Commit{DID: alice, Version: 3, Data: cidOf(codecRaw, nil).text(), Rev: rev, hasPrev: true}, ErrCommit},
	} {
		t.Run(c.name, func(t *testing.T) {
			block := s.sign(t, c.commit)
			got, _, err := readCommit(block.id, block.data)
			if c.kind != nil {
				failsWith(t, err, c.kind)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := c.commit
			want.CID, want.Signature = block.id.text(), got.Signature
			if diff := cmp.Diff(&want, got, cmp.AllowUnexported(Commit{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if err := got.Verify(alice, s.key); err != nil {
				t.Error(err)
			}
			for name, change := range map[string]func(*Commit){
				"Version": func(c *Commit) { c.Version++ },
				"Data":    func(c *Commit) { c.Data = block.id.text() },
				"Rev":     func(c *Commit) { c.Rev = nextRev },
				"Prev":    func(c *Commit) { c.Prev = block.id.text() },
				"prev":    func(c *Commit) { c.Prev, c.hasPrev = "", !c.hasPrev || c.Prev != "" },
				"Signature": func(c *Commit) {
					c.Signature = append([]byte{1}, c.Signature[1:]...)
					c.Signature[0] ^= got.Signature[0]
				},
				"no Signature": func(c *Commit) { c.Signature = nil },
			} {
				other := *got
				change(&other)
				if name == "Data" && other.Data == got.Data {
					continue
				}
				if err := other.Verify(alice, s.key); err == nil {
					t.Errorf("%s is changed, and it is still signed", name)
				} else {
					failsWith(t, err, ErrSignature)
				}
			}
			failsWith(t, got.Verify("did:plc:malloryaaaaaaaaaaaaaaaaa", s.key), ErrAccount)
			failsWith(t, got.Verify(alice, newSigner(t, alice).key), ErrSignature)
		})
	}

	t.Run("a signature that anybody can make of it", func(t *testing.T) {
		did, key := document(t, "fakermaker")
		err := open(t, readFixture(t, "repo/fakermaker.repo.car")).Verify(did, key)
		failsWith(t, err, ErrSignature)
		if err != nil && !strings.Contains(err.Error(), "its s is the greater of the two") {
			t.Error(err)
		}
	})
	t.Run("fields that are missing", func(t *testing.T) {
		for _, text := range []string{"", "\xa0", "\xa1cdid\x60", "\xf6", string(nodes[0].data), strings.Repeat("\x81", 100_000), "\xa1az" + strings.Repeat("\x81", 100_000)} {
			_, _, err := readCommit(cidOf(codecDAGCBOR, []byte(text)), []byte(text))
			failsWith(t, err, ErrCommit)
		}
	})
	t.Run("fields of other types", func(t *testing.T) {
		good := s.commit(t, data, rev).data
		for _, change := range [][2]string{{"cdid\x78", "cdid\x58"}, {"gversion\x03", "gversion\x20"}, {"dprev\xf6", "dprev\x00"}, {"csig\x58", "csig\x78"}} {
			bad := strings.Replace(string(good), change[0], change[1], 1)
			if bad == string(good) {
				t.Fatalf("%q is not in %q", change[0], good)
			}
			_, _, err := readCommit(cid{}, []byte(bad))
			failsWith(t, err, ErrCommit)
		}
	})
}

func TestRecords(t *testing.T) {
	deep := []byte("\xa1ax")
	for range 100_000 {
		deep = append(deep, 0x81)
	}
	deep = append(deep, 0)
	for _, c := range []struct {
		name string
		cbor []byte
		want error
	}{
		{"another type", []byte("\xa1e$type\x6bcom.example"), lex.ErrUnion},
		{"a float", []byte("\xa1dtext\xfb\x3f\xf0\x00\x00\x00\x00\x00\x00"), lex.ErrType},
		{"no CBOR", []byte("<html>"), lex.ErrType},
		{"nothing", nil, lex.ErrSyntax},
		{"100,000 levels", deep, lex.ErrDepth},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := "com.example.note/a"
			id := cidOf(codecDAGCBOR, c.cbor)
			data, nodes := grow(t, map[string]cid{path: id})
			s := newSigner(t, alice)
			commit := s.commit(t, data, rev)
			r := open(t, writeCAR(t, commit.id, append(nodes, commit, block{id, c.cbor})...))
			n := 0
			for record, err := range r.Records() { // one odd record costs no other
				if err != nil {
					t.Fatal(err)
				}
				n++
				if diff := cmp.Diff(&Record{Collection: "com.example.note", Key: "a", CID: id.text(), CBOR: c.cbor}, record, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				var into lex.Decodable = new(note)
				if c.want == lex.ErrDepth {
					into = new(lex.Unknown)
				}
				err := record.As(into)
				failsWith(t, err, ErrRecord)
				failsWith(t, err, c.want)
			}
			if n != 1 {
				t.Errorf("%d records, want 1", n)
			}
		})
	}
}
