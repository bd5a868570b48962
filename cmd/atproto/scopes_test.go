package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/oauth/scope"
)

func TestScopes(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"app.bsky.feed.post", "atproto repo:app.bsky.feed.post"},
		{"com.atproto.server.getSession", "atproto"},
		{"com.atproto.repo.createRecord com.atproto.repo.putRecord", "atproto repo:*?action=create repo:*?action=create&action=update"},
		{"com.atproto.repo.uploadBlob", "atproto blob:*/*"},
		{"app.bsky.feed.getTimeline app.bsky.actor.getProfile", "atproto rpc?lxm=app.bsky.actor.getProfile&lxm=app.bsky.feed.getTimeline&aud=did:web:api.bsky.app%23bsky_appview"},
		{"chat.bsky.convo.listConvos", "atproto rpc:chat.bsky.convo.listConvos?aud=did:web:api.bsky.chat%23bsky_chat"},
		{"com.atproto.server.getServiceAuth --audience did:web:api.example.com#thing", "atproto rpc:*?aud=did:web:api.example.com%23thing"},
		{"com.example.thing.get --audience did:web:api.example.com#thing", "atproto rpc:com.example.thing.get?aud=did:web:api.example.com%23thing"},
		{"app.bsky.feed.getTimelin --audience did:web:api.example.com#view", "atproto rpc:app.bsky.feed.getTimelin?aud=did:web:api.example.com%23view"},
		{"app.bsky.feed.getTimeline --audience did:web:api.example.com#view", "atproto rpc:app.bsky.feed.getTimeline?aud=did:web:api.example.com%23view"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			r := atproto(t, append([]string{"scopes"}, strings.Fields(tt.args)...)...)
			r.want(t, 0)
			if got := strings.TrimSpace(r.stdout); got != tt.want || r.stderr != "" {
				t.Errorf("got %q and %q, want %q", got, r.stderr, tt.want)
			}
			set, err := scope.Parse(strings.TrimSpace(r.stdout))
			if err == nil {
				err = set.Validate()
			}
			if err != nil {
				t.Errorf("no client may ask for it: %v", err)
			}
		})
	}
	var v struct {
		Scope string
		Needs []need
	}
	r := atproto(t, "scopes", "--json", "app.bsky.feed.post", "com.atproto.repo.uploadBlob")
	if err := json.Unmarshal([]byte(r.stdout), &v); err != nil || v.Scope != "atproto repo:app.bsky.feed.post blob:*/*" || len(v.Needs) != 2 || v.Needs[1].Scope != "blob:*/*" {
		t.Errorf("got %+v, %v", v, err)
	}
	t.Run("a method that is newer is warned of", func(t *testing.T) {
		r := atproto(t, "scopes", "app.bsky.unheard.somethingEntirelyDifferent")
		r.want(t, 0, "atproto rpc:app.bsky.unheard.somethingEntirelyDifferent?aud=did:web:api.bsky.app%23bsky_appview")
		if !strings.Contains(r.stderr, "is not known here") {
			t.Errorf("no warning: %q", r.stderr)
		}
	})
	t.Run("a session of that scope may do it", func(t *testing.T) {
		u := newUser(t)
		u.do("login", "--scope", strings.TrimSpace(atproto(t, "scopes", "app.bsky.feed.post").stdout), "alice.test").want(t, 0)
		u.do("post", "hello").want(t, 0, "at://")
		u.typing(profile).do("record", "put", "app.bsky.actor.profile/self", "-i", "-").want(t, 1, "may not do this: run atproto login --scope")
	})
}

func TestWrongUsesOfScopes(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"", "say what for: give the NSIDs of methods and collections"},
		{"post", "is no name of a method or a collection: write it as app.bsky.feed.post"},
		{"app.bsky.feed.getTimelin", "is not known here: did you mean app.bsky.feed.getTimeline? If not, name the service that answers it by --audience"},
		{"app.bsky.fed.post", "did you mean app.bsky.feed.post?"},
		{"com.atproto.repo.creatRecord", "did you mean com.atproto.repo.createRecord?"},
		{"com.example.thing.get", "name it by --audience, such as did:web:api.example.com#service"},
		{"com.atproto.server.getServiceAuth", "makes a token for another service, and its scope is that of what the token is for: give the method that you will call there, and the service by --audience"},
		{"com.atproto.label.queryLabels", "is answered by a service: name it by --audience, such as did:web:api.example.com#service\n"},
		{"com.example.thing.get --audience x", "--audience"},
		{"com.atproto.sync.subscribeRepos", "is a stream, which nobody logs in for"},
		{"com.atproto.admin.deleteAccount", "needs a login by password"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			r := atproto(t, append([]string{"scopes"}, strings.Fields(tt.args)...)...)
			if r.want(t, 2, tt.want); r.stdout != "" {
				t.Errorf("standard output: %s", r.stdout)
			}
		})
	}
}
