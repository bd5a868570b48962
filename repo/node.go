package repo

import (
	"fmt"

	"github.com/gimucco/atproto-go/xrpc/lex"
)

// A node is one node of the tree of records: paths in their order, and between them, before the
// first and after the last, the subtrees of the layer below.
type node struct {
	layer  int
	paths  []string
	values []cid
	kids   []subtree // one more than paths
}

// A subtree is a node that may not be loaded, or none.
type subtree struct {
	id   cid   // none if the node was made here
	node *node // nil if it is not loaded
}

// none reports whether there is no subtree.
func (s subtree) none() bool { return s.id.none() && s.node == nil }

// nodeData is a node in its stored form (https://atproto.com/specs/repository#mst-structure).
type nodeData struct {
	left    *lex.CIDLink
	entries []nodeEntry
}

// A nodeEntry is a record, and the subtree after it.
type nodeEntry struct {
	prefix int64     // how many bytes the path shares with the one before
	suffix lex.Bytes // the rest of the path
	value  lex.CIDLink
	right  *lex.CIDLink
}

// DecodeLex implements lex.Decodable.
func (n *nodeData) DecodeLex(d *lex.Decoder) error {
	var seen uint64
	for key := range d.Object {
		switch string(key) {
		case "l":
			if d.Nullable(&seen, 1<<0) {
				n.left = new(d.CIDLink())
			}
		case "e":
			d.Once(&seen, 1<<1)
			n.entries = lex.DecodeSlice[nodeEntry](d)
		default:
			return fmt.Errorf("a field %.20q, which no node has", key)
		}
	}
	if d.Err() == nil && seen != 0b11 {
		d.Missing(seen, "l", "e")
	}
	return d.Err()
}

// DecodeLex implements lex.Decodable.
func (e *nodeEntry) DecodeLex(d *lex.Decoder) error {
	var seen uint64
	for key := range d.Object {
		switch string(key) {
		case "p":
			d.Once(&seen, 1<<0)
			e.prefix = d.Int()
		case "k":
			d.Once(&seen, 1<<1)
			e.suffix = d.Bytes()
		case "v":
			d.Once(&seen, 1<<2)
			e.value = d.CIDLink()
		case "t":
			if d.Nullable(&seen, 1<<3) {
				e.right = new(d.CIDLink())
			}
		default:
			return fmt.Errorf("a field %.20q, which no entry has", key)
		}
	}
	if d.Err() == nil && seen != 0b1111 {
		d.Missing(seen, "p", "k", "v", "t")
	}
	return d.Err()
}

// decodeNode decodes the node with this CID, and makes all checks that need no other node. A node
// without paths has no layer yet; it is -1.
func decodeNode(id cid, block []byte) (*node, error) {
	var data nodeData
	if err := lex.UnmarshalCBOR(block, &data); err != nil {
		return nil, failure(ErrTree, "a node cannot be read").of(id).because(err)
	}
	n := &node{
		layer:  -1,
		paths:  make([]string, 0, len(data.entries)),
		values: make([]cid, 0, len(data.entries)),
		kids:   make([]subtree, 0, len(data.entries)+1),
	}
	if err := n.below(data.left); err != nil {
		return nil, err.of(id)
	}
	last := ""
	for i, e := range data.entries {
		if e.prefix < 0 || e.prefix > int64(len(last)) {
			return nil, failure(ErrTree, "a path claims to share %d bytes with the one before, which has only %d", e.prefix, len(last)).of(id)
		}
		path := last[:e.prefix] + string(e.suffix)
		if wrong := wrongPath(path); wrong != "" {
			return nil, failure(ErrTree, "a path %s", wrong).about(path).of(id)
		}
		if i > 0 && path <= last {
			return nil, failure(ErrTree, "a path does not come after the one before, %.200q", last).about(path).of(id)
		}
		if int64(commonPrefix(last, path)) != e.prefix {
			return nil, failure(ErrTree, "a path shares %d bytes with the one before, but claims to share %d", commonPrefix(last, path), e.prefix).about(path).of(id)
		}
		layer := layerOf(path)
		if i > 0 && layer != n.layer {
			return nil, failure(ErrTree, "a path of layer %d in a node of layer %d", layer, n.layer).about(path).of(id)
		}
		n.layer = layer
		value, err := parseText(e.value)
		if err != nil || value.codec != codecDAGCBOR {
			return nil, failure(ErrTree, "%.100q is not the CID of a record", e.value).about(path).of(id)
		}
		n.paths, n.values = append(n.paths, path), append(n.values, value)
		if err := n.below(e.right); err != nil {
			return nil, err.about(path).of(id)
		}
		last = path
	}
	return n, nil
}

// below adds a subtree.
func (n *node) below(link *lex.CIDLink) *Error {
	if link == nil {
		n.kids = append(n.kids, subtree{})
		return nil
	}
	id, err := parseText(*link)
	if err != nil || id.codec != codecDAGCBOR {
		return failure(ErrTree, "%.100q is not the CID of a subtree", *link)
	}
	n.kids = append(n.kids, subtree{id: id})
	return nil
}

// EncodeLex implements lex.Encodable.
func (n *nodeData) EncodeLex(e *lex.Encoder) error {
	e.BeginObject()
	link(e.Key("l"), n.left)
	lex.EncodeSlice(e.Key("e"), n.entries)
	return e.EndObject(nil)
}

// EncodeLex implements lex.Encodable.
func (n *nodeEntry) EncodeLex(e *lex.Encoder) error {
	e.BeginObject()
	e.Key("p").Int(n.prefix)
	e.Key("k").Bytes(n.suffix)
	e.Key("v").CIDLink(n.value)
	link(e.Key("t"), n.right)
	return e.EndObject(nil)
}

func link(e *lex.Encoder, to *lex.CIDLink) {
	if to == nil {
		e.Null()
		return
	}
	e.CIDLink(*to)
}

// store passes the blocks of a subtree that were made here to put, the lower ones first, and
// returns the subtree's CID. There must be a subtree.
func (s subtree) store(put func(id cid, block []byte)) (cid, error) {
	if s.node == nil || !s.id.none() {
		return s.id, nil
	}
	var data nodeData
	for i, kid := range s.node.kids {
		var to *lex.CIDLink
		if !kid.none() {
			id, err := kid.store(put)
			if err != nil {
				return cid{}, err
			}
			to = new(lex.CIDLink(id.text()))
		}
		if i == 0 {
			data.left = to
			continue
		}
		path, last := s.node.paths[i-1], ""
		if i > 1 {
			last = s.node.paths[i-2]
		}
		prefix := commonPrefix(last, path)
		data.entries = append(data.entries, nodeEntry{
			prefix: int64(prefix), suffix: lex.Bytes(path[prefix:]), value: lex.CIDLink(s.node.values[i-1].text()), right: to,
		})
	}
	block, err := lex.MarshalCBOR(&data)
	if err != nil {
		return cid{}, failure(ErrTree, "a node cannot be encoded").because(err)
	}
	id := cidOf(codecDAGCBOR, block)
	put(id, block)
	return id, nil
}
