package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/lexgen/internal/gocommand"
	"github.com/gimucco/atproto-go/lexgen/internal/input"
	"github.com/gimucco/atproto-go/lexgen/internal/program"
	"github.com/gimucco/atproto-go/lexgen/internal/schema"
	"github.com/google/go-cmp/cmp"
)

// proposals are the lines for the config in an error.
var proposals = regexp.MustCompile(`"rename": (\{.*?\})`)

// lexicons are files by NSID.
func lexicons(defs map[string]string) map[string]string {
	files := make(map[string]string)
	for nsid, text := range defs {
		files["lexicons/"+nsid+".json"] = document(nsid, text)
	}
	return files
}

func TestNamesThatClash(t *testing.T) {
	c := newTypeChecker(t)
	union := object(`"x": {"type": "union", "refs": ["#b"]}`) + `, "b": {"type": "object", "properties": {}}`
	for _, tc := range []struct {
		name string
		defs map[string]string
		want []string // parts of the error
	}{
		{"P95 a function that makes unions, and a type", map[string]string{"com.example.a": union, "com.example.newAXUnion": object("")}, []string{"package comexample: NewAXUnion is both"}},
		{"P95 messages and a type", map[string]string{"com.example.feed.watch": `"main": {"type": "subscription", "message": {"schema": {"type": "union", "refs": ["#m"]}}}, "m": {"type": "object", "properties": {}}`, "com.example.feed.watchMessage": object("")}, []string{"FeedWatchMessage is both"}},
		{"P95 a constant and a type", map[string]string{"com.example.a": object(`"k": {"type": "string", "knownValues": ["on"]}`), "com.example.aKOn": object("")}, []string{"AKOn is both"}},
		{"P95 values that differ in case", map[string]string{"com.example.a": object(`"k": {"type": "string", "knownValues": ["on", "On", "oN", "ON"]}`)}, []string{"(value On)", "(value ON)"}},
		{"P95 many fields of one name", map[string]string{"com.example.a": object(`"cid": {"type": "string"}, "CID": {"type": "string"}, "cId": {"type": "string"}, "c-i-d": {"type": "string"}, "cid2": {"type": "string"}, "CID3": {"type": "string"}`)}, []string{`"CID4"`, `"CID5"`}},
		{"P95 pages and a method", map[string]string{"com.example.feed.list": `"main": {"type": "query", "parameters": {"type": "params", "properties": {"cursor": {"type": "string"}}}, "output": {"encoding": "application/json", "schema": {"type": "object", "properties": {"cursor": {"type": "string"}}}}}`, "com.example.feed.listPages": `"main": {"type": "query"}`}, []string{"ListPages is both"}},
		{"P95 a service and a type", map[string]string{"com.example.feed.get": `"main": {"type": "query"}`, "com.example.feedService": object("")}, []string{"FeedService is both"}},
		{"P95 the NSID of a record, and a type", map[string]string{"com.example.a": `"main": {"type": "record", "key": "any", "record": {"type": "object", "properties": {}}}`, "com.example.aNSID": object("")}, []string{"ANSID is both"}},
		{"P95 errors", map[string]string{"com.example.a": `"main": {"type": "query", "errors": [{"name": "Gone"}, {"name": "gone"}, {"name": "GONE"}, {"name": "go-ne"}]}`}, []string{"ErrGone is both"}},
	} {
		t.Run(tc.name+": what the errors propose settles it", func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range lexicons(tc.defs) {
				writeFile(t, filepath.Join(dir, name), text)
			}
			config := filepath.Join(dir, "lexgen.json")
			writeFile(t, config, errorsConfig)
			_, err := program.Read(t.Context(), config, true)
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range tc.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not say %q: %v", part, err)
				}
			}
			renames, names := make(map[string]string), make(map[string]bool)
			for _, m := range proposals.FindAllStringSubmatch(err.Error(), -1) {
				var rename map[string]string
				if err := json.Unmarshal([]byte(m[1]), &rename); err != nil {
					t.Fatal(err)
				}
				for key, name := range rename {
					if names[name] && renames[key] != name {
						t.Errorf("%s is proposed twice: %v", name, err)
					}
					names[name] = true
				}
				maps.Copy(renames, rename)
			}
			text, _ := json.Marshal(renames)
			writeFile(t, config, strings.Replace(errorsConfig, `"inputs"`, `"rename": `+string(text)+`, "inputs"`, 1))
			prog, settled := program.Read(t.Context(), config, true)
			if settled != nil {
				t.Fatalf("with %s: %v\nbefore: %v", text, settled, err)
			}
			if err := c.check(prog); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNamesThatEmissionMakesUp(t *testing.T) {
	c := newTypeChecker(t)
	for _, tc := range []struct {
		name string
		defs map[string]string
		want map[string][]string
	}{
		{"P95 a definition that is called message", map[string]string{"com.example.feed.watch": `"main": {"type": "subscription", "message": {"schema": {"type": "union", "refs": ["#message"]}}}, "message": {"type": "object", "properties": {}}`},
			map[string][]string{"feed_watch.go": {"type FeedWatchMessage struct", "type FeedWatchMessageUnion struct", "*xrpc.Stream[FeedWatchMessageUnion]"}}},
		{"P95 a type that is called as type parameters are", map[string]string{"com.example.t": object(`"x": {"type": "union", "refs": ["com.example.t"]}`)}, map[string][]string{"t.go": {"type T struct", "func NewTXUnion[T2 interface {\n\t*T | *lex.UnknownVariant"}}},
		{"P95 values without letters", map[string]string{"com.example.a": object(`"k": {"type": "string", "knownValues": ["+1", "-1", "👍", "日本", "<=", "!", "", "a-b", "a_b", "JOB_STATE_FAILED", "rkey", "ios", "é", "e"]}`)},
			map[string][]string{"a.go": {`AK1 = "+1"`, `AKU002D1 = "-1"`, `AKU1F44D = "👍"`, `AKU65E5U672C = "日本"`, `AKU003CU003D = "<="`, `AKU0021 = "!"`, `AKEmpty = ""`, `AKAB = "a-b"`, `AKAU005FB = "a_b"`, `AKJobStateFailed = "JOB_STATE_FAILED"`, `AKRKey = "rkey"`, `AKIOS = "ios"`, `AKU00E9 = "é"`, `AKE = "e"`}}},
		{"lexicons that differ in case", map[string]string{"com.example.foobar": object(""), "com.example.fooBar": object(""), "com.example.foobaR": object("")}, map[string][]string{"foobar.go": {"type FooBar "}, "foobar_2.go": {"type FoobaR "}, "foobar_3.go": {"type Foobar "}, "foobar_2_codec.go": {"func (s *FoobaR) DecodeLex"}}},
		{"P95 lexicons that are called as files of codecs are", map[string]string{"com.example.video": object(""), "com.example.video.codec": object(""), "com.example.video.codec.lexicon": object("")},
			map[string][]string{"video.go": {"type Video "}, "video_codec.go": {"func (s *Video) DecodeLex"}, "video_codec_lexicon.go": {"type VideoCodec "}, "video_codec_lexicon_codec.go": {"func (s *VideoCodec) DecodeLex"}, "video_codec_lexicon_2.go": {"type VideoCodecLexicon "}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, code := tolerate(t, c, errorsConfig, lexicons(tc.defs))
			for name, parts := range tc.want {
				for _, part := range parts {
					squeezed := strings.Join(strings.Fields(code["comexample/"+name]), " ")
					if !strings.Contains(squeezed, strings.Join(strings.Fields(part), " ")) {
						t.Errorf("%s: no %q in\n%s", name, part, code["comexample/"+name])
					}
				}
			}
		})
	}
}

func TestPackagesOfAuthorities(t *testing.T) {
	c := newTypeChecker(t)
	t.Run("P46 lexicons that end alike and authorities that are spelled alike are kept apart", func(t *testing.T) {
		var docs []*schema.Document
		for _, nsid := range []string{"com.example.a.getThing", "com.example.b.getThing", "com.my-site.thing", "com.mysite.thing", "io.github.somebody.thing", "internal.testdata.thing", "go.type.thing"} {
			doc, err := schema.Parse(nsid+".json", []byte(document(nsid, object(`"x": {"type": "string"}`))))
			if err != nil {
				t.Fatal(err)
			}
			docs = append(docs, doc)
		}
		prog, renames, err := program.Guess(input.Of(docs...), program.Packages("x.test", docs), false)
		if err != nil || len(renames) > 0 {
			t.Fatal(err, renames)
		}
		if err := prog.Render(); err != nil {
			t.Fatal(err)
		}
		if err := c.check(prog); err != nil {
			t.Error(err)
		}
		got := make(map[string]string)
		for _, p := range prog.Packages {
			for key, name := range p.Manifest {
				got[strings.TrimSuffix(key, ":defs.main")] = p.Path + " " + name
			}
		}
		want := map[string]string{
			"com.example.a.getThing": "x.test/comexample AGetThing", "com.example.b.getThing": "x.test/comexample BGetThing", "com.my-site.thing": "x.test/commysite Thing", "com.mysite.thing": "x.test/commysite2 Thing",
			"io.github.somebody.thing": "x.test/iogithub SomebodyThing", "internal.testdata.thing": "x.test/internaltestdata Thing", "go.type.thing": "x.test/gotype Thing",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestNamesOfExternalPackages(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := gocommand.WriteModule(dir, "x.test", root); err != nil {
		t.Fatal(err)
	}
	use := func(properties, packages string) (string, []string, error) {
		writeFile(t, filepath.Join(dir, "lexgen.json"), fmt.Sprintf(`{"inputs": ["lexicons", "module:%s/lexicons"], "generate": ["io.github.somebody.*"], "packages": [
			{"prefixes": ["io.github.somebody"], "name": "somebody", "path": "x.test/somebody", "dir": "somebody"}, %s]}`, gocommand.Library, packages))
		writeFile(t, filepath.Join(dir, "lexicons/like.json"), document("io.github.somebody.like", object(properties)))
		warnings, err := generate(t.Context(), filepath.Join(dir, "lexgen.json"))
		types, _ := os.ReadFile(filepath.Join(dir, "somebody/like.go"))
		codec, _ := os.ReadFile(filepath.Join(dir, "somebody/like_codec.go"))
		return string(types) + string(codec), warnings, err
	}
	const appbsky = `{"prefixes": ["app.bsky"], "name": "appbsky", "path": "` + gocommand.Library + `/generated/appbsky", "external": true}, {"prefixes": ["com.atproto"], "name": "comatproto", "path": "` + gocommand.Library + `/generated/comatproto", "external": true}`
	t.Run("P95 are those that exist there", func(t *testing.T) {
		code, warnings, err := use(`"a": {"type": "ref", "ref": "app.bsky.labeler.service"}, "b": {"type": "ref", "ref": "app.bsky.actor.defs#preferences"}`, appbsky)
		if err != nil || len(warnings) > 0 {
			t.Fatal(err, warnings)
		}
		for _, part := range []string{"A *appbsky.LabelerServiceRecord", "B appbsky.ActorDefsPreferences", "DecodeSlice[appbsky.ActorDefsPreferencesUnion]"} {
			if !strings.Contains(strings.Join(strings.Fields(code), " "), part) {
				t.Errorf("no %q in\n%s", part, code)
			}
		}
	})
	t.Run("P95 what is not there is an error", func(t *testing.T) {
		writeFile(t, filepath.Join(dir, "lexicons/newer.json"), document("app.bsky.newer", object("")))
		_, _, err := use(`"a": {"type": "ref", "ref": "app.bsky.newer"}`, appbsky)
		if err == nil || !strings.Contains(err.Error(), "config: package github.com/gimucco/atproto-go/generated/appbsky has nothing for app.bsky.newer:defs.main") {
			t.Error(err)
		}
	})
	t.Run("a package without a manifest is guessed, with a warning", func(t *testing.T) {
		for path, want := range map[string]string{
			"x.test/none":               "config: package x.test/none is not among the packages that the current module can import; go get it: its names are guessed",
			gocommand.Library + "/xrpc": "config: package github.com/gimucco/atproto-go/xrpc has no lexgen.names; an older lexgen wrote it: its names are guessed",
		} {
			_, warnings, err := use(`"a": {"type": "ref", "ref": "app.bsky.labeler.service"}`, `{"prefixes": ["app.bsky", "com.atproto"], "name": "other", "path": "`+path+`", "external": true}`)
			if err != nil || len(warnings) != 1 || warnings[0] != want {
				t.Errorf("%q, %v", warnings, err)
			}
		}
	})
}
