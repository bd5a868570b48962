package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// A tap answers some requests in the place of the network behind it.
type tap struct {
	behind  http.RoundTripper
	answers map[string]func(*http.Request) *http.Response // by path
}

func (t tap) RoundTrip(req *http.Request) (*http.Response, error) {
	if answer, ok := t.answers[req.URL.Path]; ok {
		resp := answer(req)
		resp.Request = req
		return resp, nil
	}
	return t.behind.RoundTrip(req)
}

func answer(status int, contentType, body string) func(*http.Request) *http.Response {
	return func(*http.Request) *http.Response {
		return &http.Response{
			StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body)),
			Header: http.Header{"Content-Type": {contentType}}, Body: io.NopCloser(strings.NewReader(body)),
		}
	}
}

// tapped returns the user with some answers of the network replaced.
func (u *user) tapped(answers map[string]func(*http.Request) *http.Response) *user {
	other := *u
	other.roundTripper = tap{u.server.Environment().Transport(), answers}
	return &other
}

const profile = `{"displayName":"Alice"}`

func TestRecord(t *testing.T) {
	u := newUser(t).in("alice")
	t.Run("is created, with the $type that is missing", func(t *testing.T) {
		r := u.typing(`{"text":"one","createdAt":"2026-01-02T03:04:05Z"}`).do("record", "create", "app.bsky.feed.post", "--input", "-", "--rkey", "3jzfcijpj2z2a")
		r.want(t, 0)
		if want := "at://" + alice + "/app.bsky.feed.post/3jzfcijpj2z2a\n"; r.stdout != want {
			t.Errorf("got %q, want %q", r.stdout, want)
		}
		r = u.typing(`{"$type":"app.bsky.feed.post","text":"two","createdAt":"2026-01-02T03:04:05Z"}`).do("record", "create", "app.bsky.feed.post", "-i", "-", "--json")
		r.want(t, 0, `"uri":"at://`, `"cid":"bafyrei`)
	})
	t.Run("is read by URI, by page, by its name alone, by anybody", func(t *testing.T) {
		for _, name := range []string{"at://alice.test/app.bsky.feed.post/3jzfcijpj2z2a", "https://bsky.app/profile/" + alice + "/post/3jzfcijpj2z2a", "app.bsky.feed.post/3jzfcijpj2z2a"} {
			u.do("record", "get", name).want(t, 0, "{\n  \"", `"text": "one"`)
		}
		nobody := *u
		nobody.env = map[string]string{"ATPROTO_CONFIG_DIR": t.TempDir()}
		nobody.do("record", "get", "at://alice.test/app.bsky.feed.post/3jzfcijpj2z2a", "--json").want(t, 0, `"cid":"bafyrei`, `"value":{`)
		nobody.do("record", "get", "app.bsky.feed.post/3jzfcijpj2z2a", "--account", "alice.test").want(t, 0, `"text": "one"`)
		nobody.do("record", "get", "app.bsky.feed.post/3jzfcijpj2z2a").want(t, 1, "nobody is logged in")
	})
	t.Run("is put, and with --swap only if nobody else was faster", func(t *testing.T) {
		u.typing(profile).do("record", "put", "app.bsky.actor.profile/self", "--input", "-", "--swap", "none").want(t, 0, "/self\n")
		u.typing(`{"displayName":"Eve"}`).do("record", "put", "app.bsky.actor.profile/self", "--input", "-", "--swap", "none").want(t, 1, "get it anew")
		var got struct{ CID string }
		if err := json.Unmarshal([]byte(u.do("record", "get", "app.bsky.actor.profile/self", "--json").stdout), &got); err != nil {
			t.Fatal(err)
		}
		u.do("record", "get", "app.bsky.actor.profile/self", "--cid", got.CID).want(t, 0, "Alice")
		u.typing(`{"displayName":"Al"}`).do("record", "put", "at://alice.test/app.bsky.actor.profile/self", "--input", "-", "--swap", got.CID).want(t, 0)
		u.typing(`{"displayName":"Eve"}`).do("record", "put", "app.bsky.actor.profile/self", "--input", "-", "--swap", got.CID).want(t, 1, "the record is another than --swap says")
		u.do("record", "delete", "app.bsky.actor.profile/self", "--swap", got.CID).want(t, 1, "the record is another than --swap says")
		u.do("record", "get", "app.bsky.actor.profile/self").want(t, 0, "Al")
	})
	t.Run("is listed", func(t *testing.T) {
		r := u.do("record", "list", "app.bsky.feed.post")
		r.want(t, 0, `"text":"one"`, `"text":"two"`)
		for _, args := range []string{"at://alice.test/app.bsky.feed.post --json", "app.bsky.feed.post --repo alice.test --json --limit 0", "app.bsky.feed.post --reverse --json"} {
			r := u.do(append([]string{"record", "list"}, strings.Fields(args)...)...)
			if lines := strings.Split(strings.TrimSpace(r.stdout), "\n"); r.status != 0 || len(lines) != 2 || !json.Valid([]byte(lines[0])) {
				t.Errorf("%s: got %+v", args, r)
			}
		}
		if r := u.do("record", "list", "app.bsky.feed.post", "--limit", "1"); strings.Count(r.stdout, "\n") != 1 {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("collections are listed", func(t *testing.T) {
		u.do("record", "list").want(t, 0, "app.bsky.actor.profile\napp.bsky.feed.post\n")
		u.do("record", "list", "--repo", "alice.test", "--json").want(t, 0, `["app.bsky.actor.profile","app.bsky.feed.post"]`)
	})
	t.Run("is deleted, and once more is no error", func(t *testing.T) {
		u.do("record", "delete", "app.bsky.feed.post/3jzfcijpj2z2a").want(t, 0)
		u.do("record", "delete", "app.bsky.feed.post/3jzfcijpj2z2a").want(t, 0)
		u.do("record", "get", "app.bsky.feed.post/3jzfcijpj2z2a").want(t, 1, "there is no such record", "atproto record list")
	})
	t.Run("of a lexicon that is not known here is written", func(t *testing.T) {
		u.typing(`{"a":1}`).do("record", "put", "com.example.note/x", "-i", "-").want(t, 0, "com.example.note/x")
		u.do("record", "get", "com.example.note/x").want(t, 0, `"$type": "com.example.note"`)
	})
	t.Run("that breaks its lexicon is written only where that is asked for", func(t *testing.T) {
		u.typing(`{"text":"no time"}`).do("record", "create", "app.bsky.feed.post", "-i", "-").want(t, 1, "breaks the lexicon of app.bsky.feed.post; --validate=false", "createdAt")
		u.typing(`{"text":"`+strings.Repeat("x", 301)+`","createdAt":"2026-01-02T03:04:05Z"}`).do("record", "create", "app.bsky.feed.post", "-i", "-").want(t, 1, "breaks the lexicon", "300")
		u.typing(`{"text":"no time"}`).do("record", "create", "app.bsky.feed.post", "-i", "-", "--validate=false").want(t, 0)
	})
}

func TestWrongUsesOfRecord(t *testing.T) {
	folder := t.TempDir()
	file := func(text string) string {
		return writeFile(t, filepath.Join(folder, fmt.Sprintf("%x.json", text)), text)
	}
	post := file(`{"text":"x","createdAt":"2026-01-02T03:04:05Z"}`)
	for _, tt := range []struct {
		args   string
		status int
		want   string
	}{
		{"", 2, "say what to do"},
		{"gte", 2, "did you mean get?"},
		{"get", 2, "say which record: give its at:// URI"},
		{"put", 2, "say which record"},
		{"delete", 2, "say which record"},
		{"create", 2, "say into which collection, such as app.bsky.feed.post"},
		{"list a b", 2, "is too much"},
		{"list app.bsky.feed.post --limit x", 2, `--limit: "x" is not a whole number`},
		{"get self", 2, "names no record: write it as an at:// URI"},
		{"get at://alice.test", 2, "it has to have a collection and a key"},
		{"get at://alice.test/a", 2, "is not the URI of a record"},
		{"get at://alice.test/app.bsky.feed.post", 2, "it has to have a collection and a key"},
		{"get https://bsky.app/profile/alice.test", 2, "shows no record: copy the address of a post"},
		{"get https://bsky.app/profile/alice.test/post/..", 2, "shows no record"},
		{"get app.bsky.feed.post/a/b", 2, "is no key of a record"},
		{"get app.bsky.feed.post/x --cid y", 2, "--cid"},
		{"get at://nobody.test/app.bsky.feed.post/x", 1, "no such account is found: DNS does not know the name"},
		{"list posts", 2, `"posts" names no collection: write it as app.bsky.feed.post, or as at://`},
		{"list at://alice.test/posts", 2, "names no collection: write it as app.bsky.feed.post"},
		{"get app.bsky.feed.post/x --cid nonsense", 2, "--cid: \"nonsense\" is not the CID of a record"},
		{"delete app.bsky.feed.post/x --swap nonsense", 2, "--swap: \"nonsense\" is not the CID of a record"},
		{"list app.bsky.feed.post/x", 2, "atproto record get prints it"},
		{"list at://alice.test --repo alice.test", 2, "--repo: the URI names a repository already"},
		{"list app.bsky.feed.post --limit -1", 2, "--limit: -1 is less than 0, which is for no limit"},
		{"list --repo https://pds.test", 1, "is a server: give the handle or the DID"},
		{"list --repo alice", 1, "type the whole of it"},
		{"create app.bsky.feed.post", 2, "give it by --input FILE"},
		{"create post --input x", 2, "is no collection: write it as app.bsky.feed.post"},
		{"create app.bsky.feed.post --rkey a/b --input " + post, 2, "is no key of a record"},
		{"create app.bsky.feed.post --input " + folder + "/none", 1, "no such file"},
		{"create app.bsky.feed.post --input " + file("{"), 1, "is not JSON: mend it"},
		{"create app.bsky.feed.post --input " + file("[]"), 1, "the input is no record: a record is an object, such as {\"text\":\"Hello\"}\n"},
		{"create app.bsky.feed.post --input " + file(`{"$link":"bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"}`), 1, "a record is an object, such as"},
		{"create app.bsky.feed.post --input " + file(`{"a":1.5}`), 1, "is no record: lex: "},
		{"create app.bsky.feed.post --input " + file(`{"$type":"app.bsky.feed.like"}`), 1, "they have to be the same"},
		{"create app.bsky.feed.post --input " + file(`{}`), 1, "breaks the lexicon"},
		{"put app.bsky.feed.post --input " + post, 2, "it has to have a collection and a key"},
		{"put app.bsky.feed.post/x", 2, "give it by --input FILE"},
		{"put app.bsky.feed.post/x --swap y --input " + post, 2, "atproto record get --json prints it"},
		{"put at://bob.test/app.bsky.feed.post/x --input " + post, 1, "is in the repository of bob.test, and you act as alice.test: give --account"},
		{"delete app.bsky.feed.post", 2, "it has to have a collection and a key"},
		{"delete app.bsky.feed.post/x --swap y", 2, "--swap"},
		{"delete at://bob.test/app.bsky.feed.post/x", 1, "give --account"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			r := newUser(t).in("alice").do(append([]string{"record"}, strings.Fields(tt.args)...)...)
			r.want(t, tt.status, tt.want)
			if r.stdout != "" {
				t.Errorf("standard output: %s", r.stdout)
			}
		})
	}
}
