package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// edit changes a lexicon: what is at a path is what change returns, nil takes it away.
func edit(t testing.TB, dir, nsid, path string, change func(any) any) {
	t.Helper()
	file := filepath.Join(dir, strings.ReplaceAll(nsid, ".", "/")+".json")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	at := doc
	keys := strings.Split(path, "/")
	for _, key := range keys[:len(keys)-1] {
		next, ok := at[key].(map[string]any)
		if !ok {
			t.Fatalf("%s: %s: nothing is at %s", nsid, path, key)
		}
		at = next
	}
	last := keys[len(keys)-1]
	at[last] = change(at[last])
	if at[last] == nil {
		delete(at, last)
	}
	if text, err = json.Marshal(doc); err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, string(text))
}

func to(v any) func(any) any { return func(any) any { return v } }

func plus(v any) func(any) any {
	return func(list any) any {
		items, _ := list.([]any)
		return append(items, v)
	}
}

func without(v any) func(any) any {
	return func(list any) any {
		return slices.DeleteFunc(list.([]any), func(item any) bool {
			m, _ := item.(map[string]any)
			return item == v || m != nil && m["name"] == v
		})
	}
}

type m = map[string]any

func TestDiffOfTwentyChanges(t *testing.T) {
	old, dir := t.TempDir(), t.TempDir()
	for _, copied := range []string{old, dir} {
		if err := os.CopyFS(copied, os.DirFS("../lexicons")); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(copied, "com/example/access.json"), document("com.example.access", `"main": {"type": "permission-set", "title": "Access", "permissions": [{"type": "permission", "resource": "repo", "collection": ["com.example.thing"]}]}`))
	}
	text := m{"type": "string"}
	for _, change := range []struct {
		nsid, path string
		change     func(any) any
	}{
		{"app.bsky.feed.post", "defs/main/description", to("Something else.")},
		{"app.bsky.feed.post", "defs/main/record/properties/text/maxLength", to(nil)},
		{"app.bsky.feed.post", "defs/main/record/properties/mood", to(text)},
		{"app.bsky.feed.post", "defs/main/record/properties/embed/refs", without("app.bsky.embed.external")},
		{"app.bsky.feed.post", "defs/main/record/properties/embed/refs", plus("app.bsky.feed.like")},
		{"app.bsky.feed.like", "defs/main/record/required", plus("via")},
		{"app.bsky.actor.profile", "defs/main/key", to("any")},
		{"app.bsky.actor.profile", "defs/main/record/properties/pronouns", to(nil)},
		{"app.bsky.graph.getList", "defs/main/type", to("procedure")},
		{"com.atproto.repo.putRecord", "defs/main/errors", plus(m{"name": "TooMuch"})},
		{"com.atproto.repo.putRecord", "defs/main/errors", without("InvalidSwap")},
		{"com.atproto.server.deleteAccount", "defs/main/errors", without("ExpiredToken")},
		{"com.atproto.label.defs", "defs/labelValue/knownValues", without("porn")},
		{"com.atproto.server.getSession", "defs/main/parameters", to(m{"type": "params", "properties": m{"why": text}})},
		{"app.bsky.feed.getTimeline", "defs/main/parameters/properties/limit/maximum", to(200)},
		{"app.bsky.feed.getTimeline", "defs/main/parameters/properties/limit/default", to(60)},
		{"app.bsky.feed.repost", "defs/main/record/properties/createdAt/format", to(nil)},
		{"com.example.access", "defs/main/permissions", plus(m{"type": "permission", "resource": "blob", "accept": []any{"image/*"}})},
		{"com.atproto.sync.listRepos", "defs/main/output/schema/properties/hosts", to(m{"type": "array", "items": text})},
		{"com.atproto.sync.listRepos", "defs/repo/properties/rev/format", to("cid")},
	} {
		edit(t, dir, change.nsid, change.path, change.change)
	}
	writeFile(t, filepath.Join(dir, "app/bsky/newer.json"), document("app.bsky.newer", object("")))
	if err := os.Remove(filepath.Join(dir, "com/atproto/server/requestAccountDelete.json")); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`forbidden  app.bsky.actor.profile: defs.main: key was literal:self and is any`,
		`allowed    app.bsky.actor.profile: defs.main.record.properties.pronouns: the property was removed: it is kept in Extra; better keep it, deprecated`,
		`breaks Go  app.bsky.actor.profile: ActorProfile.Pronouns is gone`,
		`forbidden  app.bsky.feed.getTimeline: defs.main.parameters.properties.limit: maximum was 100 and is 200`,
		`allowed    app.bsky.feed.getTimeline: defs.main.parameters.properties.limit: default changed: what is left out means something else`,
		`forbidden  app.bsky.feed.like: defs.main.record.properties.via: was optional and is required`,
		`breaks Go  app.bsky.feed.like: FeedLike.Via was *comatproto.RepoStrongRef and is comatproto.RepoStrongRef`,
		`allowed    app.bsky.feed.post: defs.main.record.properties.embed: member app.bsky.feed.like is new`,
		`allowed    app.bsky.feed.post: defs.main.record.properties.embed: member app.bsky.embed.external was removed: it is read as an unknown one`,
		`allowed    app.bsky.feed.post: defs.main.record.properties.mood: the property is new`,
		`forbidden  app.bsky.feed.post: defs.main.record.properties.text: maxLength was removed: 3000`,
		`breaks Go  app.bsky.feed.post: FeedPostEmbedUnion: member EmbedExternal is gone`,
		`forbidden  app.bsky.feed.repost: defs.main.record.properties.createdAt: format was "datetime" and is ""`,
		`breaks Go  app.bsky.feed.repost: FeedRepost.CreatedAt was syntax.Datetime and is string`,
		`forbidden  app.bsky.graph.getList: defs.main: the type was query and is procedure`,
		`breaks Go  app.bsky.graph.getList: GraphService.GetListAll is gone`,
		`breaks Go  app.bsky.graph.getList: GraphService.GetListPages is gone`,
		`allowed    app.bsky.newer: the lexicon is new`,
		`allowed    com.atproto.label.defs: defs.labelValue: known value "porn" was removed`,
		`breaks Go  com.atproto.label.defs: LabelDefsLabelValuePorn is gone`,
		`allowed    com.atproto.repo.putRecord: defs.main: error TooMuch is new`,
		`allowed    com.atproto.repo.putRecord: defs.main: error InvalidSwap was removed`,
		`allowed    com.atproto.server.deleteAccount: defs.main: error ExpiredToken was removed`,
		`allowed    com.atproto.server.getSession: defs.main.parameters.properties.why: the property is new`,
		`breaks Go  com.atproto.server.getSession: ServerService.GetSession was func(ctx) (*ServerGetSessionOutput, error) and is func(ctx, *ServerGetSessionParams) (*ServerGetSessionOutput, error)`,
		`forbidden  com.atproto.server.requestAccountDelete: the lexicon was removed`,
		`breaks Go  com.atproto.server.requestAccountDelete: ServerService.RequestAccountDelete is gone`,
		`allowed    com.atproto.sync.listRepos: defs.main.output.schema.properties.hosts: the property is new`,
		`forbidden  com.atproto.sync.listRepos: defs.repo.properties.rev: format was "tid" and is "cid"`,
		`breaks Go  com.atproto.sync.listRepos: SyncListReposRepo.Rev was syntax.TID and is syntax.CID`,
		`allowed    com.example.access: defs.main: permission accept=["image/*"] resource="blob" is new`,
	}
	t.Run("P96 L54 every finding is right and none is missing", func(t *testing.T) {
		status, stdout, stderr := lexgen(t, "diff", old, dir)
		if diff := cmp.Diff(want, strings.Split(strings.TrimSpace(stdout), "\n")); diff != "" || status != 1 {
			t.Errorf("status %d: %s%s", status, diff, stderr)
		}
	})
	t.Run("P96 a text for a pull request", func(t *testing.T) {
		counted := func(title, verdict string) string {
			n := 0
			for _, line := range want {
				if strings.HasPrefix(line, verdict) {
					n++
				}
			}
			return fmt.Sprintf("\n### %s (%d)\n", title, n)
		}
		status, stdout, stderr := lexgen(t, "diff", "--markdown", old, dir)
		for _, part := range []string{
			"## Lexicons\n\n### Forbidden by the rules for the evolution of lexicons", "\n- `app.bsky.actor.profile` defs.main: key was literal:self and is any\n",
			counted("Breaks Go", "breaks Go"), counted("Allowed", "allowed"), "FeedLike.Via was &#42;comatproto.RepoStrongRef and is comatproto.RepoStrongRef\n",
		} {
			if status != 1 || !strings.Contains(stdout, part) {
				t.Errorf("status %d: no %q in\n%s%s", status, part, stdout, stderr)
			}
		}
		if status, stdout, _ := lexgen(t, "diff", "--markdown", old, old); status != 0 || stdout != "## Lexicons\n\nNothing changed.\n" {
			t.Errorf("status %d: %s", status, stdout)
		}
	})
}
