package main

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

const paul = "did:plc:cmpvykrzb2l22kj4ojlv3ox4"

// keeper is a user of a network in which one account has this repository.
func keeper(tb testing.TB, car string) *user {
	tb.Helper()
	document, err := identity.ParseDocument([]byte(fixture(tb, "repo/paul_staging.didDoc.json")), paul)
	if err != nil {
		tb.Fatal(err)
	}
	u := newUser(tb).tapped(map[string]func(*http.Request) *http.Response{"/xrpc/com.atproto.sync.getRepo": answer(200, "application/vnd.ipld.car", car)})
	u.resolver = identity.NewStatic(identity.Identity{DID: paul, Handle: "paul.staging.bsky.dev", PDS: "https://bsky.social", Document: document})
	return u
}

// fixture reads a file that go generate copies, from wherever the test is.
func fixture(tb testing.TB, name string) string {
	tb.Helper()
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		tb.Fatal("this package does not know where it is")
	}
	return readFile(tb, filepath.Join(filepath.Dir(here), "../../internal/interop/testdata", name))
}

// object is a value of the data model.
func object(tb testing.TB, text string) lex.Encodable {
	tb.Helper()
	v, err := lex.AnyJSON([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return &v
}

// cidBytes are those of a CID in base32.
func cidBytes(tb testing.TB, cid syntax.CID) []byte {
	tb.Helper()
	b, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(string(cid)[1:]))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestRepo(t *testing.T) {
	car := fixture(t, "repo/paul_staging.repo.car")
	t.Chdir(t.TempDir())
	u := keeper(t, car)
	r := u.do("repo", "export", "paul.staging.bsky.dev")
	r.want(t, 0, "paul.staging.bsky.dev.car (", "bytes")
	if readFile(t, "paul.staging.bsky.dev.car") != car {
		t.Error("other bytes")
	}
	u.do("repo", "export", paul).want(t, 1, "exists already: give another name, or --force")
	u.do("repo", "export", paul, "--force").want(t, 0)
	if r := u.do("repo", "export", paul, "-"); r.status != 0 || r.stdout != car || r.stderr != "" {
		t.Errorf("status %d, %s", r.status, r.stderr)
	}
	if r := u.do("repo", "export", paul, "--output", "-"); r.status != 0 || r.stdout != car || r.stderr != "" {
		t.Errorf("status %d, %s", r.status, r.stderr)
	}
	u.do("repo", "export", paul, "-o", "named.car").want(t, 0, "named.car (")
	if readFile(t, "named.car") != car {
		t.Error("other bytes")
	}
	listed := u.do("repo", "ls", "paul.staging.bsky.dev.car")
	listed.want(t, 0, "app.bsky.feed.post/3", "  bafyrei")
	for _, who := range []string{"paul.staging.bsky.dev", paul} {
		if online := u.do("repo", "ls", who); online.stdout != listed.stdout {
			t.Errorf("%s: another list than that of the file: %s", who, online.stderr)
		}
	}
	r = u.do("repo", "ls", paul, "--collection", "app.bsky.feed.post", "--json")
	posts := strings.Split(strings.TrimSpace(r.stdout), "\n")
	for _, line := range posts {
		var post struct {
			Collection, RKey, CID string
			Value                 map[string]any
		}
		if err := json.Unmarshal([]byte(line), &post); err != nil || post.Collection != "app.bsky.feed.post" || post.RKey == "" || post.CID == "" || post.Value["$type"] != "app.bsky.feed.post" {
			t.Fatalf("got %s, %v", line, err)
		}
	}
	u.do("repo", "unpack", "paul.staging.bsky.dev.car").want(t, 0, "did%3Aplc%3Acmpvykrzb2l22kj4ojlv3ox4 (")
	files, err := filepath.Glob("did%3Aplc%3Acmpvykrzb2l22kj4ojlv3ox4/app.bsky.feed.post/*.json")
	if err != nil || len(files) != len(posts) {
		t.Errorf("%d files for %d posts, %v", len(files), len(posts), err)
	}
	if text := readFile(t, files[0]); !strings.Contains(text, "{\n  \"") || !json.Valid([]byte(text)) {
		t.Errorf("got %s", text)
	}
	if text := readFile(t, "did%3Aplc%3Acmpvykrzb2l22kj4ojlv3ox4/_commit.json"); !strings.Contains(text, paul) {
		t.Errorf("got %s", text)
	}
	u.do("repo", "unpack", "paul.staging.bsky.dev.car").want(t, 1, "is not empty: give a new folder")
	u.do("repo", "unpack", paul, "other/folder").want(t, 0, filepath.Join("other", "folder")+" (")
}

func TestRepoOfTheAccountThatIsLoggedIn(t *testing.T) {
	t.Chdir(t.TempDir())
	u := newUser(t).in("alice")
	u.typing(profile).do("record", "put", "app.bsky.actor.profile/self", "--input", "-").want(t, 0)
	u.do("repo", "export", "alice.test").want(t, 0, "alice.test.car (", ", revision 3")
	u.do("repo", "ls", "alice.test.car").want(t, 0, "app.bsky.actor.profile/self  bafyrei")
	u.do("repo", "unpack", "alice.test", "out").want(t, 0, "out (1 record)")
	if text := readFile(t, "out/app.bsky.actor.profile/self.json"); !strings.Contains(text, `"displayName": "Alice"`) {
		t.Errorf("got %s", text)
	}
}

func TestRepoOfALiar(t *testing.T) {
	car := fixture(t, "repo/paul_staging.repo.car")
	t.Chdir(t.TempDir())
	for name, sent := range map[string]string{
		"cut short": car[:len(car)-100],
		"changed":   car[:len(car)-10] + strings.Repeat("x", 10),
		"no CAR":    "<html>",
		"nothing":   "",
	} {
		t.Run(name, func(t *testing.T) {
			u := keeper(t, sent)
			u.do("repo", "export", paul, "x.car").want(t, 1, "damaged repository; nothing was kept")
			u.do("repo", "ls", paul).want(t, 1, "damaged repository")
		})
	}
	t.Run("of another account", func(t *testing.T) {
		other := fixture(t, "repo/greenground.repo.car")
		u := keeper(t, other)
		u.do("repo", "export", paul, "x.car").want(t, 1, "is not one that "+paul+" has signed")
		u.do("repo", "export", paul, "-").want(t, 1, "is not one that")
		u.do("repo", "ls", paul).want(t, 1, "is not one that")
	})
	if entries, err := os.ReadDir("."); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// A forged repository is one whose only records have these paths: nobody has signed it.
func forged(tb testing.TB, paths []string, records ...lex.Encodable) string {
	tb.Helper()
	encode := func(v lex.Encodable) ([]byte, syntax.CID) {
		b, err := lex.MarshalCBOR(v)
		if err != nil {
			tb.Fatal(err)
		}
		cid, err := lex.CID(v)
		if err != nil {
			tb.Fatal(err)
		}
		return b, cid
	}
	var blocks []byte
	add := func(v lex.Encodable) syntax.CID {
		b, cid := encode(v)
		digest := cidBytes(tb, cid)
		blocks = binary.AppendUvarint(blocks, uint64(len(digest)+len(b)))
		blocks = append(append(blocks, digest...), b...)
		return cid
	}
	var entries []string
	for i, path := range paths {
		cid := add(records[i])
		entries = append(entries, `{"k":{"$bytes":"`+base64.RawStdEncoding.EncodeToString([]byte(path))+`"},"p":0,"t":null,"v":{"$link":"`+string(cid)+`"}}`)
	}
	tree := add(object(tb, `{"e":[`+strings.Join(entries, ",")+`],"l":null}`))
	commit := add(object(tb, `{"data":{"$link":"`+string(tree)+`"},"did":"`+alice+`","prev":null,"rev":"3jzfcijpj2z2a","sig":{"$bytes":"AAAA"},"version":3}`))
	header, _ := encode(object(tb, `{"roots":[{"$link":"`+string(commit)+`"}],"version":1}`))
	return string(append(append(binary.AppendUvarint(nil, uint64(len(header))), header...), blocks...))
}

func TestUnpackStaysInItsFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("deep", 0o755); err != nil {
		t.Fatal(err)
	}
	note := object(t, `{"$type":"com.example.note","text":"x"}`)
	u := newUser(t)
	for i, path := range []string{"com.example.note/../../../evil", "../evil", "com.example.note/..", "com.example.note/.", "com.example.note/a\\b", "..\\evil/x", "com.example.note/\x1b[31m", "note/x"} {
		name := "x.car"
		writeFile(t, name, forged(t, []string{path}, note))
		folder := filepath.Join("deep", string(rune('a'+i)))
		r := u.do("repo", "unpack", name, folder)
		if r.status != 1 || !strings.Contains(r.stderr, "is left out") && !strings.Contains(r.stderr, "malformed tree") {
			t.Errorf("%q: %+v", path, r)
		}
		for _, c := range r.stdout + r.stderr {
			if c == '\x1b' {
				t.Errorf("%q is printed", c)
			}
		}
	}
	var found []string
	filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != "_commit.json" {
			found = append(found, name)
		}
		return err
	})
	if diff := cmp.Diff([]string{"x.car"}, found); diff != "" {
		t.Errorf("files that are there: %s", diff)
	}
	t.Run("also where a link leads out of it", func(t *testing.T) {
		t.Chdir(t.TempDir())
		outside := t.TempDir()
		writeFile(t, "x.car", forged(t, []string{"com.example.note/x"}, note))
		// The folder is empty when it is looked at; what comes in between is the worst case.
		r, err := os.OpenRoot(".")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if err := os.Symlink(outside, "com.example.note"); err != nil {
			t.Fatal(err)
		}
		if err := writeIndented(r, "com.example.note/x.json", []byte("{}")); err == nil {
			t.Error("it was written through the link")
		}
		if entries, _ := os.ReadDir(outside); len(entries) > 0 {
			t.Errorf("outside there is %v", entries)
		}
	})
	t.Run("a key with a colon has a name that every system takes", func(t *testing.T) {
		t.Chdir(t.TempDir())
		writeFile(t, "x.car", forged(t, []string{"com.example.note/a:b"}, note))
		u.do("repo", "unpack", "x.car", "out").want(t, 0, "out (1 record)")
		if text := readFile(t, "out/com.example.note/a%3Ab.json"); !strings.Contains(text, `"text": "x"`) {
			t.Errorf("got %s", text)
		}
	})
}

