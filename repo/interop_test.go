package repo

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func TestLayers(t *testing.T) {
	for path, want := range map[string]int{
		"": 0, "asdf": 0, "blue": 1, "2653ae71": 0, "88bfafc7": 2, "2a92d355": 4, "884976f5": 6,
		"app.bsky.feed.post/454397e440ec": 4, "app.bsky.feed.post/9adeb165882c": 8,
	} {
		if got := layerOf(path); got != want {
			t.Errorf("layerOf(%q) = %d, want %d", path, got, want)
		}
	}
	n := 0
	for line := range strings.Lines(string(readFixture(t, "mst/example_keys.txt"))) {
		line = strings.TrimSpace(line)
		if len(line) < 3 || line[0] == '#' {
			continue
		}
		n++
		if got, want := layerOf(line), int(line[1]-'0'); got != want {
			t.Errorf("layerOf(%q) = %d, want %d", line, got, want)
		}
	}
	if n != 156 {
		t.Errorf("%d example keys, want 156", n)
	}
}

// The roots that implementations agree on.
func TestKnownTrees(t *testing.T) {
	value, err := parseText("bafyreie5cvv4h45feadgeuwhbcutmh6t2ceseocckahdoe6uat64zmz454")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		keys string
		root syntax.CID
	}{
		{"nothing", "", "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm"},
		{"one", "3jqfcqzm3fo2j", "bafyreibj4lsc3aqnrvphp5xmrnfoorvru4wynt6lwidqbm2623a6tatzdu"},
		{"one of layer 2", "3jqfcqzm3fx2j", "bafyreih7wfei65pxzhauoibu3ls7jgmkju4bspy4t2ha2qdjnzqvoy33ai"},
		{"some", "3jqfcqzm3fp2j 3jqfcqzm3fr2j 3jqfcqzm3fs2j 3jqfcqzm3ft2j 3jqfcqzm4fc2j", "bafyreicmahysq4n6wfuxo522m6dpiy7z7qzym3dzs756t5n7nfdgccwq7m"},
		{"before the top is trimmed", "3jqfcqzm3fn2j 3jqfcqzm3fo2j 3jqfcqzm3fp2j 3jqfcqzm3fs2j 3jqfcqzm3ft2j 3jqfcqzm3fu2j", "bafyreifnqrwbk6ffmyaz5qtujqrzf5qmxf7cbxvgzktl4e3gabuxbtatv4"},
		{"after it", "3jqfcqzm3fn2j 3jqfcqzm3fo2j 3jqfcqzm3fp2j 3jqfcqzm3ft2j 3jqfcqzm3fu2j", "bafyreie4kjuxbwkhzg2i5dljaswcroeih4dgiqq6pazcmunwt2byd725vi"},
		{"two layers higher", "3jqfcqzm3ft2j 3jqfcqzm3fz2j 3jqfcqzm3fx2j", "bafyreiavxaxdz7o7rbvr3zg2liox2yww46t7g6hkehx4i4h3lwudly7dhy"},
		{"and one beside it", "3jqfcqzm3ft2j 3jqfcqzm3fz2j 3jqfcqzm3fx2j 3jqfcqzm4fd2j", "bafyreig4jv3vuajbsybhyvb7gggvpwh2zszwfyttjrj6qwvcsp24h6popu"},
	} {
		t.Run(c.name, func(t *testing.T) {
			records := make(map[string]cid)
			made := &tree{}
			for _, key := range strings.Fields(c.keys) {
				path := "com.example.record/" + key
				records[path] = value
				if _, err := made.put(path, value); err != nil {
					t.Fatal(err)
				}
			}
			grown, _ := grow(t, records)
			put, err := made.store(func(cid, []byte) {})
			if err != nil {
				t.Fatal(err)
			}
			if grown.text() != c.root || put.text() != c.root {
				t.Errorf("the root is %s when grown and %s when put together, want %s", grown.text(), put.text(), c.root)
			}
		})
	}
}

