package install

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/repo"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A project is a folder with what is installed.
type project struct {
	t       testing.TB
	dir     string
	options Options
}

func newProject(t testing.TB, w *world) *project {
	t.Helper()
	dir := t.TempDir()
	p := &project{t: t, dir: dir, options: Options{Folder: filepath.Join(dir, "lexicons"), Manifest: filepath.Join(dir, "lexicons.json")}}
	if w != nil {
		p.options.Network = w.network()
	}
	return p
}

// install runs, and fails the test after an error.
func (p *project) install(args ...string) *Report {
	p.t.Helper()
	report, err := Run(p.t.Context(), p.options, args)
	if err != nil {
		p.t.Fatal(err)
	}
	return report
}

// with is the project with other options.
func (p *project) with(change func(*Options)) *project {
	q := *p
	change(&q.options)
	return &q
}

func (p *project) update() *project { return p.with(func(o *Options) { o.Update = true }) }

// tree is all that is in the folder.
func (p *project) tree() map[string]string {
	p.t.Helper()
	out := make(map[string]string)
	err := fs.WalkDir(os.DirFS(p.dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			out[name+"/"] = ""
			return nil
		}
		if d.Type()&fs.ModeSymlink != 0 {
			out[name], err = os.Readlink(filepath.Join(p.dir, name))
			return err
		}
		text, err := os.ReadFile(filepath.Join(p.dir, name))
		out[name] = string(text)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

func (p *project) write(name, text string) {
	p.t.Helper()
	name = filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func (p *project) remove(name string) {
	p.t.Helper()
	if err := os.Remove(filepath.Join(p.dir, name)); err != nil {
		p.t.Fatal(err)
	}
}

// has fails the test unless these lexicons are installed, and no others.
func (p *project) has(nsids ...string) {
	p.t.Helper()
	want, got := make(map[string]bool), make(map[string]bool)
	for _, nsid := range nsids {
		want["lexicons/"+strings.ReplaceAll(nsid, ".", "/")+".json"] = true
	}
	for name := range p.tree() {
		if strings.HasPrefix(name, "lexicons/") && !strings.HasSuffix(name, "/") {
			got[name] = true
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		p.t.Errorf("files (-want +got):\n%s", diff)
	}
}

const (
	token      = `"main":{"type":"token"}`
	schemaPath = "/xrpc/com.atproto.sync.getRecord "
)

func ref(to string) string {
	return `"main":{"type":"object","properties":{"x":{"type":"ref","ref":"` + to + `"}}}`
}

// small is a world with one lexicon, which needs none.
func small(t testing.TB) (*world, *publisher) {
	w := newWorld(t)
	p := w.publisher(example, "example.com")
	p.publish(map[string]string{"com.example.note": token})
	return w, p
}

func TestInstall(t *testing.T) {
	t.Run("L55 L58 a lexicon and all that it needs, and one question for each authority", func(t *testing.T) {
		w := newWorld(t)
		w.publisher(example, "feed.example.com", "auth.example.com").publish(map[string]string{
			"com.example.feed.post": `"main":{"type":"record","key":"tid","record":{"type":"object","properties":{
				"a":{"type":"ref","ref":"com.example.feed.defs#a"},"self":{"type":"ref","ref":"com.example.feed.post"},"local":{"type":"ref","ref":"#b"},
				"list":{"type":"array","items":{"type":"union","refs":["org.other.x","com.example.feed.union#y"]}},
				"kind":{"type":"string","knownValues":["com.example.feed.kinds#one","plain","no nsid#x","com.example.feed.unused"]}}}},
				"b":{"type":"object","properties":{}}`,
			"com.example.feed.defs":  `"a":` + strings.TrimPrefix(ref("com.example.feed.post"), `"main":`), // a cycle
			"com.example.feed.union": `"y":{"type":"object","properties":{}}`,
			"com.example.feed.kinds": `"one":{"type":"token"}`,
			"com.example.feed.get":   `"main":{"type":"query"}`,
			"com.example.feed.never": token,
			"com.example.auth.basic": `"main":{"type":"permission-set","permissions":[
				{"type":"permission","resource":"rpc","lxm":["com.example.feed.get","*"]},{"type":"permission","resource":"repo","collection":["com.example.feed.post"]},
				{"type":"permission","resource":"newer","lxm":["com.example.feed.never"]}]}`,
		})
		w.publisher(other, "other.org").publish(map[string]string{"org.other.x": token})
		p := newProject(t, w)
		report := p.install("com.example.auth.basic")
		p.has("com.example.auth.basic", "com.example.feed.post", "com.example.feed.defs", "com.example.feed.union", "com.example.feed.kinds", "com.example.feed.get", "org.other.x")
		if report.Total != 7 || len(report.Lines) != 7 || len(report.Warnings) != 0 {
			t.Errorf("%+v", report)
		}
		var names []string
		for _, request := range w.requests() {
			if strings.HasPrefix(request, "TXT ") {
				names = append(names, request)
			}
		}
		if diff := cmp.Diff([]string{"TXT _lexicon.auth.example.com", "TXT _lexicon.feed.example.com", "TXT _lexicon.other.org"}, names); diff != "" {
			t.Error(diff)
		}
		if problems, err := Check(p.options, nil); err != nil || len(problems) > 0 {
			t.Error(problems, err)
		}
	})
	t.Run("L58 the files are those of the TypeScript tool", func(t *testing.T) {
		w := newWorld(t)
		p := w.publisher(example, "example.com")
		p.records["com.example.note"] = `{"id":"com.example.note","$type":"com.atproto.lexicon.schema","lexicon":1,"newer":{},"defs":{"main":{"type":"object","required":[],"properties":{"text":{"type":"string","maxLength":30,"description":"<a> & \"b\""}}}}}`
		project := newProject(t, w)
		project.install("com.example.note")
		// CIDs and texts were made by version 0.3.12 of @atproto/lex, out of such a record.
		want := map[string]string{
			"./": "", "lexicons/": "", "lexicons/com/": "", "lexicons/com/example/": "",
			"lexicons.json": `{
  "version": 1,
  "lexicons": [
    "com.example.note"
  ],
  "resolutions": {
    "com.example.note": {
      "uri": "at://did:plc:examplexxxxxxxxxxxxxxxxx/com.atproto.lexicon.schema/com.example.note",
      "cid": "bafyreig7settbbzyo3t66pxuppdx33t4t3jf6nkuqpum6bkruavyut23xu"
    }
  }
}
`,
			"lexicons/com/example/note.json": `{
  "id": "com.example.note",
  "defs": {
    "main": {
      "type": "object",
      "required": [],
      "properties": {
        "text": {
          "type": "string",
          "maxLength": 30,
          "description": "<a> & \"b\""
        }
      }
    }
  },
  "$type": "com.atproto.lexicon.schema",
  "newer": {},
  "lexicon": 1
}
`,
		}
		if diff := cmp.Diff(want, project.tree()); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("L58 what is installed is not fetched again", func(t *testing.T) {
		w, _ := small(t)
		p := newProject(t, w)
		p.install("com.example.note")
		w.requests()
		before := p.tree()
		if report := p.install(); len(report.Lines) > 0 {
			t.Error(report.Lines)
		}
		p.install("com.example.note")
		if diff := cmp.Diff(before, p.tree()); diff != "" {
			t.Error(diff)
		}
		if asked := w.requests(); len(asked) > 0 {
			t.Error(asked)
		}
	})
	t.Run("L58 a file that is missing comes from where it came", func(t *testing.T) {
		w, _ := small(t)
		p := newProject(t, w)
		p.install("com.example.note")
		before := p.tree()
		p.remove("lexicons/com/example/note.json")
		w.requests()
		report := p.install()
		if diff := cmp.Diff(before, p.tree()); diff != "" {
			t.Error(diff)
		}
		if asked := w.requests(); len(report.Lines) != 1 || !strings.HasPrefix(report.Lines[0], "restored") || strings.Contains(strings.Join(asked, " "), "TXT") {
			t.Error(report.Lines, asked)
		}
	})
	t.Run("L58 an update fetches from the same account, and says that the authority has another", func(t *testing.T) {
		w, publisher := small(t)
		p := newProject(t, w)
		p.install("com.example.note")
		publisher.publish(map[string]string{"com.example.note": `"main":{"type":"object","properties":{}}`})
		if report := p.install(); len(report.Lines) > 0 {
			t.Errorf("without an update: %q", report.Lines)
		}
		if report := p.update().install(); len(report.Lines) != 1 || !strings.HasPrefix(report.Lines[0], "changed") || len(report.Warnings) > 0 {
			t.Errorf("%+v", report)
		}
		w.publisher(other, "example.com").publish(map[string]string{"com.example.note": token})
		report := p.update().install()
		if len(report.Lines) > 0 || len(report.Warnings) != 1 || !strings.Contains(report.Warnings[0], "its authority is "+string(other)+" now") {
			t.Errorf("%+v", report)
		}
		p.update().install("com.example.note")
		if manifest := p.tree()["lexicons.json"]; !strings.Contains(manifest, string(other)) {
			t.Error(manifest)
		}
	})
	t.Run("L57 every run asks DNS anew", func(t *testing.T) {
		w, _ := small(t)
		p := newProject(t, w)
		for range 2 {
			p.update().install("com.example.note")
			if asked := w.requests(); !strings.HasPrefix(asked[len(asked)-1], "TXT _lexicon.example.com") {
				t.Error(asked)
			}
		}
	})
	t.Run("L58 an at:// URI needs no authority in DNS", func(t *testing.T) {
		w := newWorld(t)
		w.publisher(example).publish(map[string]string{"com.example.note": token})
		w.people[example].handle = "bob.example.org"
		w.txt["_atproto.alice.example.org"] = []string{"did=" + string(example)}
		w.txt["_atproto.bob.example.org"] = []string{"did=" + string(example)}
		p := newProject(t, w)
		p.options.Network.Transport = plain{}
		p.install("at://" + string(example) + "/com.atproto.lexicon.schema/com.example.note")
		p.has("com.example.note")
		p.install()
		if _, err := Run(t.Context(), p.options, []string{"at://alice.example.org/com.atproto.lexicon.schema/com.example.note"}); err == nil {
			t.Error("a handle that the account does not claim")
		}
		before := p.tree()
		p.install("at://bob.example.org/com.atproto.lexicon.schema/com.example.note")
		if diff := cmp.Diff(before, p.tree()); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("L55 an authority has what is right below it", func(t *testing.T) {
		w := newWorld(t)
		w.publisher(example, "example.com").publish(map[string]string{
			"com.example.a": token, "com.example.b": token, "com.example.feed.post": token, "com.example.feed.like": token, "org.other.x": token, "com.exampleX.y": token,
		})
		p := newProject(t, w)
		report := p.install("com.example.*")
		p.has("com.example.a", "com.example.b")
		want := []string{string(example) + " also has 2 lexicons of com.example.feed, an authority of its own: com.example.feed.* installs them"}
		if diff := cmp.Diff(want, report.Warnings); diff != "" {
			t.Error(diff)
		}
		if _, err := Run(t.Context(), p.options, []string{"com.example.feed.*"}); err == nil || !strings.Contains(err.Error(), "_lexicon.feed.example.com") {
			t.Error(err)
		}
	})
	t.Run("L58 what nothing needs any more goes, unless it was edited", func(t *testing.T) {
		w := newWorld(t)
		w.publisher(example, "example.com").publish(map[string]string{"com.example.a": ref("com.example.c"), "com.example.b": token, "com.example.c": ref("com.example.d"), "com.example.d": token})
		p := newProject(t, w)
		p.install("com.example.a", "com.example.b")
		p.write("lexicons/com/example/d.json", `{"lexicon":1,"id":"com.example.d","defs":{}}`)
		manifest := strings.Replace(p.tree()["lexicons.json"], `    "com.example.a",`+"\n", "", 1)
		p.write("lexicons.json", manifest)
		report := p.install()
		p.has("com.example.b", "com.example.d")
		if len(report.Lines) != 2 || len(report.Warnings) != 1 || !strings.Contains(report.Warnings[0], "it is left where it is") {
			t.Errorf("%+v", report)
		}
	})
	t.Run("L58 without saving the manifest stays as it is", func(t *testing.T) {
		w, publisher := small(t)
		publisher.publish(map[string]string{"com.example.more": token})
		p := newProject(t, w)
		p.install("com.example.note")
		before := p.tree()["lexicons.json"]
		p.with(func(o *Options) { o.NoSave = true }).install("com.example.more")
		p.has("com.example.note", "com.example.more")
		if after := p.tree()["lexicons.json"]; after != before {
			t.Error(after)
		}
	})
	t.Run("L58 a file that was not installed stays, until it is told otherwise", func(t *testing.T) {
		w, _ := small(t)
		p := newProject(t, w)
		mine := `{"lexicon":1,"id":"com.example.note","defs":{}}`
		p.write("lexicons/com/example/note.json", mine)
		if _, err := Run(t.Context(), p.options, []string{"com.example.note"}); err == nil || !strings.Contains(err.Error(), "was not installed") {
			t.Error(err)
		}
		if text := p.tree()["lexicons/com/example/note.json"]; text != mine {
			t.Error(text)
		}
		p.update().install("com.example.note")
		p.write("lexicons/com/example/note.json", mine)
		if _, err := Run(t.Context(), p.options, nil); err == nil || !strings.Contains(err.Error(), "is not as it was installed") {
			t.Error(err)
		}
		p.update().install()
		if text := p.tree()["lexicons/com/example/note.json"]; text == mine {
			t.Error("it was not replaced")
		}
	})
	t.Run("P93 what a run that was killed has left goes", func(t *testing.T) {
		w, _ := small(t)
		p := newProject(t, w)
		p.write("lexicons/com/example/.lexgen-note.json.tmp", "{")
		p.write("lexicons/com/example/.mine.tmp", "{")
		p.install("com.example.note")
		if _, ok := p.tree()["lexicons/com/example/.lexgen-note.json.tmp"]; ok || p.tree()["lexicons/com/example/.mine.tmp"] == "" {
			t.Error(p.tree())
		}
	})
	t.Run("P93 what somebody writes meanwhile stays", func(t *testing.T) {
		for name, installed := range map[string]bool{"a file that appears": false, "a file that is saved": true} {
			w, publisher := small(t)
			p := newProject(t, w)
			if installed {
				p.install("com.example.note")
				publisher.publish(map[string]string{"com.example.note": ref("com.example.more"), "com.example.more": token})
			}
			before := p.tree()
			q := p.update().with(func(o *Options) {
				o.Network.LookupTXT = func(ctx context.Context, name string) ([]string, error) {
					if name == "_lexicon.example.com" {
						p.write("lexicons/com/example/note.json", "mine")
					}
					return w.lookup(ctx, name)
				}
			})
			_, err := Run(t.Context(), q.options, []string{"com.example.note"})
			if err == nil || !strings.Contains(err.Error(), "meanwhile") {
				t.Errorf("%s: error %v", name, err)
			}
			for _, dir := range []string{"lexicons/", "lexicons/com/", "lexicons/com/example/"} {
				before[dir] = ""
			}
			before["lexicons/com/example/note.json"] = "mine"
			if diff := cmp.Diff(before, p.tree()); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	})
	t.Run("a file that cannot be read is replaced by an update", func(t *testing.T) {
		w, _ := small(t)
		p := newProject(t, w)
		p.install("com.example.note")
		before := p.tree()
		p.write("lexicons/com/example/note.json", "{")
		if _, err := Run(t.Context(), p.options, nil); err == nil || !strings.Contains(err.Error(), "note.json: ") {
			t.Error(err)
		}
		p.update().install()
		if diff := cmp.Diff(before, p.tree()); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a manifest in a folder that is not there yet", func(t *testing.T) {
		w, _ := small(t)
		p := newProject(t, w).with(func(o *Options) { o.Manifest = filepath.Join(filepath.Dir(o.Manifest), "a/b/lexicons.json") })
		if _, err := Run(t.Context(), p.options, []string{"com.example.none"}); err == nil {
			t.Error("it was installed")
		}
		if diff := cmp.Diff(map[string]string{"./": ""}, p.tree()); diff != "" {
			t.Error(diff)
		}
		p.install("com.example.note")
		if p.tree()["a/b/lexicons.json"] == "" {
			t.Error(p.tree())
		}
	})
	t.Run("a file in a layout of one's own is kept", func(t *testing.T) {
		w, _ := small(t)
		p := newProject(t, w)
		p.install("com.example.note")
		mine := `{"lexicon":1,"$type":"com.atproto.lexicon.schema","defs":{"main":{"type":"token"}},  "id":"com.example.note"}`
		p.write("lexicons/com/example/note.json", mine)
		if report := p.install(); len(report.Lines) > 0 || p.tree()["lexicons/com/example/note.json"] != mine {
			t.Error(report.Lines)
		}
	})
	t.Run("what is missing is left out where that is allowed", func(t *testing.T) {
		w, publisher := small(t)
		publisher.publish(map[string]string{"com.example.note": ref("org.nobody.x")})
		p := newProject(t, w).with(func(o *Options) { o.AllowMissing = true })
		report := p.install("com.example.note")
		if len(report.Warnings) != 1 || !strings.Contains(report.Warnings[0], "com.example.note needs it") {
			t.Errorf("%+v", report)
		}
		if problems, err := Check(p.options, nil); err != nil || len(problems) > 0 {
			t.Error(problems, err)
		}
		if problems, err := Check(p.with(func(o *Options) { o.AllowMissing = false }).options, nil); err != nil || len(problems) != 1 {
			t.Error(problems, err)
		}
		if _, err := Run(t.Context(), p.options, []string{"org.nobody.y"}); err == nil {
			t.Error("what is asked for by name is missing, too")
		}
	})
}

// Whatever an authority does, nothing that is wrong is installed, and what was installed stays.
func TestBadAuthorities(t *testing.T) {
	const uri = "at://" + string(example) + "/com.atproto.lexicon.schema/com.example.bad"
	for _, tc := range []struct {
		name string
		do   func(w *world, p *publisher)
		args []string // else com.example.bad, beside one that is good
		want string
		kind error
	}{
		{name: "L55 no TXT record", do: func(w *world, p *publisher) {
			delete(w.txt, "_lexicon.example.com")
		}, want: "DNS has no TXT record of _lexicon.example.com"},
		{name: "L55 no TXT record, and the domains above and below have one", do: func(w *world, p *publisher) {
			w.txt["_lexicon.com"] = []string{"did=" + string(example)}
			w.txt["_lexicon.bad.sub.example.com"] = w.txt["_lexicon.com"]
		}, args: []string{"com.example.sub.bad"}, want: "DNS has no TXT record of _lexicon.sub.example.com"},
		{name: "L55 two TXT records", do: func(w *world, p *publisher) {
			w.txt["_lexicon.example.com"] = []string{"did=" + string(example), "did=" + string(other)}
		}, want: "name two accounts"},
		{name: "L55 a TXT record of another kind", do: func(w *world, p *publisher) {
			w.txt["_lexicon.example.com"] = []string{"v=spf1", "DID=" + string(example)}
		}, want: "names an account, as did=…"},
		{name: "L55 a TXT record with no DID", do: func(w *world, p *publisher) {
			w.txt["_lexicon.example.com"] = []string{"did=alice.example.com"}
		}, want: "DNS: TXT record of _lexicon.example.com"},
		{name: "L55 DNS that fails", do: func(w *world, p *publisher) {
			w.txtFail["_lexicon.example.com"] = errors.New("server misbehaving")
		}, want: "server misbehaving"},
		{name: "L55 an account that does not exist", do: func(w *world, p *publisher) {
			w.txt["_lexicon.example.com"] = []string{"did=did:plc:nobodyxxxxxxxxxxxxxxxxxx"}
		}, want: "not found"},
		{name: "L55 an account without the lexicon", do: func(w *world, p *publisher) {
			w.publisher(other, "example.com")
		}, want: "RecordNotFound"},
		{name: "L56 a repository of another account", do: func(w *world, p *publisher) {
			p.signs = other
		}, kind: repo.ErrAccount, want: uri},
		{name: "L56 a commit that another key has signed", do: func(w *world, p *publisher) {
			was := p.key
			w.publisher(example).records = p.records
			w.directory = was // the document has the key of before
		}, kind: repo.ErrSignature, want: uri},
		{name: "L56 a record that is not what its CID says", do: func(w *world, p *publisher) {
			w.car = func(car []byte) []byte { return bytes.Replace(car, []byte("tokem"), []byte("token"), 1) }
			p.publish(map[string]string{"com.example.bad": `"main":{"type":"tokem"}`})
		}, kind: repo.ErrHash, want: uri},
		{name: "L56 a proof without the record", do: func(w *world, p *publisher) {
			delete(p.records, "com.example.bad")
			w.car = func(car []byte) []byte { return car }
		}, kind: repo.ErrNotFound, want: uri},
		{name: "L56 a proof that ends too early", do: func(w *world, p *publisher) {
			w.car = func(car []byte) []byte { return car[:len(car)-10] }
		}, kind: repo.ErrTruncated, want: uri},
		{name: "L56 no proof at all", do: func(w *world, p *publisher) {
			w.car = func(car []byte) []byte { return []byte("<!doctype html>") }
		}, kind: repo.ErrTruncated, want: uri},
		{name: "L56 a record that says it is another lexicon", do: func(w *world, p *publisher) {
			p.records["com.example.bad"] = p.records["com.example.note"]
		}, want: "it says that it is com.example.note, and was asked for as com.example.bad"},
		{name: "L56 a record of another type", do: func(w *world, p *publisher) {
			p.records["com.example.bad"] = strings.Replace(p.records["com.example.bad"], string(collection), "com.example.note", 1)
		}, want: `its $type is "com.example.note"`},
		{name: "L56 a version of the language that is not known", do: func(w *world, p *publisher) {
			p.records["com.example.bad"] = strings.Replace(p.records["com.example.bad"], `"lexicon":1`, `"lexicon":2`, 1)
		}, want: "lexicon is not 1"},
		{name: "a record that is no lexicon", do: func(w *world, p *publisher) {
			p.records["com.example.bad"] = `{"$type":"com.atproto.lexicon.schema","text":"hello"}`
		}, want: "id is missing"},
		{name: "L56 a record that is another one in JSON", do: func(w *world, p *publisher) {
			delete(p.records, "com.example.bad")
			p.raw = map[string]lex.Encodable{"com.example.bad": twofold{}}
		}, want: "the data model has no other use for this key"},
		{name: "a huge record", do: func(w *world, p *publisher) {
			p.publish(map[string]string{"com.example.bad": `"main":{"type":"token","description":"` + strings.Repeat("x", maxLexicon) + `"}`})
		}, kind: repo.ErrLimit, want: uri},
		{name: "a huge proof", do: func(w *world, p *publisher) {
			w.car = func(car []byte) []byte {
				for _, c := range "abcdef" {
					car = append(car, ballast(w.t, strings.Repeat(string(c), maxLexicon*3/4))...)
				}
				return car
			}
		}, want: "more than 4194304 bytes"},
		{name: "what it needs is not there", do: func(w *world, p *publisher) {
			p.publish(map[string]string{"com.example.bad": ref("org.nobody.x")})
		}, want: "_lexicon.nobody.org"},
		{name: "what it needs cannot be proven", do: func(w *world, p *publisher) {
			p.publish(map[string]string{"com.example.bad": ref("org.other.x")})
			q := w.publisher(other, "other.org")
			q.publish(map[string]string{"org.other.x": token})
			q.signs = example
		}, kind: repo.ErrAccount, want: "(com.example.bad needs it)"},
		{name: "two names that are one file where case does not count", do: func(w *world, p *publisher) {
			p.publish(map[string]string{"com.example.bad": ref("com.example.Bad"), "com.example.Bad": token})
		}, want: "differ in capitals only"},
		{name: "a path for a name", args: []string{"com.example...bad"}, want: "neither an NSID"},
		{name: "a path for a record key", args: []string{"at://" + string(example) + "/com.atproto.lexicon.schema/.."}, want: "record key"},
		{name: "a record key that is no NSID", args: []string{"at://" + string(example) + "/com.atproto.lexicon.schema/bad"}, want: "is no lexicon"},
		{name: "a record of another collection", args: []string{"at://" + string(example) + "/com.example.note/com.example.bad"}, want: "those are at://DID/com.atproto.lexicon.schema/NSID"},
		{name: "a group without a domain", args: []string{"com.*"}, want: "is not an authority"},
		{name: "an authority that has none", args: []string{"com.example.none.*"}, do: func(w *world, p *publisher) {
			w.txt["_lexicon.none.example.com"] = []string{"did=" + string(example)}
		}, want: "has no lexicons of com.example.none"},
		{name: "a lexicon from two places", args: []string{"com.example.bad", uri}, want: "is asked for twice"},
		{name: "plain http", args: []string{"http://git.example.com/x.git"}, want: "only at:// and, for git repositories, https://"},
		{name: "git by ssh", args: []string{"git@git.example.com:x.git"}, want: "https:// URL"},
		{name: "git with a password", args: []string{"https://me:secret@git.example.com/x.git"}, want: "may not hold credentials"},
		{name: "an option for a ref", args: []string{"https://git.example.com/x.git#--upload-pack=evil"}, want: "is not a branch, a tag or a commit"},
		{name: "a folder outside of a repository", args: []string{"https://git.example.com/x.git#main:../.."}, want: "is not a folder of the repository"},
		{name: "a folder that is not there", args: []string{"./none"}, want: "none"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w, publisher := small(t)
			publisher.publish(map[string]string{"com.example.bad": `"main":{"type":"token"}`, "com.example.good": token})
			p := newProject(t, w)
			p.install("com.example.note")
			before := p.tree()
			if tc.do != nil {
				tc.do(w, publisher)
			}
			args := tc.args
			switch {
			case args != nil:
			case tc.kind != nil: // of the whole repository
				args = []string{"com.example.bad"}
			default:
				args = []string{"com.example.good", "com.example.bad"}
			}
			_, err := Run(t.Context(), p.options, args)
			if err == nil || !strings.Contains(err.Error(), tc.want) || tc.kind != nil && !errors.Is(err, tc.kind) {
				t.Errorf("error %v, want one with %q that is %v", err, tc.want, tc.kind)
			}
			if diff := cmp.Diff(before, p.tree()); diff != "" {
				t.Errorf("something has changed:\n%s", diff)
			}
		})
	}
	t.Run("L55 one name is asked for, and no other", func(t *testing.T) {
		w, _ := small(t)
		w.txt["_lexicon.com"] = []string{"did=" + string(example)}
		if _, err := Run(t.Context(), newProject(t, w).options, []string{"com.example.deep.er.bad"}); err == nil {
			t.Error("it was installed")
		}
		if diff := cmp.Diff([]string{"TXT _lexicon.er.deep.example.com"}, w.requests()); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a server that hangs", func(t *testing.T) {
		w, _ := small(t)
		w.hang = make(chan struct{})
		defer close(w.hang)
		p := newProject(t, w)
		p.options.Network.Timeout = 50 * time.Millisecond
		_, err := Run(t.Context(), p.options, []string{"com.example.note"})
		if err == nil || !strings.Contains(err.Error(), "it takes longer than 50ms") {
			t.Error(err)
		}
		if diff := cmp.Diff(map[string]string{"./": ""}, p.tree()); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a user who has enough of it", func(t *testing.T) {
		w, _ := small(t)
		w.hang = make(chan struct{})
		defer close(w.hang)
		ctx, cancel := context.WithCancel(t.Context())
		p := newProject(t, w)
		p.options.Network.LookupTXT = func(ctx context.Context, name string) ([]string, error) {
			cancel()
			return w.lookup(ctx, name)
		}
		if _, err := Run(ctx, p.options, []string{"com.example.note"}); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	t.Run("P24 a server on this machine", func(t *testing.T) {
		w, _ := small(t)
		p := newProject(t, w)
		p.options.Network.AllowLoopback = false
		if _, err := Run(t.Context(), p.options, []string{"com.example.note"}); err == nil || !strings.Contains(err.Error(), "not allowed") {
			t.Error(err)
		}
		if asked := w.requests(); len(asked) != 1 {
			t.Error(asked)
		}
	})
	t.Run("a list without an end", func(t *testing.T) {
		w, _ := small(t)
		p := newProject(t, w)
		p.options.Network.Transport = endless{http.DefaultTransport}
		if _, err := Run(t.Context(), p.options, []string{"com.example.*"}); err == nil || !strings.Contains(err.Error(), "has no end") {
			t.Error(err)
		}
	})
}

// plain lets nothing through but http.
type plain struct{}

func (plain) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "http" {
		return nil, errors.New("not on this machine")
	}
	return http.DefaultTransport.RoundTrip(req)
}

// endless answers a list with the same page.
type endless struct{ http.RoundTripper }

func (e endless) RoundTrip(req *http.Request) (*http.Response, error) {
	if strings.HasSuffix(req.URL.Path, "listRecords") {
		w := &response{header: make(http.Header)}
		w.header.Set("Content-Type", "application/json")
		w.body.WriteString(`{"cursor":"a","records":[{"uri":"at://x.example/com.atproto.lexicon.schema/com.example.note","cid":"x","value":{}}]}`)
		return &http.Response{StatusCode: 200, Header: w.header, Body: &w.body, Request: req}, nil
	}
	return e.RoundTripper.RoundTrip(req)
}

type response struct {
	header http.Header
	body   body
}

type body struct{ bytes.Buffer }

func (*body) Close() error { return nil }

func TestBadProjects(t *testing.T) {
	for _, tc := range []struct {
		name  string
		files map[string]string
		do    func(t *testing.T, p *project)
		want  string
	}{
		{name: "a manifest that is not JSON", files: map[string]string{"lexicons.json": "{"}, want: "lexicons.json: "},
		{name: "a manifest of another version", files: map[string]string{"lexicons.json": `{"version":2}`}, want: "version is 2"},
		{name: "a manifest with a path", files: map[string]string{"lexicons.json": `{"version":1,"lexicons":["com.example.../../x"]}`}, want: "lexicons: "},
		{name: "a manifest with a lexicon from another's record", files: map[string]string{"lexicons.json": `{"version":1,"lexicons":["com.example.note"],"resolutions":{"com.example.note":{"uri":"at://did:plc:examplexxxxxxxxxxxxxxxxx/com.atproto.lexicon.schema/com.example.evil","cid":"bafyreicv6j7t6f6x6wr7mbbnkgmzhmrzz4bkqfsqqfcxa4g6ulqxqv3yxa"}}}`}, want: "which is another lexicon"},
		{name: "a manifest with a CID that is none", files: map[string]string{"lexicons.json": `{"version":1,"resolutions":{"com.example.note":{"uri":"at://did:plc:examplexxxxxxxxxxxxxxxxx/com.atproto.lexicon.schema/com.example.note","cid":"x"}}}`}, want: "resolutions: "},
		{name: "a ledger of another version", files: map[string]string{"lexicons.sources.json": `{"version":2}`}, want: "version is 2"},
		{name: "a ledger with nothing", files: map[string]string{"lexicons.sources.json": `{"version":1,"sources":{"./x":null}}`}, want: "is null"},
		{name: "a ledger with a lexicon for a source", files: map[string]string{"lexicons.sources.json": `{"version":1,"sources":{"com.example.note":{"lexicons":{"com.example.note":"bafyreicv6j7t6f6x6wr7mbbnkgmzhmrzz4bkqfsqqfcxa4g6ulqxqv3yxa"}}}}`}, want: "is neither a folder nor a git repository"},
		{name: "a folder that leads out", do: func(t *testing.T, p *project) {
			p.write("elsewhere/x", "")
			p.write("lexicons/x", "")
			if err := os.Symlink(filepath.Join(p.dir, "elsewhere"), filepath.Join(p.dir, "lexicons/com")); err != nil {
				t.Fatal(err)
			}
		}, want: "should be a folder"},
		{name: "a link in the place of a lexicon", do: func(t *testing.T, p *project) {
			p.write("elsewhere", "x")
			p.write("lexicons/com/example/x", "")
			if err := os.Symlink(filepath.Join(p.dir, "elsewhere"), filepath.Join(p.dir, "lexicons/com/example/note.json")); err != nil {
				t.Fatal(err)
			}
		}, want: "should be a file"},
		{name: "a file in the place of a folder", files: map[string]string{"lexicons/com": "x"}, want: "lexicons/com"},
		{name: "a lexicon in the place of another", files: map[string]string{"lexicons/com/example/note.json": `{"lexicon":1,"id":"com.example.other","defs":{}}`}, want: "it says that it is com.example.other"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w, _ := small(t)
			p := newProject(t, w)
			for name, text := range tc.files {
				p.write(name, text)
			}
			if tc.do != nil {
				tc.do(t, p)
			}
			before := p.tree()
			if _, err := Run(t.Context(), p.options, []string{"com.example.note"}); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
			if diff := cmp.Diff(before, p.tree()); diff != "" {
				t.Errorf("something has changed:\n%s", diff)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	const note = "lexicons/com/example/note.json"
	for _, tc := range []struct {
		name string
		do   func(p *project)
		args []string
		want []string // parts of lines
	}{
		{name: "L58 all is well", do: func(p *project) {}, args: []string{"com.example.note", "com.example.*"}},
		{name: "L58 a file that is missing", do: func(p *project) { p.remove("lexicons/com/example/defs.json") }, want: []string{"defs.json is missing"}},
		{name: "L58 a file that was edited", do: func(p *project) {
			p.write(note, strings.Replace(p.tree()[note], `"lexicon": 1`, `"lexicon": 1, "description": "mine"`, 1))
		}, want: []string{"note.json has the CID bafyrei"}},
		{name: "L58 a lexicon that is needed and not there", do: func(p *project) {
			p.write(note, strings.Replace(p.tree()[note], "com.example.defs", "com.example.more", 1))
		}, want: []string{"note.json has the CID", "com.example.defs is installed, and nothing needs it", "com.example.more is not installed, and com.example.note needs it"}},
		{name: "L58 one that is asked for and not there", do: func(p *project) {
			p.write("lexicons.json", strings.Replace(p.tree()["lexicons.json"], `"com.example.note"`, `"com.example.new", "com.example.note"`, 1))
		}, want: []string{"com.example.new is asked for, and not installed"}},
		{name: "L58 one that the command line asks for", do: func(p *project) {}, args: []string{"com.example.new", "at://" + string(other) + "/com.atproto.lexicon.schema/com.example.note", "./x", "com.other.*"}, want: []string{"./x is not installed", "at://" + string(other), "com.example.new is not installed", "com.other.* is not installed"}},
		{name: "L58 a layout of one's own", do: func(p *project) {
			p.write(note, strings.ReplaceAll(p.tree()[note], "\n", "\r\n"))
		}},
		{name: "a file that is no lexicon", do: func(p *project) { p.write(note, "{") }, want: []string{"note.json", "com.example.defs is installed, and nothing needs it"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w, publisher := small(t)
			publisher.publish(map[string]string{"com.example.note": ref("com.example.defs#a"), "com.example.defs": `"a":{"type":"object","properties":{}}`})
			p := newProject(t, w)
			p.install("com.example.note")
			tc.do(p)
			w.requests()
			before := p.tree()
			problems, err := Check(p.options, tc.args)
			if err != nil {
				t.Fatal(err)
			}
			if len(problems) != len(tc.want) {
				t.Errorf("%d problems, want %d: %q", len(problems), len(tc.want), problems)
			}
			for i := range min(len(problems), len(tc.want)) {
				if !strings.Contains(problems[i], tc.want[i]) {
					t.Errorf("%q, want %q in it", problems[i], tc.want[i])
				}
			}
			if diff := cmp.Diff(before, p.tree()); diff != "" {
				t.Error(diff)
			}
			if asked := w.requests(); len(asked) > 0 {
				t.Error(asked)
			}
		})
	}
	t.Run("L58 nothing is installed", func(t *testing.T) {
		if _, err := Check(newProject(t, nil).options, nil); err == nil || !strings.Contains(err.Error(), "is not there") {
			t.Error(err)
		}
	})
}

func TestSources(t *testing.T) {
	lexicon := func(nsid, defs string) string { return `{"lexicon":1,"id":"` + nsid + `","defs":{` + defs + `}}` }
	t.Run("L58 a folder, and what its lexicons need", func(t *testing.T) {
		w, _ := small(t)
		p := newProject(t, w)
		p.write("mine/a.json", lexicon("org.mine.a", ref("org.mine.b")))
		p.write("mine/deep/b.json", lexicon("org.mine.b", ref("com.example.note")))
		p.write("mine/package.json", `{"name":"x"}`)
		p.write("mine/tsconfig.json", "{ // not JSON\n}")
		report := p.install(filepath.Join(p.dir, "mine"))
		p.has("org.mine.a", "org.mine.b", "com.example.note")
		if len(report.Lines) != 3 || len(report.Warnings) != 2 {
			t.Errorf("%+v", report)
		}
		tree := p.tree()
		if tree["lexicons/org/mine/a.json"] != tree["mine/a.json"] || !strings.Contains(tree["lexicons.sources.json"], `"./mine"`) || strings.Contains(tree["lexicons.json"], "org.mine") {
			t.Error(tree)
		}
		if problems, err := Check(p.options, []string{filepath.Join(p.dir, "mine")}); err != nil || len(problems) > 0 {
			t.Error(problems, err)
		}
		w.requests()
		if report := p.install(); len(report.Lines) > 0 || len(w.requests()) > 0 {
			t.Error(report.Lines)
		}
		// A run without the source says so only where it needs it.
		p.write("mine/a.json", lexicon("org.mine.a", token))
		p.remove("mine/deep/b.json")
		if report := p.install(); len(report.Lines) > 0 {
			t.Error(report.Lines)
		}
		report = p.update().install()
		p.has("org.mine.a")
		if len(report.Lines) != 3 {
			t.Error(report.Lines)
		}
		p.remove("lexicons/org/mine/a.json")
		p.install()
		p.has("org.mine.a")
	})
	t.Run("L58 a lexicon that a folder has, by its name", func(t *testing.T) {
		w, _ := small(t)
		p := newProject(t, w)
		p.write("mine/note.json", lexicon("com.example.note", token))
		p.install(p.dir + "/mine")
		before := p.tree()
		for _, arg := range []string{"com.example.note", "com.example.*"} {
			if _, err := Run(t.Context(), p.options, []string{arg}); err == nil || !strings.Contains(err.Error(), "com.example.note is asked for twice, from ./mine and from ") {
				t.Error(err)
			}
		}
		if diff := cmp.Diff(before, p.tree()); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("L58 the folder of what is installed", func(t *testing.T) {
		w, _ := small(t)
		p := newProject(t, w)
		p.install("com.example.note")
		for _, folder := range []string{p.dir + "/lexicons", p.dir + "/lexicons/com", p.dir} {
			if _, err := Run(t.Context(), p.options, []string{folder}); err == nil || !strings.Contains(err.Error(), "would be in the other") {
				t.Error(err)
			}
		}
	})
	t.Run("L58 one lexicon in two folders", func(t *testing.T) {
		p := newProject(t, newWorld(t))
		p.write("a/a.json", lexicon("org.mine.a", token))
		p.write("b/a.json", lexicon("org.mine.a", token))
		if _, err := Run(t.Context(), p.options, []string{p.dir + "/a", p.dir + "/b"}); err == nil || !strings.Contains(err.Error(), "org.mine.a is in ./a and in ./b") {
			t.Error(err)
		}
	})
	t.Run("L58 a git repository, at a commit", func(t *testing.T) {
		p := newProject(t, newWorld(t))
		p.write("repo/lexicons/a.json", lexicon("org.mine.a", token))
		p.write("repo/other/b.json", lexicon("org.mine.b", token))
		p.options.Git = fakeGit(t, filepath.Join(p.dir, "repo"))
		p.install("git+https://git.example.com/x.git#v1:lexicons")
		p.has("org.mine.a")
		want := `{
  "version": 1,
  "sources": {
    "https://git.example.com/x.git#v1:lexicons": {
      "commit": "0123456789abcdef",
      "lexicons": {
        "org.mine.a": "` + string(cidText(t, p.tree()["repo/lexicons/a.json"])) + `"
      }
    }
  }
}
`
		if diff := cmp.Diff(want, p.tree()["lexicons.sources.json"]); diff != "" {
			t.Error(diff)
		}
		log := p.tree()["repo/log"]
		for _, part := range []string{"fetch --quiet --depth=1 --no-tags --no-recurse-submodules -- https://git.example.com/x.git v1", "GIT_ALLOW_PROTOCOL=https", "GIT_TERMINAL_PROMPT=0", "core.symlinks=false", "core.hooksPath=" + os.DevNull} {
			if !strings.Contains(log, part) {
				t.Errorf("git was not called with %q:\n%s", part, log)
			}
		}
		p.install("https://git.example.com/x.git#v2:lexicons") // another ref of the same
		p.has("org.mine.a")
		if text := p.tree()["lexicons.sources.json"]; !strings.Contains(text, "#v2:") || strings.Contains(text, "#v1:") {
			t.Error(text)
		}
		p.install("https://git.example.com/x.git#v1:lexicons")
		p.options.Git = filepath.Join(p.dir, "no-git")
		p.install() // nothing has to be fetched
		if _, err := Run(t.Context(), p.update().options, nil); err == nil || !strings.Contains(err.Error(), "https://git.example.com/x.git#v1:lexicons: git init: ") {
			t.Error(err)
		}
	})
}

func cidText(t *testing.T, text string) syntax.CID {
	t.Helper()
	cid, err := cidOf([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return cid
}