func TestWrongUsesOfRepo(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "x.car", "no CAR")
	for _, tt := range []struct {
		args   string
		status int
		want   string
	}{
		{"", 2, "say what to do"},
		{"exprt", 2, "did you mean export?"},
		{"export", 2, "say whose repository: give a handle or a DID"},
		{"export alice.test --since yesterday", 2, "is no revision, such as 3jzfcijpj2z2a"},
		{"export alice.test x.car --output y.car", 2, "leave one of them out"},
		{"export nobody.test", 1, "no such account is found: DNS does not know the name"},
		{"export https://pds.test", 1, "is a server: give the handle or the DID"},
		{"export alice.test x.car", 1, "exists already"},
		{"ls", 2, "say which repository: give a CAR file"},
		{"ls x.car --collection post", 2, "write it as app.bsky.feed.post"},
		{"ls x.car", 1, "x.car cannot be read: export it anew"},
		{"ls none.car", 1, "no such file"},
		{"ls nobody.test", 1, "is neither a CAR file nor an account"},
		{"ls .", 1, "is no file: give a CAR file, a handle or a DID"},
		{"unpack", 2, "say which repository: give a CAR file"},
		{"unpack x.car", 1, "export it anew"},
		{"unpack none.car", 1, "no such file"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			r := newUser(t).do(append([]string{"repo"}, strings.Fields(tt.args)...)...)
			r.want(t, tt.status, tt.want)
			if r.stdout != "" {
				t.Errorf("standard output: %s", r.stdout)
			}
		})
	}
}
