// Package repositories compares package repo with indigo's reader of repositories: what both make of the same changes, and
// what it takes them to read a repository.
package repositories

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	indigoapi "github.com/bluesky-social/indigo/api/atproto"
	"github.com/bluesky-social/indigo/atproto/atcrypto"
	indigo "github.com/bluesky-social/indigo/atproto/repo"
	"github.com/bluesky-social/indigo/atproto/repo/mst"
	lexutil "github.com/bluesky-social/indigo/lex/util"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	blockstore "github.com/ipfs/go-ipfs-blockstore"

	"github.com/gimucco/atproto-go/bench/figures"
	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/repo"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

const did = "did:plc:aliceaaaaaaaaaaaaaaaaaaa"

// An account signs by indigo's key, and is verified by ours.
type account struct {
	private *atcrypto.PrivateKeyK256
	key     *identity.PublicKey
}

func newAccount(t testing.TB) *account {
	t.Helper()
	private, err := atcrypto.GeneratePrivateKeyK256()
	if err != nil {
		t.Fatal(err)
	}
	public, err := private.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	key, err := identity.ParseDIDKey(public.DIDKey())
	if err != nil {
		t.Fatal(err)
	}
	return &account{private: private, key: key}
}

// A note is a record.
type note struct{ text string }

func (n *note) EncodeLex(e *lex.Encoder) error {
	e.BeginRecord("com.example.note")
	e.Key("text").String(n.text)
	return e.EndObject(nil)
}

// noteOf returns a record and its CID.
func noteOf(t testing.TB, text string) (cid.Cid, []byte) {
	t.Helper()
	b, err := lex.MarshalCBOR(&note{text})
	if err != nil {
		t.Fatal(err)
	}
	return cidOf(t, b), b
}

func cidOf(t testing.TB, block []byte) cid.Cid {
	t.Helper()
	id, err := cid.NewPrefixV1(cid.DagCBOR, 0x12).Sum(block)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// A carWriter writes a CAR.
type carWriter struct{ bytes.Buffer }

func (w *carWriter) section(parts ...[]byte) {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	w.Write(binary.AppendUvarint(nil, uint64(n)))
	for _, p := range parts {
		w.Write(p)
	}
}

func newCAR(root cid.Cid) *carWriter {
	w := new(carWriter)
	link := append([]byte{0xd8, 42, 0x58, 37, 0}, root.Bytes()...)
	w.section([]byte("\xa2eroots\x81"), link, []byte("gversion\x01"))
	return w
}

// state is a repository in indigo's tree.
type state struct {
	tree    *mst.Tree
	records map[string]cid.Cid
	data    cid.Cid
}

// commit writes the blocks of the tree that are new, and signs.
func (a *account) commit(t testing.TB, s *state, rev syntax.TID, extra map[cid.Cid][]byte) (root cid.Cid, car []byte) {
	t.Helper()
	ctx := context.Background()
	//lint:ignore SA1019 the reader of indigo takes no other
	nodes := blockstore.NewBlockstore(datastore.NewMapDatastore())
	data, err := s.tree.WriteDiffBlocks(ctx, nodes)
	if err != nil {
		t.Fatal(err)
	}
	s.data = *data
	c := indigo.Commit{DID: did, Version: 3, Data: *data, Rev: string(rev)}
	if err := c.Sign(a.private); err != nil {
		t.Fatal(err)
	}
	var signed bytes.Buffer
	if err := c.MarshalCBOR(&signed); err != nil {
		t.Fatal(err)
	}
	root = cidOf(t, signed.Bytes())
	w := newCAR(root)
	w.section(root.Bytes(), signed.Bytes())
	all, err := nodes.AllKeysChan(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for raw := range all {
		id := cid.NewCidV1(cid.DagCBOR, raw.Hash())
		b, err := nodes.Get(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		w.section(id.Bytes(), b.RawData())
	}
	for id, b := range extra {
		w.section(id.Bytes(), b)
	}
	return root, w.Bytes()
}

// Both verify the same events, and refuse the same ones.
func TestEventsOfIndigo(t *testing.T) {
	a := newAccount(t)
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 0))
		s := &state{records: make(map[string]cid.Cid)}
		for i := range r.IntN(200) {
			s.records[fmt.Sprintf("com.example.note/%04d", i*7)], _ = noteOf(t, fmt.Sprint("note ", i))
		}
		var err error
		if s.tree, err = mst.LoadTreeFromMap(s.records); err != nil {
			t.Fatal(err)
		}
		a.commit(t, s, "3lhhxizu5wr2d", nil) // so that what is new is known
		before := s.data

		m := &indigoapi.SyncSubscribeRepos_Commit{
			Repo: did, Rev: "3lhhxj2u5wr2d", Since: new("3lhhxizu5wr2d"), PrevData: new(lexutil.LexLink(before)), Time: "2025-02-06T01:43:22.273Z",
		}
		e := &repo.CommitEvent{DID: did, Rev: "3lhhxj2u5wr2d", Since: "3lhhxizu5wr2d", PrevData: syntax.CID(before.String())}
		extra := make(map[cid.Cid][]byte)
		touched := make(map[string]bool)
		paths := slices.Sorted(maps.Keys(s.records))
		for range 1 + r.IntN(8) {
			path := fmt.Sprintf("com.example.note/%04d", r.IntN(1500))
			if len(paths) > 0 && r.IntN(3) > 0 {
				path = paths[r.IntN(len(paths))]
			}
			if touched[path] {
				continue
			}
			touched[path] = true
			prev, was := s.records[path]
			op := &indigoapi.SyncSubscribeRepos_RepoOp{Path: path}
			ours := repo.EventOp{Path: path}
			if was {
				op.Prev, ours.Prev = new(lexutil.LexLink(prev)), syntax.CID(prev.String())
			}
			var value *cid.Cid
			switch {
			case was && r.IntN(2) == 0:
				op.Action, ours.Action = "delete", repo.Delete
			default:
				id, b := noteOf(t, fmt.Sprint("changed ", r.Uint64()))
				value, extra[id] = &id, b
				op.Action, ours.Action = "create", repo.Create
				if was {
					op.Action, ours.Action = "update", repo.Update
				}
				op.Cid, ours.CID = new(lexutil.LexLink(id)), syntax.CID(id.String())
			}
			if _, err := indigo.ApplyOp(s.tree, path, value); err != nil {
				t.Fatal(err)
			}
			m.Ops, e.Ops = append(m.Ops, op), append(e.Ops, ours)
		}
		root, car := a.commit(t, s, "3lhhxj2u5wr2d", extra)
		m.Commit, m.Blocks = lexutil.LexLink(root), car
		e.Commit, e.Blocks = syntax.CID(root.String()), car

		agree := func(what string) {
			t.Helper()
			_, theirs := indigo.VerifyCommitMessage(t.Context(), m)
			change, ours := repo.ReadChange(e)
			if ours == nil {
				ours = change.Verify(a.key)
			}
			if (ours == nil) != (theirs == nil) || (ours == nil) != (what == "all") {
				t.Errorf("seed %d, %s: ours: %v, indigo's: %v", seed, what, ours, theirs)
			}
		}
		agree("all")
		theirs, ours := m.Ops, e.Ops
		for i := range ours {
			m.Ops, e.Ops = slices.Delete(slices.Clone(theirs), i, i+1), slices.Delete(slices.Clone(ours), i, i+1)
			agree("without " + ours[i].Path)
		}
	}
}

