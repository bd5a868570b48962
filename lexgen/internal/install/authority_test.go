package install

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"math/bits"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gimucco/atproto-go/repo"
	"github.com/gimucco/atproto-go/serviceauth"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A world is a network: DNS, a PLC directory, and a PDS for all accounts, on this machine.
type world struct {
	t       testing.TB
	txt     map[string][]string // by names in DNS
	txtFail map[string]error
	people  map[syntax.DID]*publisher
	server  *httptest.Server

	// car, if set, changes the proofs that are sent; hang, if set, holds them back.
	car  func(car []byte) []byte
	hang chan struct{}

	mu    sync.Mutex
	asked []string // DNS names and paths, in order
}

// A publisher is an account with lexicons.
type publisher struct {
	did     syntax.DID
	private *ecdsa.PrivateKey
	key     *serviceauth.Key
	records map[string]string        // JSON, by record key
	raw     map[string]lex.Encodable // records that are no JSON, likewise
	handle  string
	signs   syntax.DID // the account that its commits name
}

const (
	example = syntax.DID("did:plc:examplexxxxxxxxxxxxxxxxx")
	other   = syntax.DID("did:plc:otherxxxxxxxxxxxxxxxxxxx")
)

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, txt: make(map[string][]string), txtFail: make(map[string]error), people: make(map[syntax.DID]*publisher)}
	w.server = httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(w.server.Close)
	return w
}

func (w *world) network() Network {
	return Network{LookupTXT: w.lookup, Directories: []string{w.server.URL + "/plc"}, AllowLoopback: true}
}

func (w *world) note(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, what)
}

// requests are what has been asked of the network since the last call, sorted.
func (w *world) requests() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	asked := w.asked
	w.asked = nil
	slices.Sort(asked)
	return asked
}

