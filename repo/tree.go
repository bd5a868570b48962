package repo

import (
	"errors"
	"slices"
)

// A tree is the Merkle search tree of a repository. It maps paths to the CIDs of records, and has
// the only shape that these paths allow (https://atproto.com/specs/repository#mst-structure). Its
// nodes are loaded and checked when they are needed. Every step down leads to the layer below, and
// 256 bits give 129 layers, so a tree cannot be deep. Paths grow from node to node, so no node
// comes twice. So a walk ends, whatever the blocks are.
type tree struct {
	load func(cid) ([]byte, error)
	root subtree // none if the tree is empty
	top  int     // the layer of the root

	// known are nodes that were loaded before, for trees that are read often; nil means none are
	// kept.
	known map[cid]*node
}

// openTree reads the root of a tree.
func openTree(root cid, load func(cid) ([]byte, error)) (*tree, error) {
	block, err := load(root)
	if err != nil {
		return nil, err
	}
	n, err := decodeNode(root, block)
	if err != nil {
		return nil, err
	}
	switch {
	case len(n.paths) > 0:
		return &tree{load: load, root: subtree{id: root}, top: n.layer}, nil
	case !n.kids[0].none():
		return nil, failure(ErrTree, "its root has no path: the node below should be the root").of(root)
	}
	return &tree{load: load}, nil
}

// node loads a node. Callers must not change it, except for the layer of a node without paths.
func (t *tree) node(id cid) (*node, error) {
	if n := t.known[id]; n != nil {
		return n, nil
	}
	block, err := t.load(id)
	if err != nil {
		return nil, err
	}
	n, err := decodeNode(id, block)
	if err == nil && t.known != nil {
		t.known[id] = n
	}
	return n, err
}

// A span is the limits for the paths of a subtree; "" means no limit.
type span struct{ above, below string }

// of returns the span of subtree i of a node inside s.
func (s span) of(n *node, i int) span {
	if i > 0 {
		s.above = n.paths[i-1]
	}
	if i < len(n.paths) {
		s.below = n.paths[i]
	}
	return s
}

// without reports whether the span contains no path of a range.
func (s span) without(from, to string) bool {
	return s.below != "" && s.below <= from || to != "" && s.above >= to
}

// open returns the node of a subtree, which must exist, and checks that it is in the right place.
func (t *tree) open(s subtree, layer int, within span) (*node, error) {
	if s.node != nil {
		return s.node, nil
	}
	n, err := t.node(s.id)
	if err != nil {
		return nil, err
	}
	if len(n.paths) == 0 {
		if n.kids[0].none() {
			return nil, failure(ErrTree, "a subtree without records").of(s.id)
		}
		if n.layer < 0 {
			n.layer = layer
		}
	} else if first, last := n.paths[0], n.paths[len(n.paths)-1]; first <= within.above || within.below != "" && last >= within.below {
		return nil, failure(ErrTree, "a subtree has paths from %.200q to %.200q, but lies between %.200q and %.200q", first, last, within.above, within.below).of(s.id)
	}
	if n.layer != layer {
		return nil, failure(ErrTree, "a node of layer %d where layer %d should be", n.layer, layer).of(s.id)
	}
	if layer == 0 && slices.ContainsFunc(n.kids, func(kid subtree) bool { return !kid.none() }) {
		return nil, failure(ErrTree, "a subtree below layer 0").of(s.id)
	}
	return n, nil
}

// walk calls yield for the records with from ≤ path < to, in the order of their paths, until yield
// returns false. A to of "" means no limit. It does not load nodes outside of the range.
func (t *tree) walk(from, to string, yield func(path string, value cid) bool) error {
	_, err := t.walkIn(t.root, t.top, span{}, from, to, yield)
	return err
}

