package repo

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Signer signs for an account. A *serviceauth.Key is one.
type Signer interface {
	// Sign returns a signature of the message: 64 bytes, r and s, with the smaller of the two
	// possible s.
	Sign(message []byte) ([]byte, error)
}

// A Builder keeps a repository in memory and writes to it. It is for servers in tests, and for
// programs that make a repository to import it. Read and ReadChange can read its output. It is not
// safe for concurrent use.
type Builder struct {
	did    syntax.DID
	key    Signer
	head   *Commit
	block  []byte         // of head
	tree   tree           // of head
	blocks map[cid][]byte // nodes and records, including unused ones
	live   int            // number of used blocks at the last check
}

// NewBuilder returns an empty repository. Its first commit is made by Commit, which may have no
// writes.
func NewBuilder(did syntax.DID, key Signer) *Builder {
	b := &Builder{did: did, key: key, blocks: make(map[cid][]byte)}
	b.tree.load = b.load
	return b
}

// A Write is a change of one record.
type Write struct {
	Path   string // collection and key, with a slash between them
	Record []byte // the record in DAG-CBOR; nil deletes it
}

// Commit makes a commit with at most 200 writes, and returns the event for the server's
// subscribers. rev must be larger than that of the commit before. After an error nothing has
// changed.
//
// Errors: ErrEvent for writes that are not possible together, such as two writes to one path, or
// the deletion of a record that does not exist; ErrLimit; the error of the Signer.
func (b *Builder) Commit(rev syntax.TID, writes ...Write) (*CommitEvent, error) {
	if len(writes) > maxOps {
		return nil, failure(ErrLimit, "a commit of %d writes; it may have %d", len(writes), maxOps)
	}
	if err := rev.Validate(); err != nil {
		return nil, failure(ErrEvent, "its rev").because(err)
	}
	event := &CommitEvent{DID: b.did, Rev: rev}
	if b.head != nil {
		if event.Since, event.PrevData = b.head.Rev, b.head.Data; rev <= event.Since {
			return nil, failure(ErrEvent, "its rev %s is not after %s, which was before", rev, event.Since)
		}
	}
	after, made := b.tree, make(map[cid][]byte)
	for _, w := range writes {
		op, err := write(&after, w, made)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(event.Ops, func(other EventOp) bool { return other.Path == op.Path }) {
			return nil, failure(ErrEvent, "two writes to one path").about(op.Path)
		}
		event.Ops = append(event.Ops, op)
	}
	data, err := after.store(func(id cid, block []byte) { made[id] = block })
	if err != nil {
		return nil, err
	}
	head, block, err := b.sign(Commit{DID: b.did, Version: 3, Data: data.text(), Rev: rev, hasPrev: true})
	if err != nil {
		return nil, err
	}

	// The old blocks stay until they are not needed: the tree is opened again, and loads its nodes
	// from there.
	maps.Copy(b.blocks, made)
	if after.root.none() {
		b.tree = tree{load: b.load}
	} else {
		b.tree = tree{load: b.load, root: subtree{id: data}, top: after.top}
	}
	b.head, b.block = head, block
	event.Commit = head.CID
	event.Blocks, err = b.eventBlocks(event, data, made)
	b.clean()
	return event, err
}

// write makes one change to a tree, and adds the block of the record to made.
func write(t *tree, w Write, made map[cid][]byte) (EventOp, error) {
	if wrong := wrongPath(w.Path); wrong != "" {
		return EventOp{}, failure(ErrEvent, "a path %s", wrong).about(w.Path)
	}
	if w.Record == nil {
		before, err := t.remove(w.Path)
		if err == nil && before.none() {
			err = failure(ErrEvent, "there is no record to delete").about(w.Path)
		}
		return EventOp{Action: Delete, Path: w.Path, Prev: before.text()}, err
	}
	id := cidOf(codecDAGCBOR, w.Record)
	made[id] = w.Record
	before, err := t.put(w.Path, id)
	if err != nil {
		return EventOp{}, err
	}
	op := EventOp{Action: Create, Path: w.Path, CID: id.text(), Prev: before.text()}
	if !before.none() {
		op.Action = Update
	}
	return op, nil
}

// sign completes a commit, and returns its block.
func (b *Builder) sign(c Commit) (*Commit, []byte, error) {
	message, err := lex.MarshalCBOR(&c)
	if err != nil {
		return nil, nil, failure(ErrCommit, "it cannot be written").because(err)
	}
	if c.Signature, err = b.key.Sign(message); err != nil {
		return nil, nil, failure(ErrSignature, "it cannot be made").because(err)
	}
	block, err := lex.MarshalCBOR(&c)
	if err != nil {
		return nil, nil, failure(ErrCommit, "it cannot be written").because(err)
	}
	c.CID = cidOf(codecDAGCBOR, block).text()
	return &c, block, nil
}