func (w *world) lookup(_ context.Context, name string) ([]string, error) {
	w.note("TXT " + name)
	if err := w.txtFail[name]; err != nil {
		return nil, err
	}
	if records, ok := w.txt[name]; ok {
		return records, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// publisher makes an account that publishes the lexicons of some domains.
func (w *world) publisher(did syntax.DID, domains ...string) *publisher {
	w.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := serviceauth.NewKey(private)
	if err != nil {
		w.t.Fatal(err)
	}
	p := &publisher{did: did, private: private, key: key, records: make(map[string]string), signs: did}
	w.people[did] = p
	for _, domain := range domains {
		w.txt["_lexicon."+domain] = []string{"v=1", "did=" + string(did)}
	}
	return p
}

// publish puts lexicons into the repository: definitions by NSIDs.
func (p *publisher) publish(lexicons map[string]string) {
	for nsid, defs := range lexicons {
		p.records[nsid] = fmt.Sprintf(`{"$type":"com.atproto.lexicon.schema","lexicon":1,"id":%q,"defs":{%s}}`, nsid, defs)
	}
}

func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	w.note(r.URL.Path + " " + r.URL.Query().Get("rkey"))
	query := r.URL.Query()
	fail := func(status int, name string) {
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(status)
		fmt.Fprintf(rw, `{"error":%q,"message":"of the test"}`, name)
	}
	if did, ok := strings.CutPrefix(r.URL.Path, "/plc/"); ok {
		p := w.people[syntax.DID(did)]
		if p == nil {
			fail(404, "NotFound")
			return
		}
		rw.Header().Set("Content-Type", "application/did+ld+json")
		json.NewEncoder(rw).Encode(map[string]any{
			"id":                 did,
			"alsoKnownAs":        []string{"at://" + p.handle},
			"verificationMethod": []any{map[string]any{"id": did + "#atproto", "type": "Multikey", "controller": did, "publicKeyMultibase": p.key.Public().Multikey()}},
			"service":            []any{map[string]any{"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": w.server.URL}},
		})
		return
	}
	switch r.URL.Path {
	case "/xrpc/com.atproto.sync.getRecord":
		if w.hang != nil {
			select {
			case <-w.hang:
			case <-r.Context().Done():
			}
			return
		}
		p := w.people[syntax.DID(query.Get("did"))]
		if p == nil || query.Get("collection") != "com.atproto.lexicon.schema" {
			fail(400, "RepoNotFound")
			return
		}
		if p.records[query.Get("rkey")] == "" && w.car == nil && p.raw == nil {
			fail(400, "RecordNotFound")
			return
		}
		car := p.car(w.t)
		if w.car != nil {
			car = w.car(car)
		}
		rw.Header().Set("Content-Type", "application/vnd.ipld.car")
		rw.Write(car)
	case "/xrpc/com.atproto.repo.listRecords":
		p := w.people[syntax.DID(query.Get("repo"))]
		keys := slices.Sorted(maps.Keys(p.records))
		// Pages of two, so that cursors are followed.
		if at := query.Get("cursor"); at != "" {
			keys = keys[slices.Index(keys, at)+1:]
		}
		out := map[string]any{}
		if len(keys) > 2 {
			keys = keys[:2]
			out["cursor"] = keys[1]
		}
		records := []any{}
		for _, key := range keys {
			records = append(records, map[string]any{"uri": "at://" + string(p.did) + "/com.atproto.lexicon.schema/" + key, "cid": "x", "value": json.RawMessage(p.records[key])})
		}
		out["records"] = records
		rw.Header().Set("Content-Type", "application/json")
		json.NewEncoder(rw).Encode(out)
	default:
		http.NotFound(rw, r)
	}
}

// car is the whole repository of the account, which proves each of its records.
func (p *publisher) car(t testing.TB) []byte {
	t.Helper()
	values := make(map[string]syntax.CID)
	var blocks [][]byte
	add := func(v lex.Encodable) syntax.CID {
		data, err := lex.MarshalCBOR(v)
		if err != nil {
			t.Error(err)
		}
		cid, err := lex.CID(v)
		if err != nil {
			t.Error(err)
		}
		blocks = append(blocks, section(cid, data))
		return cid
	}
	for key, text := range p.records {
		value, err := lex.AnyJSON([]byte(text))
		if err != nil {
			t.Error(err)
		}
		values["com.atproto.lexicon.schema/"+key] = add(&value)
	}
	for key, value := range p.raw {
		values["com.atproto.lexicon.schema/"+key] = add(value)
	}
	top := 0
	for path := range values {
		top = max(top, layer(path))
	}
	data := tree(slices.Sorted(maps.Keys(values)), values, top, add)
	c := commit{did: p.signs, data: data}
	message, err := lex.MarshalCBOR(c)
	if err != nil {
		t.Error(err)
	}
	c.signature = sign(t, p.private, message)
	root := add(c)
	header, err := lex.MarshalCBOR(carHeader{root})
	if err != nil {
		t.Error(err)
	}
	return slices.Concat(append([][]byte{binary.AppendUvarint(nil, uint64(len(header))), header}, blocks...)...)
}

// twofold is a lexicon with a value that is an object with a text in the record, and is written as a link in JSON is.
type twofold struct{}

func (twofold) EncodeLex(e *lex.Encoder) error {
	e.BeginRecord("com.atproto.lexicon.schema")
	e.Key("lexicon").Int(1)
	e.Key("id").String("com.example.bad")
	e.Key("defs").BeginObject()
	_ = e.EndObject(nil)
	e.Key("x").BeginObject()
	e.Key("$link").String("bafyreifz2wv4yrum5246mqbxp7jcl755rdawz3ulfqo7xndllvp5icawx4")
	_ = e.EndObject(nil)
	return e.EndObject(nil)
}

// section is a block as a CAR has it.
func section(cid syntax.CID, data []byte) []byte {
	id, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(string(cid[1:])))
	if err != nil {
		panic(err)
	}
	return slices.Concat(binary.AppendUvarint(nil, uint64(len(id)+len(data))), id, data)
}