func (t *tree) walkIn(s subtree, layer int, within span, from, to string, yield func(string, cid) bool) (more bool, err error) {
	if s.none() || within.without(from, to) {
		return true, nil
	}
	n, err := t.open(s, layer, within)
	if err != nil {
		return false, err
	}
	for i, kid := range n.kids {
		if more, err := t.walkIn(kid, layer-1, within.of(n, i), from, to, yield); !more {
			return false, err
		}
		if i == len(n.paths) || n.paths[i] < from {
			continue
		}
		if to != "" && n.paths[i] >= to || !yield(n.paths[i], n.values[i]) {
			return false, nil
		}
	}
	return true, nil
}

// get returns the CID of a record, or none if there is no such record.
func (t *tree) get(path string) (cid, error) {
	s, layer, within := t.root, t.top, span{}
	for !s.none() {
		n, err := t.open(s, layer, within)
		if err != nil {
			return cid{}, err
		}
		i, ok := slices.BinarySearch(n.paths, path)
		if ok {
			return n.values[i], nil
		}
		s, layer, within = n.kids[i], layer-1, within.of(n, i)
	}
	return cid{}, nil
}

// put sets the CID of a record and returns the CID before, or none if there was no such record.
func (t *tree) put(path string, value cid) (before cid, err error) {
	layer := layerOf(path)
	if t.root.none() {
		t.top = layer
	}
	if layer <= t.top {
		root, before, err := t.putIn(t.root, t.top, span{}, path, layer, value)
		if err != nil {
			return cid{}, err
		}
		t.root = root
		return before, nil
	}
	left, right, err := t.cut(t.root, t.top, span{}, path)
	if err != nil {
		return cid{}, err
	}
	for l := t.top + 1; l < layer; l++ {
		left, right = raised(left, l), raised(right, l)
	}
	t.root, t.top = subtree{node: &node{layer: layer, paths: []string{path}, values: []cid{value}, kids: []subtree{left, right}}}, layer
	return cid{}, nil
}

// raised returns a subtree below a new node of a higher layer.
func raised(s subtree, layer int) subtree {
	if s.none() {
		return s
	}
	return subtree{node: &node{layer: layer, kids: []subtree{s}}}
}

func (t *tree) putIn(s subtree, at int, within span, path string, layer int, value cid) (after subtree, before cid, err error) {
	n := &node{layer: at, kids: []subtree{{}}}
	if !s.none() {
		if n, err = t.open(s, at, within); err != nil {
			return subtree{}, cid{}, err
		}
	}
	i, found := slices.BinarySearch(n.paths, path)
	switch {
	case found:
		before, n = n.values[i], s.own(n)
		n.values[i] = value
	case layer == at:
		left, right, err := t.cut(n.kids[i], at-1, within.of(n, i), path)
		if err != nil {
			return subtree{}, cid{}, err
		}
		n = s.own(n)
		n.paths, n.values = slices.Insert(n.paths, i, path), slices.Insert(n.values, i, value)
		n.kids[i] = left
		n.kids = slices.Insert(n.kids, i+1, right)
	default:
		var kid subtree
		if kid, before, err = t.putIn(n.kids[i], at-1, within.of(n, i), path, layer, value); err != nil {
			return subtree{}, cid{}, err
		}
		n = s.own(n)
		n.kids[i] = kid
	}
	return subtree{node: n}, before, nil
}

// cut divides a subtree at a path that is not in it.
func (t *tree) cut(s subtree, layer int, within span, path string) (left, right subtree, err error) {
	if s.none() {
		return s, s, nil
	}
	n, err := t.open(s, layer, within)
	if err != nil {
		return left, right, err
	}
	i, _ := slices.BinarySearch(n.paths, path)
	a, b, err := t.cut(n.kids[i], layer-1, within.of(n, i), path)
	if err != nil {
		return left, right, err
	}
	n = n.clone()
	before := &node{layer: layer, paths: n.paths[:i:i], values: n.values[:i:i], kids: append(n.kids[:i:i], a)}
	behind := &node{layer: layer, paths: n.paths[i:], values: n.values[i:], kids: append([]subtree{b}, n.kids[i+1:]...)}
	return before.orNone(), behind.orNone(), nil
}

