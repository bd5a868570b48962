package install

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
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

	// directory, if set, is the key that DID documents have, in the place of the account's.
	directory *serviceauth.Key

	// car, if set, changes the proofs that are sent; hang, if set, holds them back.
	car  func(car []byte) []byte
	hang chan struct{}

	mu    sync.Mutex
	asked []string // DNS names and paths, in order
}

// A publisher is an account with lexicons.
type publisher struct {
	did     syntax.DID
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
	p := &publisher{did: did, key: key, records: make(map[string]string), signs: did}
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
		key := p.key
		if w.directory != nil {
			key = w.directory
		}
		rw.Header().Set("Content-Type", "application/did+ld+json")
		json.NewEncoder(rw).Encode(map[string]any{
			"id":                 did,
			"alsoKnownAs":        []string{"at://" + p.handle},
			"verificationMethod": []any{map[string]any{"id": did + "#atproto", "type": "Multikey", "controller": did, "publicKeyMultibase": key.Public().Multikey()}},
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
		car := p.proof(w.t, query.Get("rkey"))
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

// proof proves a record of the account, or that there is none.
func (p *publisher) proof(t testing.TB, key string) []byte {
	t.Helper()
	b := repo.NewBuilder(p.signs, p.key)
	var writes []repo.Write
	add := func(key string, value lex.Encodable) {
		data, err := lex.MarshalCBOR(value)
		if err != nil {
			t.Error(err)
		}
		writes = append(writes, repo.Write{Path: string(collection) + "/" + key, Record: data})
	}
	for key, text := range p.records {
		value, err := lex.AnyJSON([]byte(text))
		if err != nil {
			t.Error(err)
		}
		add(key, &value)
	}
	for key, value := range p.raw {
		add(key, value)
	}
	if _, err := b.Commit("3lhhxizu5wr2d", writes...); err != nil {
		t.Error(err)
	}
	car, err := b.Proof(string(collection) + "/" + key)
	if err != nil {
		t.Error(err)
	}
	return car
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

// ballast is a block as a CAR has it, of a text that nothing refers to.
func ballast(t testing.TB, text string) []byte {
	t.Helper()
	value, err := lex.AnyJSON([]byte(`"` + text + `"`))
	if err != nil {
		t.Fatal(err)
	}
	data, err := lex.MarshalCBOR(&value)
	if err != nil {
		t.Fatal(err)
	}
	cid, err := lex.CID(&value)
	if err != nil {
		t.Fatal(err)
	}
	id, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(string(cid[1:])))
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(binary.AppendUvarint(nil, uint64(len(id)+len(data))), id, data)
}
