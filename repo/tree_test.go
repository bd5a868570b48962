package repo

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/xrpc/lex"
)

// heap is a place for blocks.
type heap map[cid][]byte

func (h heap) load(id cid) ([]byte, error) {
	if b, ok := h[id]; ok {
		return b, nil
	}
	return nil, failure(ErrMissingBlock, "the heap does not have it").of(id)
}

func (h heap) put(id cid, block []byte) { h[id] = block }

// add stores a node and returns its CID as a link.
func (h heap) add(t testing.TB, n nodeData) *lex.CIDLink {
	t.Helper()
	b, err := lex.MarshalCBOR(&n)
	if err != nil {
		t.Fatal(err)
	}
	id := cidOf(codecDAGCBOR, b)
	h[id] = b
	return new(lex.CIDLink(id.text()))
}

// walk reads the tree under a root to its end.
func (h heap) walk(root lex.CIDLink) (map[string]cid, error) {
	id, err := parseText(root)
	if err != nil {
		return nil, err
	}
	t, err := openTree(id, h.load)
	if err != nil {
		return nil, err
	}
	all := make(map[string]cid)
	return all, t.walk("", "", func(path string, value cid) bool {
		all[path] = value
		return true
	})
}

// pathOf returns the first path of a layer that comes after another.
func pathOf(layer int, after string) string {
	for i := 0; ; i++ {
		path := fmt.Sprintf("com.example.note/%08d", i)
		if path > after && layerOf(path) == layer {
			return path
		}
	}
}