// eventBlocks returns the CAR of an event: the new blocks, and the nodes that are needed to undo
// the operations (https://atproto.com/specs/sync).
func (b *Builder) eventBlocks(event *CommitEvent, data cid, made map[cid][]byte) ([]byte, error) {
	needed := maps.Clone(made)
	needed[data] = b.blocks[data] // it may be an old one, if nothing was written
	t := b.watched(needed)
	change := Change{ops: event.Ops}
	if _, err := change.takeBack(t); err != nil {
		return nil, err
	}
	var car bytes.Buffer
	_, err := b.writeCAR(&car, needed)
	return car.Bytes(), err
}

// String names the account of the repository.
func (b *Builder) String() string { return "repository of " + string(b.did) }

// Format writes the same text as String, for every verb, because the Signer may show its key.
func (b *Builder) Format(f fmt.State, _ rune) { io.WriteString(f, b.String()) }

// Head returns the last commit, or nil before the first. Do not change it.
func (b *Builder) Head() *Commit { return b.head }

// WriteTo writes the repository as a CAR, in the form of com.atproto.sync.getRepo.
func (b *Builder) WriteTo(w io.Writer) (int64, error) {
	if b.head == nil {
		return 0, failure(ErrCommit, "there is none yet: call Commit")
	}
	all, err := b.reachable()
	if err != nil {
		return 0, err
	}
	return b.writeCAR(w, all)
}

// Proof returns the CAR that proves that a record exists or does not exist, in the form of
// com.atproto.sync.getRecord.
func (b *Builder) Proof(path string) ([]byte, error) {
	if b.head == nil {
		return nil, failure(ErrCommit, "there is none yet: call Commit")
	}
	needed := make(map[cid][]byte)
	data, err := parseText(b.head.Data)
	if err != nil {
		return nil, err
	}
	needed[data] = b.blocks[data]
	t := b.watched(needed)
	record, err := t.get(path)
	if err != nil {
		return nil, err
	}
	if !record.none() {
		needed[record] = b.blocks[record]
	}
	var car bytes.Buffer
	_, err = b.writeCAR(&car, needed)
	return car.Bytes(), err
}

func (b *Builder) load(id cid) ([]byte, error) {
	block, ok := b.blocks[id]
	if !ok {
		return nil, failure(ErrMissingBlock, "it was not kept").of(id)
	}
	return block, nil
}

// watched returns the tree, and adds the nodes that are read to seen.
func (b *Builder) watched(seen map[cid][]byte) *tree {
	t := b.tree
	t.load = func(id cid) ([]byte, error) {
		block, err := b.load(id)
		seen[id] = block
		return block, err
	}
	return &t
}

// reachable returns the nodes and records of the tree.
func (b *Builder) reachable() (map[cid][]byte, error) {
	all := make(map[cid][]byte)
	data, err := parseText(b.head.Data)
	if err != nil {
		return nil, err
	}
	all[data] = b.blocks[data]
	t := b.watched(all)
	err = t.walk("", "", func(_ string, value cid) bool {
		all[value] = b.blocks[value]
		return true
	})
	return all, err
}

// clean removes unused blocks when they are half of all blocks.
func (b *Builder) clean() {
	if len(b.blocks) < 2*b.live+64 {
		return
	}
	if all, err := b.reachable(); err == nil {
		b.blocks, b.live = all, len(all)
	}
}

// writeCAR writes the commit, and blocks in the order of their CIDs, so that the same content
// always gives the same bytes.
func (b *Builder) writeCAR(w io.Writer, blocks map[cid][]byte) (int64, error) {
	root, err := parseText(b.head.CID)
	if err != nil {
		return 0, err
	}
	header, err := lex.MarshalCBOR(&carHeader{roots: []lex.CIDLink{lex.CIDLink(b.head.CID)}, version: 1})
	if err != nil {
		return 0, err
	}
	out := counted{w: w}
	out.section(header)
	out.block(root, b.block)
	for _, id := range slices.SortedFunc(maps.Keys(blocks), func(a, b cid) int { return a.compare(&b) }) {
		out.block(id, blocks[id])
	}
	return out.n, out.err
}

// A counted writer counts bytes, and stops at the first error.
type counted struct {
	w   io.Writer
	n   int64
	err error
}

func (c *counted) section(parts ...[]byte) {
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	c.write(binary.AppendUvarint(nil, uint64(size)))
	for _, part := range parts {
		c.write(part)
	}
}

func (c *counted) block(id cid, data []byte) {
	name := id.binary()
	c.section(name[:], data)
}

func (c *counted) write(p []byte) {
	if c.err != nil {
		return
	}
	n, err := c.w.Write(p)
	c.n, c.err = c.n+int64(n), err
}

// EncodeLex implements lex.Encodable.
func (h *carHeader) EncodeLex(e *lex.Encoder) error {
	e.BeginObject()
	lex.EncodeArray(e.Key("roots"), h.roots, func(e *lex.Encoder, root lex.CIDLink) { e.CIDLink(root) })
	e.Key("version").Int(h.version)
	return e.EndObject(nil)
}
