package repo

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/serviceauth"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

const alice = syntax.DID("did:plc:aliceaaaaaaaaaaaaaaaaaaa")

// fixtures are the files that `go generate` copies.
const fixtures = "../internal/interop/testdata"

func readFixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(fixtures, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A block is one of a CAR, under a CID that need not be its own.
type block struct {
	id   cid
	data []byte
}

func blockOf(data []byte) block { return block{cidOf(codecDAGCBOR, data), data} }

// writeCAR writes a CAR of version 1.
func writeCAR(t testing.TB, root cid, blocks ...block) []byte {
	t.Helper()
	header, err := lex.MarshalCBOR(headerOf{root})
	if err != nil {
		t.Fatal(err)
	}
	car := append(binary.AppendUvarint(nil, uint64(len(header))), header...)
	for _, b := range blocks {
		car = append(car, section(b)...)
	}
	return car
}

func section(b block) []byte {
	out := binary.AppendUvarint(nil, uint64(binarySize+len(b.data)))
	id := b.id.binary()
	return append(append(out, id[:]...), b.data...)
}

type headerOf struct{ root cid }

func (h headerOf) EncodeLex(e *lex.Encoder) error {
	e.BeginObject()
	e.Key("version").Int(1)
	lex.EncodeArray(e.Key("roots"), []cid{h.root}, func(e *lex.Encoder, id cid) { e.CIDLink(lex.CIDLink(id.text())) })
	return e.EndObject(nil)
}

// A note is a record for tests.
type note struct{ text string }

func (n *note) EncodeLex(e *lex.Encoder) error {
	e.BeginRecord("com.example.note")
	e.Key("text").String(n.text)
	return e.EndObject(nil)
}

func (n *note) DecodeLex(d *lex.Decoder) error {
	for key := range d.Object {
		switch string(key) {
		case "$type":
			d.Record("com.example.note")
		case "text":
			n.text = d.String()
		}
	}
	return d.Err()
}

func noteOf(t testing.TB, text string) block {
	t.Helper()
	b, err := lex.MarshalCBOR(&note{text})
	if err != nil {
		t.Fatal(err)
	}
	return blockOf(b)
}

// grow makes the tree of records from nothing, by the definition: the records of the highest layer
// are in the root, and what lies between them in the subtrees. It gives the nodes in preorder.
func grow(t testing.TB, records map[string]cid) (root cid, nodes []block) {
	t.Helper()
	paths := slices.Sorted(maps.Keys(records))
	top := 0
	for _, path := range paths {
		top = max(top, layerOf(path))
	}
	var make func(paths []string, layer int) (cid, []block)
	make = func(paths []string, layer int) (cid, []block) {
		var data nodeData
		var below []block
		kid := func(paths []string) *lex.CIDLink {
			if len(paths) == 0 {
				return nil
			}
			id, nodes := make(paths, layer-1)
			below = append(below, nodes...)
			return new(lex.CIDLink(id.text()))
		}
		var between []string
		last := ""
		for _, path := range paths {
			if layerOf(path) < layer {
				between = append(between, path)
				continue
			}
			if to := kid(between); len(data.entries) == 0 {
				data.left = to
			} else {
				data.entries[len(data.entries)-1].right = to
			}
			prefix := commonPrefix(last, path)
			data.entries = append(data.entries, nodeEntry{prefix: int64(prefix), suffix: lex.Bytes(path[prefix:]), value: lex.CIDLink(records[path].text())})
			between, last = nil, path
		}
		if to := kid(between); len(data.entries) == 0 {
			data.left = to
		} else {
			data.entries[len(data.entries)-1].right = to
		}
		text, err := lex.MarshalCBOR(&data)
		if err != nil {
			t.Fatal(err)
		}
		node := blockOf(text)
		return node.id, append([]block{node}, below...)
	}
	return make(paths, top)
}

// A signer has the key of an account.
type signer struct {
	did     syntax.DID
	private *ecdsa.PrivateKey
	key     *identity.PublicKey
}

func newSigner(t testing.TB, did syntax.DID) *signer {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := serviceauth.NewKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{did: did, private: private, key: key.Public()}
}

// sign signs the commit, and returns its block.
func (s *signer) sign(t testing.TB, c Commit) block {
	t.Helper()
	c.Signature = nil
	message, err := lex.MarshalCBOR(&c)
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(message)
	r, low, err := ecdsa.Sign(rand.Reader, s.private, hash[:])
	if err != nil {
		t.Fatal(err)
	}
	order := elliptic.P256().Params().N
	if low.Cmp(new(big.Int).Rsh(order, 1)) > 0 {
		low.Sub(order, low)
	}
	c.Signature = make([]byte, 64)
	r.FillBytes(c.Signature[:32])
	low.FillBytes(c.Signature[32:])
	text, err := lex.MarshalCBOR(&c)
	if err != nil {
		t.Fatal(err)
	}
	return blockOf(text)
}

// commit signs a commit of a tree.
func (s *signer) commit(t testing.TB, data cid, rev syntax.TID) block {
	t.Helper()
	return s.sign(t, Commit{DID: s.did, Version: 3, Data: data.text(), Rev: rev, hasPrev: true})
}

// A sample is a repository, as a server has it.
type sample struct {
	*signer
	root    cid
	data    cid
	records map[string]cid
	blocks  []block // the commit, the nodes in preorder, the records in the order of their paths
}

const rev = syntax.TID("3lhhxizu5wr2d")

// newSample makes a repository of notes: their texts by their paths.
func newSample(t testing.TB, s *signer, rev syntax.TID, notes map[string]string) *sample {
	t.Helper()
	r := &sample{signer: s, records: make(map[string]cid)}
	var records []block
	for _, path := range slices.Sorted(maps.Keys(notes)) {
		b := noteOf(t, notes[path])
		r.records[path] = b.id
		records = append(records, b)
	}
	data, nodes := grow(t, r.records)
	commit := s.commit(t, data, rev)
	r.root, r.data, r.blocks = commit.id, data, slices.Concat([]block{commit}, nodes, records)
	return r
}

func (r *sample) car(t testing.TB) []byte {
	t.Helper()
	return writeCAR(t, r.root, r.blocks...)
}

// manyNotes are n notes in two collections.
func manyNotes(n int) map[string]string {
	notes := make(map[string]string)
	for i := range n {
		collection := "com.example.note"
		if i%5 == 0 {
			collection = "com.example.note2"
		}
		notes[fmt.Sprintf("%s/%07d", collection, i)] = fmt.Sprintf("note %d", i)
	}
	return notes
}

func open(t testing.TB, car []byte, opts ...Option) *Repository {
	t.Helper()
	r, err := Read(t.Context(), bytes.NewReader(car), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// texts reads the notes of a repository.
func texts(t testing.TB, r *Repository) map[string]string {
	t.Helper()
	all := make(map[string]string)
	last := ""
	for record, err := range r.Records() {
		if err != nil {
			t.Fatal(err)
		}
		var n note
		if err := record.As(&n); err != nil {
			t.Fatal(err)
		}
		if record.Path() <= last {
			t.Errorf("%s comes after %s", record.Path(), last)
		}
		last = record.Path()
		all[record.Path()] = n.text
	}
	return all
}

// failsWith fails the test unless the error is an *Error of a kind.
func failsWith(t testing.TB, err, kind error) {
	t.Helper()
	if _, ok := errors.AsType[*Error](err); !ok || !errors.Is(err, kind) {
		t.Errorf("the error is %v, want an *Error that is %v", err, kind)
	}
}