func TestBadTrees(t *testing.T) {
	var (
		value   = lex.CIDLink(cidOf(codecDAGCBOR, []byte("a record")).text())
		picture = lex.CIDLink(cidOf(codecRaw, []byte("a picture")).text())
		low1    = pathOf(0, "")
		high    = pathOf(1, low1)
		low2    = pathOf(0, high)
		top     = pathOf(2, low2)
	)
	entry := func(last, path string, right *lex.CIDLink) nodeEntry {
		n := commonPrefix(last, path)
		return nodeEntry{prefix: int64(n), suffix: lex.Bytes(path[n:]), value: value, right: right}
	}
	leaf := func(paths ...string) nodeData {
		var n nodeData
		last := ""
		for _, path := range paths {
			n.entries = append(n.entries, entry(last, path, nil))
			last = path
		}
		return n
	}
	of := func(e ...nodeEntry) nodeData { return nodeData{entries: e} }

	for _, c := range []struct {
		name string
		make func(h heap) *lex.CIDLink
		want string // in the error; "" is none
	}{
		{"a good one", func(h heap) *lex.CIDLink {
			return h.add(t, nodeData{left: h.add(t, leaf(low1)), entries: []nodeEntry{entry("", high, h.add(t, leaf(low2)))}})
		}, ""},
		{"layers are left out by nodes without paths", func(h heap) *lex.CIDLink {
			return h.add(t, nodeData{left: h.add(t, nodeData{left: h.add(t, leaf(low1))}), entries: []nodeEntry{entry("", top, nil)}})
		}, ""},
		{"layers are left out without nodes", func(h heap) *lex.CIDLink {
			return h.add(t, nodeData{left: h.add(t, leaf(low1)), entries: []nodeEntry{entry("", top, nil)}})
		}, "a node of layer 0 where layer 1 should be"},
		{"a root without paths", func(h heap) *lex.CIDLink { return h.add(t, nodeData{left: h.add(t, leaf(low1))}) }, "its root has no path"},
		{"a subtree without records", func(h heap) *lex.CIDLink {
			return h.add(t, nodeData{left: h.add(t, nodeData{}), entries: []nodeEntry{entry("", high, nil)}})
		}, "a subtree without records"},
		{"a subtree below layer 0", func(h heap) *lex.CIDLink {
			return h.add(t, nodeData{left: h.add(t, leaf(low1)), entries: []nodeEntry{entry("", low2, nil)}})
		}, "a subtree below layer 0"},
		{"a chain of nodes without paths", func(h heap) *lex.CIDLink {
			at := h.add(t, leaf(low1))
			for range 100_000 {
				at = h.add(t, nodeData{left: at})
			}
			return h.add(t, nodeData{left: at, entries: []nodeEntry{entry("", top, nil)}})
		}, "a subtree below layer 0"},
		{"a subtree twice", func(h heap) *lex.CIDLink {
			twice := h.add(t, leaf(low1))
			return h.add(t, nodeData{left: twice, entries: []nodeEntry{entry("", high, twice)}})
		}, "lies between"},
		{"a subtree with a path beyond", func(h heap) *lex.CIDLink {
			return h.add(t, nodeData{left: h.add(t, leaf(low1, low2)), entries: []nodeEntry{entry("", high, nil)}})
		}, "lies between"},
		{"paths of two layers in a node", func(h heap) *lex.CIDLink { return h.add(t, leaf(low1, high)) }, "a path of layer 1 in a node of layer 0"},
		{"paths that are not in order", func(h heap) *lex.CIDLink { return h.add(t, leaf(low2, low1)) }, "does not come after"},
		{"a path twice", func(h heap) *lex.CIDLink { return h.add(t, leaf(low1, low1)) }, "does not come after"},
		{"a prefix that could be longer", func(h heap) *lex.CIDLink {
			second := entry(low1, low2, nil)
			second.prefix, second.suffix = 0, lex.Bytes(low2)
			return h.add(t, of(entry("", low1, nil), second))
		}, "but claims to share 0"},
		{"a prefix of the first path", func(h heap) *lex.CIDLink {
			return h.add(t, of(nodeEntry{prefix: 3, suffix: lex.Bytes(low1), value: value}))
		}, "the one before, which has only 0"},
		{"a prefix below zero", func(h heap) *lex.CIDLink {
			return h.add(t, of(nodeEntry{prefix: -1, suffix: lex.Bytes(low1), value: value}))
		}, "share -1 bytes"},
		{"a prefix of 64 bits", func(h heap) *lex.CIDLink {
			return h.add(t, of(nodeEntry{prefix: 1<<63 - 1, suffix: lex.Bytes(low1), value: value}))
		}, "the one before, which has only 0"},
		{"a path without a slash", func(h heap) *lex.CIDLink { return h.add(t, leaf("note")) }, "is not a collection and a key"},
		{"a path without a key", func(h heap) *lex.CIDLink { return h.add(t, leaf("com.example.note/")) }, "is not a collection and a key"},
		{"a path without a collection", func(h heap) *lex.CIDLink { return h.add(t, leaf("/note")) }, "is not a collection and a key"},
		{"a path with two slashes", func(h heap) *lex.CIDLink { return h.add(t, leaf("com.example.note/a/b")) }, "has a character"},
		{"a path with a space", func(h heap) *lex.CIDLink { return h.add(t, leaf("com.example.note/a b")) }, "has a character"},
		{"a path that is not ASCII", func(h heap) *lex.CIDLink { return h.add(t, leaf("com.example.note/é")) }, "has a character"},
		{"a path of 1,025 bytes", func(h heap) *lex.CIDLink {
			return h.add(t, leaf("com.example.note/"+strings.Repeat("a", 1025-17)))
		}, "longer than 1,024"},
		{"a record that is a picture", func(h heap) *lex.CIDLink {
			return h.add(t, of(nodeEntry{suffix: lex.Bytes(low1), value: picture}))
		}, "not the CID of a record"},
		{"a subtree that is a picture", func(h heap) *lex.CIDLink { return h.add(t, of(entry("", high, new(picture)))) }, "not the CID of a subtree"},
		{"a first subtree that is a picture", func(h heap) *lex.CIDLink {
			return h.add(t, nodeData{left: &picture, entries: []nodeEntry{entry("", high, nil)}})
		}, "not the CID of a subtree"},
		{"a subtree that is a record", func(h heap) *lex.CIDLink {
			b := noteOf(t, "a note")
			h[b.id] = b.data
			return h.add(t, of(entry("", high, new(lex.CIDLink(b.id.text())))))
		}, `which no node has`},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := make(heap)
			_, err := h.walk(*c.make(h))
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			failsWith(t, err, ErrTree)
			if err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want one about %q", err, c.want)
			}
		})
	}
}