func sign(t testing.TB, private *ecdsa.PrivateKey, message []byte) []byte {
	hash := sha256.Sum256(message)
	r, s, err := ecdsa.Sign(rand.Reader, private, hash[:])
	if err != nil {
		t.Error(err)
	}
	if order := elliptic.P256().Params().N; s.Cmp(new(big.Int).Rsh(order, 1)) > 0 {
		s.Sub(order, s)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signature
}

// layer is how high in the tree a record is (https://atproto.com/specs/repository#mst-structure).
func layer(path string) int {
	zeros := 0
	for _, b := range sha256.Sum256([]byte(path)) {
		zeros += bits.LeadingZeros8(b)
		if b != 0 {
			break
		}
	}
	return zeros / 2
}

// tree makes the nodes of a layer and of those below it, and returns the CID of the highest.
func tree(paths []string, values map[string]syntax.CID, at int, add func(lex.Encodable) syntax.CID) syntax.CID {
	var n mstNode
	var between []string
	below := func() syntax.CID {
		if len(between) == 0 {
			return ""
		}
		return tree(between, values, at-1, add)
	}
	last := ""
	place := func() {
		if cid := below(); len(n.entries) == 0 {
			n.left = cid
		} else {
			n.entries[len(n.entries)-1].right = cid
		}
		between = nil
	}
	for _, path := range paths {
		if layer(path) < at {
			between = append(between, path)
			continue
		}
		place()
		common := 0
		for common < len(last) && common < len(path) && last[common] == path[common] {
			common++
		}
		n.entries = append(n.entries, mstEntry{prefix: common, suffix: path[common:], value: values[path]})
		last = path
	}
	place()
	return add(n)
}

type mstNode struct {
	left    syntax.CID
	entries []mstEntry
}

type mstEntry struct {
	prefix       int
	suffix       string
	value, right syntax.CID
}

func link(e *lex.Encoder, cid syntax.CID) {
	if cid == "" {
		e.Null()
		return
	}
	e.CIDLink(lex.CIDLink(cid))
}

func (n mstNode) EncodeLex(e *lex.Encoder) error {
	e.BeginObject()
	lex.EncodeArray(e.Key("e"), n.entries, func(e *lex.Encoder, entry mstEntry) {
		e.BeginObject()
		e.Key("k").Bytes(lex.Bytes(entry.suffix))
		e.Key("p").Int(int64(entry.prefix))
		link(e.Key("t"), entry.right)
		link(e.Key("v"), entry.value)
		_ = e.EndObject(nil)
	})
	link(e.Key("l"), n.left)
	return e.EndObject(nil)
}

// A commit is one as servers make it. Without a signature it is what is signed.
type commit struct {
	did       syntax.DID
	data      syntax.CID
	signature []byte
}

func (c commit) EncodeLex(e *lex.Encoder) error {
	e.BeginObject()
	e.Key("did").String(string(c.did))
	e.Key("rev").String("3lhhxizu5wr2d")
	if c.signature != nil {
		e.Key("sig").Bytes(c.signature)
	}
	link(e.Key("data"), c.data)
	e.Key("prev").Null()
	e.Key("version").Int(3)
	return e.EndObject(nil)
}

type carHeader struct{ root syntax.CID }

func (h carHeader) EncodeLex(e *lex.Encoder) error {
	e.BeginObject()
	lex.EncodeArray(e.Key("roots"), []syntax.CID{h.root}, link)
	e.Key("version").Int(1)
	return e.EndObject(nil)
}

func TestTheWorldHasRepositories(t *testing.T) {
	w := newWorld(t)
	p := w.publisher(example)
	lexicons := make(map[string]string)
	for i := range 300 {
		lexicons[fmt.Sprintf("com.example.a%d", i)] = `"main":{"type":"token"}`
	}
	p.publish(lexicons)
	r, err := repo.Read(t.Context(), bytes.NewReader(p.car(t)))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Verify(example, p.key.Public()); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err := range r.Records() {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 300 {
		t.Errorf("%d records", n)
	}
}