// orNone returns the node as a subtree, or none if it is empty.
func (n *node) orNone() subtree {
	if len(n.paths) == 0 && n.kids[0].none() {
		return subtree{}
	}
	return subtree{node: n}
}

// own returns the node of a subtree for changing: the node itself if it was made here, and
// otherwise a copy, because others may use a loaded node. So many changes of a large node copy it
// once.
func (s subtree) own(n *node) *node {
	if s.node != nil {
		return n
	}
	return n.clone()
}

func (n *node) clone() *node {
	return &node{layer: n.layer, paths: slices.Clone(n.paths), values: slices.Clone(n.values), kids: slices.Clone(n.kids)}
}

// remove removes a record and returns its CID, or none if there was no such record.
func (t *tree) remove(path string) (before cid, err error) {
	root, before, err := t.removeIn(t.root, t.top, span{}, path)
	if err != nil || before.none() {
		return cid{}, err
	}
	// The root is the highest node that has a path.
	for layer := t.top; ; layer-- {
		t.root, t.top = root, layer
		if root.none() {
			t.top = 0
			return before, nil
		}
		n, err := t.open(root, layer, span{})
		switch {
		case errors.Is(err, ErrMissingBlock):
			return before, nil // a slice does not contain it, so it is unchanged and has paths
		case err != nil:
			return cid{}, err
		case len(n.paths) > 0:
			return before, nil
		}
		root = n.kids[0]
	}
}

func (t *tree) removeIn(s subtree, layer int, within span, path string) (after subtree, before cid, err error) {
	if s.none() {
		return s, cid{}, nil
	}
	n, err := t.open(s, layer, within)
	if err != nil {
		return s, cid{}, err
	}
	i, found := slices.BinarySearch(n.paths, path)
	if !found {
		kid, before, err := t.removeIn(n.kids[i], layer-1, within.of(n, i), path)
		if err != nil || before.none() {
			return s, cid{}, err
		}
		n = s.own(n)
		n.kids[i] = kid
		return n.orNone(), before, nil
	}
	joined, err := t.join(n.kids[i], n.kids[i+1], layer-1, within.of(n, i), within.of(n, i+1))
	if err != nil {
		return s, cid{}, err
	}
	before, n = n.values[i], s.own(n)
	n.paths, n.values = slices.Delete(n.paths, i, i+1), slices.Delete(n.values, i, i+1)
	n.kids[i] = joined
	n.kids = slices.Delete(n.kids, i+1, i+2)
	return n.orNone(), before, nil
}

// join combines two subtrees that are next to each other.
func (t *tree) join(left, right subtree, layer int, withinLeft, withinRight span) (subtree, error) {
	switch {
	case left.none():
		return right, nil
	case right.none():
		return left, nil
	}
	a, err := t.open(left, layer, withinLeft)
	if err != nil {
		return subtree{}, err
	}
	b, err := t.open(right, layer, withinRight)
	if err != nil {
		return subtree{}, err
	}
	last := len(a.paths)
	middle, err := t.join(a.kids[last], b.kids[0], layer-1, withinLeft.of(a, last), withinRight.of(b, 0))
	if err != nil {
		return subtree{}, err
	}
	return subtree{node: &node{
		layer:  layer,
		paths:  slices.Concat(a.paths, b.paths),
		values: slices.Concat(a.values, b.values),
		kids:   slices.Concat(a.kids[:last], []subtree{middle}, b.kids[1:]),
	}}, nil
}

// store passes the nodes that were made here to put, the lower ones first, and returns the CID of
// the root.
func (t *tree) store(put func(id cid, block []byte)) (cid, error) {
	if t.root.none() {
		return subtree{node: &node{kids: []subtree{{}}}}.store(put)
	}
	return t.root.store(put)
}