func TestBadNodes(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":                 "",
		"no map":                  "\x80",
		"no fields":               "\xa0",
		"no left":                 "\xa1ae\x80",
		"no entries":              "\xa1al\xf6",
		"an entry of nothing":     "\xa2ae\x81\xa0al\xf6",
		"a million entries":       "\xa2ae\x9a\x00\x0f\x42\x40",
		"a field more":            "\xa3ae\x80al\xf6az\x01",
		"fields in another order": "\xa2al\xf6ae\x80",
		"something behind it":     "\xa2ae\x80al\xf6\x00",
		"a field of an entry":     "\xa2ae\x81\xa1ax\x01al\xf6",
	} {
		_, err := decodeNode(cid{}, []byte(text))
		t.Run(name, func(t *testing.T) { failsWith(t, err, ErrTree) })
	}
}

// Records are put and removed in a tree, which is always the one that grows from what is left.
func TestPutAndRemove(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		h := make(heap)
		model := make(map[string]cid)
		root, nodes := grow(t, model)
		h.put(root, nodes[0].data)
		for step := range 60 {
			tree, err := openTree(root, h.load)
			if err != nil {
				t.Fatal(err)
			}
			for range 1 + r.IntN(6)*r.IntN(6) {
				path := fmt.Sprintf("com.example.note/%03d", r.IntN(120))
				value := cidOf(codecDAGCBOR, binary.AppendUvarint(nil, r.Uint64()))
				var before cid
				if want := model[path]; r.IntN(5) < 3 {
					before, err = tree.put(path, value)
					model[path] = value
					if err == nil && before != want {
						err = fmt.Errorf("put returns %s, want %s", before.text(), want.text())
					}
				} else {
					before, err = tree.remove(path)
					delete(model, path)
					if err == nil && before != want {
						err = fmt.Errorf("remove returns %s, want %s", before.text(), want.text())
					}
				}
				if err != nil {
					t.Fatalf("seed %d, step %d: %v", seed, step, err)
				}
				for range 3 {
					path := fmt.Sprintf("com.example.note/%03d", r.IntN(120))
					if got, err := tree.get(path); got != model[path] || err != nil {
						t.Fatalf("seed %d, step %d: %s is %s, want %s (%v)", seed, step, path, got.text(), model[path].text(), err)
					}
				}
			}
			if root, err = tree.store(h.put); err != nil {
				t.Fatal(err)
			}
			want, _ := grow(t, model)
			if root != want {
				t.Fatalf("seed %d, step %d: the root is %s, want %s, of %q", seed, step, root.text(), want.text(), slices.Sorted(maps.Keys(model)))
			}
		}
		all, err := h.walk(lex.CIDLink(root.text()))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(model, all, cmp.AllowUnexported(cid{})); diff != "" {
			t.Errorf("seed %d (-want +got):\n%s", seed, diff)
		}
	}
}

func TestCIDs(t *testing.T) {
	good := noteOf(t, "a note").id
	if back, err := parseText(good.text()); back != good || err != nil {
		t.Errorf("%v, %v", back, err)
	}
	text := string(good.text())
	for name, bad := range map[string]string{
		"nothing": "", "upper case": strings.ToUpper(text), "too short": text[:len(text)-1], "too long": text + "a",
		"another multibase": "z" + text[1:], "bits behind the last byte": text[:len(text)-1] + "7", "a version 0": "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG",
		"a line break": text[:20] + "\n" + text[21:],
	} {
		if id, err := parseText(bad); err == nil {
			t.Errorf("%s: %q is read as %s", name, bad, id.text())
		}
	}
}