// Operations are taken back with no more blocks than servers have to send.
func TestCommitProofs(t *testing.T) {
	var all []struct {
		Comment          string
		LeafValue        syntax.CID
		Keys, Adds, Dels []string
		RootBeforeCommit syntax.CID
		RootAfterCommit  syntax.CID
		BlocksInProof    []syntax.CID
	}
	if err := json.Unmarshal(readFixture(t, "firehose/commit-proof-fixtures.json"), &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 6 {
		t.Errorf("%d fixtures, want 6", len(all))
	}
	for _, c := range all {
		t.Run(c.Comment, func(t *testing.T) {
			value, err := parseText(c.LeafValue)
			if err != nil {
				t.Fatal(err)
			}
			records := make(map[string]cid)
			for _, key := range c.Keys {
				records[key] = value
			}
			before, _ := grow(t, records)
			for _, key := range c.Adds {
				records[key] = value
			}
			for _, key := range c.Dels {
				delete(records, key)
			}
			after, nodes := grow(t, records)
			if before.text() != c.RootBeforeCommit || after.text() != c.RootAfterCommit {
				t.Fatalf("from %s to %s, want from %s to %s", before.text(), after.text(), c.RootBeforeCommit, c.RootAfterCommit)
			}
			event := &CommitEvent{DID: alice, Rev: rev, PrevData: before.text()}
			for _, key := range c.Adds {
				event.Ops = append(event.Ops, EventOp{Action: Create, Path: key, CID: value.text()})
			}
			for _, key := range c.Dels {
				event.Ops = append(event.Ops, EventOp{Action: Delete, Path: key, Prev: value.text()})
			}
			s := newSigner(t, alice)
			commit := s.commit(t, after, rev)
			blocks := []block{commit}
			for _, n := range nodes {
				if slices.Contains(c.BlocksInProof, n.id.text()) {
					blocks = append(blocks, n)
				}
			}
			event.Commit, event.Blocks = commit.id.text(), writeCAR(t, commit.id, blocks...)
			change, err := ReadChange(event)
			if err != nil {
				t.Fatal(err)
			}
			tree, err := change.tree()
			if err != nil {
				t.Fatal(err)
			}
			// Not Verify: the fixtures have no records.
			for range 2 { // the first leaves the tree as it was
				if root, err := change.takeBack(tree); err != nil || root != before.text() {
					t.Errorf("before it was %s, %v; want %s", root, err, before.text())
				}
			}
		})
	}
}

// Repositories as servers have given them, most of them of 2023.
func TestRealRepositories(t *testing.T) {
	for _, c := range []struct {
		name     string
		document string
		version  int64
		records  map[syntax.NSID]int
		verify   error
	}{
		{"greenground.repo.car", "greenground", 3, map[syntax.NSID]int{"app.bsky.graph.follow": 2}, ErrAccount},
		// The s of its signature is the greater of two: the rule is younger.
		{"fakermaker.repo.car", "fakermaker", 2, map[syntax.NSID]int{
			"app.bsky.actor.profile": 1, "app.bsky.feed.like": 22, "app.bsky.feed.post": 26, "app.bsky.feed.repost": 15, "app.bsky.graph.follow": 78,
		}, ErrSignature},
		{"paul_staging.repo.car", "paul_staging", 2, map[syntax.NSID]int{
			"app.bsky.actor.profile": 1, "app.bsky.feed.like": 60, "app.bsky.feed.post": 101, "app.bsky.feed.repost": 15, "app.bsky.graph.follow": 8,
		}, nil},
		{"bafyreieovfuizojpw3zresz7sx3nk4trm2by23pt5rxbey3jme4uo5ogiu.car", "did_plc_z5vnbioquyhivxirw3bbljmu", 2, map[syntax.NSID]int{
			"app.bsky.actor.profile": 1, "app.bsky.feed.post": 5,
		}, ErrSignature},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := open(t, readFixture(t, "repo/"+c.name))
			did, key := document(t, c.document)
			if err := r.Verify(did, key); !errors.Is(err, c.verify) {
				t.Errorf("Verify: %v, want %v", err, c.verify)
			}
			if got := r.Commit().Version; got != c.version {
				t.Errorf("version %d, want %d", got, c.version)
			}
			records := make(map[syntax.NSID]int)
			for record, err := range r.Records() {
				if err != nil {
					t.Fatal(err)
				}
				records[record.Collection]++
				v, err := record.Value()
				if err != nil {
					t.Fatal(err)
				}
				if id, err := lex.CID(&v); v.Type() != string(record.Collection) || id != record.CID || err != nil {
					t.Errorf("%s is a %q, whose CID is %s, want %s (%v)", record.Path(), v.Type(), id, record.CID, err)
				}
				got, err := r.Get(record.Collection, record.Key)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(record, got); diff != "" {
					t.Errorf("Get (-Records +Get):\n%s", diff)
				}
			}
			if diff := cmp.Diff(c.records, records); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
		})
	}
}

// document reads a DID document.
func document(t testing.TB, name string) (syntax.DID, *identity.PublicKey) {
	t.Helper()
	raw := readFixture(t, "repo/"+name+".didDoc.json")
	var id struct{ ID syntax.DID }
	if err := json.Unmarshal(raw, &id); err != nil {
		t.Fatal(err)
	}
	doc, err := identity.ParseDocument(raw, id.ID)
	if err != nil {
		t.Fatal(err)
	}
	key, err := doc.SigningKey()
	if err != nil {
		t.Fatal(err)
	}
	return id.ID, key
}