// largeCAR is a repository of n records of about 400 bytes.
func largeCAR(b *testing.B, n int) []byte {
	b.Helper()
	s := &state{records: make(map[string]cid.Cid)}
	extra := make(map[cid.Cid][]byte)
	padding := bytes.Repeat([]byte("a note that is about as long as a post. "), 9)
	for i := range n {
		id, block := noteOf(b, fmt.Sprintf("%d %s", i, padding))
		s.records[fmt.Sprintf("com.example.note/%013d", i)], extra[id] = id, block
	}
	var err error
	if s.tree, err = mst.LoadTreeFromMap(s.records); err != nil {
		b.Fatal(err)
	}
	_, car := newAccount(b).commit(b, s, "3lhhxizu5wr2d", extra)
	return car
}

// A repository of 100,000 records is read, and then each of its records.
func BenchmarkRead(b *testing.B) {
	const records = 100_000
	car := largeCAR(b, records)
	ours := func(ctx context.Context, n int) error {
		for range n {
			r, err := repo.Read(ctx, bytes.NewReader(car))
			if err != nil {
				return err
			}
			found := 0
			for _, err := range r.Records() {
				if err != nil {
					return err
				}
				found++
			}
			if r.Close(); found != records {
				return fmt.Errorf("%d records", found)
			}
		}
		return nil
	}
	theirs := func(ctx context.Context, n int) error {
		for range n {
			_, r, err := indigo.LoadRepoFromCAR(ctx, bytes.NewReader(car))
			if err != nil {
				return err
			}
			found := 0
			err = r.MST.Walk(func(_ []byte, id cid.Cid) error {
				found++
				_, err := r.RecordStore.Get(ctx, id)
				return err
			})
			if err == nil && found != records {
				err = errors.New("not all records")
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	for name, op := range map[string]figures.Operation{"repo": ours, "indigo": theirs} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(car)))
			b.ReportAllocs()
			if err := op(b.Context(), b.N); err != nil {
				b.Fatal(err)
			}
		})
	}
	b.Run("ratio to indigo", func(b *testing.B) {
		ratio, err := figures.Ratio(b.Context(), ours, theirs)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(ratio, "×")
	})
}
