package main

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"path/filepath"
	"strings"
	"testing"
)

// writePNG writes a picture and returns its file.
func writePNG(tb testing.TB) string {
	tb.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 4, 3))); err != nil {
		tb.Fatal(err)
	}
	return writeFile(tb, filepath.Join(tb.TempDir(), "cat.png"), b.String())
}

func TestPost(t *testing.T) {
	u := newUser(t).in("bob").in("alice")
	// written posts, and returns what is there then.
	written := func(t *testing.T, u *user, args ...string) (uri, record string) {
		t.Helper()
		r := u.do(append([]string{"post"}, args...)...)
		r.want(t, 0)
		uri = strings.TrimSpace(r.stdout)
		got := u.do("record", "get", uri)
		got.want(t, 0)
		return uri, got.stdout
	}
	wants := func(t *testing.T, record string, texts ...string) {
		t.Helper()
		for _, text := range texts {
			if !strings.Contains(record, text) {
				t.Errorf("it has no %s:\n%s", text, record)
			}
		}
	}
	uri, record := written(t, u, "Hello @bob.test", "--account", "alice.test", "--lang", "en", "--lang", "pt-BR")
	wants(t, record, `"text": "Hello @bob.test"`, "app.bsky.richtext.facet#mention", `"pt-BR"`)
	if !strings.HasPrefix(uri, "at://"+alice+"/app.bsky.feed.post/") {
		t.Errorf("got %q", uri)
	}
	t.Run("the text of the standard input", func(t *testing.T) {
		_, record := written(t, u.typing("from a pipe\n"), "-a", "alice.test")
		wants(t, record, `"text": "from a pipe"`)
		_, record = written(t, u.typing("dash\n"), "-", "-a", "alice.test")
		wants(t, record, `"text": "dash"`)
	})
	t.Run("a reply and a quote, across accounts, by URI and by page", func(t *testing.T) {
		key := uri[strings.LastIndex(uri, "/")+1:]
		_, record := written(t, u, "yes", "--account", "bob.test", "--reply-to", "https://bsky.app/profile/alice.test/post/"+key, "--quote", uri)
		wants(t, record, `"reply"`, `"root"`, uri, "app.bsky.embed.record")
	})
	t.Run("pictures", func(t *testing.T) {
		file := writePNG(t)
		_, record := written(t, u, "look", "-a", "alice.test", "--image", file+":A cat: asleep.", "--image", file+":")
		wants(t, record, `"alt": "A cat: asleep."`, `"alt": ""`, `"mimeType": "image/png"`, `"width": 4`)
	})
	t.Run("JSON", func(t *testing.T) {
		var ref struct{ URI, CID string }
		if err := json.Unmarshal([]byte(u.do("post", "x", "--json", "-a", "alice.test").stdout), &ref); err != nil || ref.CID == "" {
			t.Errorf("got %+v, %v", ref, err)
		}
	})
}

func TestWrongUsesOfPost(t *testing.T) {
	folder := t.TempDir()
	text := writeFile(t, filepath.Join(folder, "no.png"), "no picture")
	cat := writePNG(t)
	for _, tt := range []struct {
		name   string
		args   []string
		stdin  string
		status int
		want   string
	}{
		{"two texts", []string{"Hello", "world"}, "", 2, "the text is one argument, and these are 2: put it in quotes"},
		{"nothing", nil, "", 2, "the post is empty: give a text"},
		{"no UTF-8", nil, "\xff", 1, "convert it"},
		{"a book", nil, strings.Repeat("x", 70<<10), 1, "300 characters are the most"},
		{"301 characters", []string{strings.Repeat("x", 301)}, "", 1, "300"},
		{"a picture without alt", []string{"x", "--image", cat}, "", 2, `or "cat.jpg:" for no alt text`},
		{"a picture that is not there", []string{"x", "--image", folder + "/none.png:x"}, "", 1, "no such file"},
		{"a folder", []string{"x", "--image", folder + ":x"}, "", 1, "is a folder: give a file"},
		{"no picture", []string{"x", "--image", text + ":x"}, "", 1, "not a picture"},
		{"five pictures", []string{"x", "--image", cat + ":", "--image", cat + ":", "--image", cat + ":", "--image", cat + ":", "--image", cat + ":"}, "", 2, "four are the most"},
		{"a reply to nothing", []string{"x", "--reply-to", "x"}, "", 2, "--reply-to: "},
		{"a reply to a profile", []string{"x", "--reply-to", "at://bob.test/app.bsky.actor.profile/self"}, "", 2, "it has to be a post"},
		{"a reply to a post that is not there", []string{"x", "--reply-to", "at://alice.test/app.bsky.feed.post/3jzfcijpj2z2a"}, "", 1, "there is no such post: copy its address anew"},
		{"a quote of what is not there", []string{"x", "--quote", "at://alice.test/app.bsky.feed.post/3jzfcijpj2z2a"}, "", 1, "--quote: there is no such record: copy its address anew"},
		{"a quote of nobody", []string{"x", "--quote", "at://nobody.test/app.bsky.feed.post/x"}, "", 1, "no such account is found: DNS does not know the name"},
		{"no language", []string{"x", "--lang", "English language"}, "", 2, "write it as en or pt-BR"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newUser(t).in("alice").typing(tt.stdin).do(append([]string{"post"}, tt.args...)...)
			r.want(t, tt.status, tt.want)
			if r.stdout != "" {
				t.Errorf("standard output: %s", r.stdout)
			}
		})
	}
	if got, err := readPicture(`C:\none\cat.jpg:A cat`); err != nil || got != (picture{`C:\none\cat.jpg`, "A cat"}) {
		t.Errorf("the drive is taken for the file: %v, %v", got, err)
	}
}
