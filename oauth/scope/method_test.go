package scope_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func TestForMethod(t *testing.T) {
	const labeler = "did:web:labeler.example#atproto_labeler"
	for _, tt := range []struct {
		method   syntax.NSID
		audience string
		want     string
	}{
		{"com.atproto.server.getSession", "", "atproto"},
		{"com.atproto.server.describeServer", "nonsense that nobody looks at", "atproto"},
		{"com.atproto.repo.createRecord", "", "repo:*?action=create"},
		{"com.atproto.repo.putRecord", "", "repo:*?action=create&action=update"},
		{"com.atproto.repo.deleteRecord", "", "repo:*?action=delete"},
		{"com.atproto.repo.applyWrites", "", "repo:*"},
		{"com.atproto.repo.uploadBlob", "", "blob:*/*"},
		{"com.atproto.repo.importRepo", "", "account:repo?action=manage"},
		{"com.atproto.server.confirmEmail", "", "account:email?action=manage"},
		{"com.atproto.server.deactivateAccount", "", "account:status?action=manage"},
		{"com.atproto.identity.updateHandle", "", "identity:handle"},
		{"com.atproto.identity.signPlcOperation", "", "identity:*"},
		{"com.atproto.moderation.createReport", labeler, "rpc:com.atproto.moderation.createReport?aud=did:web:labeler.example%23atproto_labeler"},
		{"com.atproto.server.getServiceAuth", labeler, "rpc:*?aud=did:web:labeler.example%23atproto_labeler"},
		{"app.bsky.actor.getPreferences", appView, "rpc:app.bsky.actor.getPreferences?aud=did:web:api.bsky.app%23bsky_appview"},
		{"app.bsky.feed.getFeed", appView, "rpc?lxm=app.bsky.feed.getFeed&lxm=app.bsky.feed.getFeedSkeleton&aud=did:web:api.bsky.app%23bsky_appview"},
		{"chat.bsky.convo.getLog", "did:web:api.bsky.chat#bsky_chat", "rpc:chat.bsky.convo.getLog?aud=did:web:api.bsky.chat%23bsky_chat"},
		{"com.example.newer", scope.Any, "rpc:com.example.newer?aud=*"},
		{"com.atproto.repo.newerThanThis", appView, "rpc:com.atproto.repo.newerThanThis?aud=did:web:api.bsky.app%23bsky_appview"},
	} {
		t.Run(string(tt.method), func(t *testing.T) {
			for range 2 { // what one caller does to the answer, the next does not see
				got, err := scope.ForMethod(tt.method, tt.audience)
				if err != nil {
					t.Fatal(err)
				}
				if got.String() != tt.want || got.Validate() != nil {
					t.Fatalf("%s, want %s", got, tt.want)
				}
				switch got := got.(type) {
				case scope.RepoPermission:
					got.Collections[0] = "com.example.changed"
				case scope.RPCPermission:
					got.Methods[0] = "com.example.changed"
				case scope.BlobPermission:
					got.Accept[0] = "text/changed"
				}
			}
		})
	}
	for _, method := range []syntax.NSID{
		"com.atproto.admin.deleteAccount", "com.atproto.server.createAppPassword", "com.atproto.server.refreshSession", "com.atproto.server.createAccount",
	} {
		t.Run("never "+string(method), func(t *testing.T) {
			if p, err := scope.ForMethod(method, appView); p != nil || !errors.Is(err, scope.ErrNotForOAuth) || !strings.Contains(err.Error(), string(method)) {
				t.Errorf("%v, %v", p, err)
			}
		})
	}
	for _, tt := range []struct {
		name, audience string
		method         syntax.NSID
	}{
		{"no audience", "", "app.bsky.feed.getTimeline"},
		{"O124 an audience without a service's name", "did:web:api.bsky.app", "app.bsky.feed.getTimeline"},
		{"O124 all methods of any audience", scope.Any, "com.atproto.server.getServiceAuth"},
		{"no method", appView, ""},
		{"no name of a method", appView, "getTimeline"},
		{"O123 a wildcard", appView, scope.Any},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := scope.ForMethod(tt.method, tt.audience)
			if _, ok := errors.AsType[*scope.Error](err); p != nil || !ok {
				t.Errorf("%v, %v", p, err)
			}
		})
	}
}

func TestForMethodSaysWhichServiceIsMissing(t *testing.T) {
	for method, want := range map[syntax.NSID]string{
		"app.bsky.feed.getTimeline":         "scope: app.bsky.feed.getTimeline is answered by a service: give that service as the audience, such as did:web:api.example.com#service",
		"com.atproto.server.getServiceAuth": "scope: com.atproto.server.getServiceAuth makes a token for another service: give that service as the audience, such as did:web:api.example.com#service",
	} {
		if _, err := scope.ForMethod(method, ""); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestEveryMethodOfComAtprotoWasDecidedOn fails when the lexicons have a method that
// the table has not, or the other way round. See how the reference PDS authorizes it.
func TestEveryMethodOfComAtprotoWasDecidedOn(t *testing.T) {
	var want []syntax.NSID
	root := os.DirFS("../../lexicons")
	err := fs.WalkDir(root, "com/atproto", func(name string, d fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".json" {
			return err
		}
		document, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		var lexicon struct {
			ID   syntax.NSID `json:"id"`
			Defs map[string]struct {
				Type string `json:"type"`
			} `json:"defs"`
		}
		if err := json.Unmarshal(document, &lexicon); err != nil {
			return err
		}
		if kind := lexicon.Defs["main"].Type; kind == "query" || kind == "procedure" {
			want = append(want, lexicon.ID)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(want) < 80 {
		t.Fatalf("only %d methods found", len(want))
	}
	slices.Sort(want)
	got := scope.DecidedMethods()
	if !slices.IsSorted(got) {
		t.Error("the table is not in alphabetical order, in which it is searched")
	}
	got = slices.DeleteFunc(got, func(m syntax.NSID) bool { return !strings.HasPrefix(string(m), "com.atproto.") })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("methods (-lexicons +table):\n%s", diff)
	}
}
