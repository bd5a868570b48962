package scenario

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
	oauthscope "github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// withScope makes a client that asks for the scope text.
func withScope(text string) func(*oauth.Config) {
	return func(cfg *oauth.Config) {
		local := oauth.Localhost(redirectURI, text)
		cfg.ClientID, cfg.Scope = local.ClientID, local.Scope
	}
}

const (
	postCollection = "app.bsky.feed.post"
	likeCollection = "app.bsky.feed.like"
)

// scopes compares Session.Allows with what the server does.
func scopes(t *testing.T, b Backend) {
	ctx := t.Context()
	alice := b.Environment().Account("alice")

	// One post that every session tries to change.
	full := Login(t, b, NewClient(t, b), alice)
	existing, err := createPost(t, full, "")
	if err != nil {
		t.Fatal(err)
	}
	rkey := syntax.ATURI(existing.URI).RecordKey()

	for _, tt := range []struct {
		name, asked string
		granted     string            // "" means what was asked for
		lacks       map[string]string // by attempt; "" means that the server does not say
		email       bool
	}{
		{"O123 O125 O126 single collections, actions and attributes", "atproto repo:app.bsky.feed.post?action=create blob:*/* account:email?action=read", "", map[string]string{
			"delete a post": "repo:app.bsky.feed.post?action=delete", "put a post": "repo:app.bsky.feed.post?action=update", "like": "repo:app.bsky.feed.like?action=create",
		}, true},
		{"O123 O125 lists, and a range of media types", "atproto repo?collection=app.bsky.feed.like&collection=app.bsky.feed.post&action=create&action=delete blob:image/*", "", map[string]string{
			"put a post": "repo:app.bsky.feed.post?action=update", "upload text": "blob:text/plain",
		}, false},
		{"O123 actions shared by tokens", "atproto repo:*?action=create repo:app.bsky.feed.post?action=update&action=delete blob?accept=text/plain&accept=image/jpeg", "", map[string]string{
			"upload an image": "blob:image/png",
		}, false},
		{"O121 nothing but atproto", "atproto", "", map[string]string{
			"create a post": "repo:app.bsky.feed.post?action=create", "delete a post": "repo:app.bsky.feed.post?action=delete", "put a post": "repo:app.bsky.feed.post?action=create",
			"like": "repo:app.bsky.feed.like?action=create", "upload an image": "blob:image/png", "upload text": "blob:text/plain",
		}, false},
		{"O122 generic without email", "atproto transition:generic", "", nil, false},
		{"O122 generic with email", "atproto transition:generic transition:email", "", nil, true},
		{"O85 O129 a resource that the server does not know", "atproto transition:generic future:app.bsky.feed.post?how=later", "atproto transition:generic", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := Login(t, b, NewClient(t, b, withScope(tt.asked)), alice)
			granted := tt.granted
			if granted == "" {
				granted = tt.asked
			}
			if s.Scope() != granted {
				t.Errorf("O85 granted %q", s.Scope())
			}
			api := comatproto.NewClient(s)
			upload := func(mediaType string) error {
				_, err := api.Repo.UploadBlob(ctx, xrpc.BytesBody([]byte("scopes"), mediaType))
				return err
			}
			for _, attempt := range []struct {
				name string
				need oauthscope.Permission
				try  func() error
			}{
				{"create a post", oauthscope.Repo(postCollection, oauthscope.Create), func() error {
					_, err := createPost(t, s, "")
					return err
				}},
				{"put a post", oauthscope.Repo(postCollection, oauthscope.Create, oauthscope.Update), func() error {
					_, err := api.Repo.PutRecord(ctx, &comatproto.RepoPutRecordInput{
						Repo: syntax.AtIdentifier(alice.DID), Collection: postCollection, RKey: rkey,
						Record: lex.Of(&appbsky.FeedPost{Text: "changed", CreatedAt: syntax.Now()}),
					})
					return err
				}},
				{"delete a post", oauthscope.Repo(postCollection, oauthscope.Delete), func() error {
					_, err := api.Repo.DeleteRecord(ctx, &comatproto.RepoDeleteRecordInput{
						Repo: syntax.AtIdentifier(alice.DID), Collection: postCollection, RKey: "nosuchpost",
					})
					return err
				}},
				{"like", oauthscope.Repo(likeCollection, oauthscope.Create), func() error {
					_, err := api.Repo.CreateRecord(ctx, &comatproto.RepoCreateRecordInput{
						Repo: syntax.AtIdentifier(alice.DID), Collection: likeCollection,
						Record: lex.Of(&appbsky.FeedLike{
							CreatedAt: syntax.Now(),
							Subject:   comatproto.RepoStrongRef{URI: existing.URI, CID: existing.CID},
						}),
					})
					return err
				}},
				{"upload an image", oauthscope.Blob("image/png"), func() error { return upload("image/png") }},
				{"upload text", oauthscope.Blob("text/plain"), func() error { return upload("text/plain") }},
			} {
				lacks, refused := tt.lacks[attempt.name]
				if s.Allows(attempt.need) == refused {
					t.Errorf("%s: Allows(%s) says %t", attempt.name, attempt.need, !refused)
				}
				err := attempt.try()
				missing, _ := oauth.MissingScope(err)
				switch {
				case !refused && err != nil:
					t.Errorf("%s: %v", attempt.name, err)
				case refused && (!errors.Is(err, xrpc.ErrScopeMissing) || missing == nil || missing.String() != lacks):
					t.Errorf("%s: %v, want the scope %s to be missing", attempt.name, err, lacks)
				}
			}
			out, err := api.Server.GetSession(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if got := out.Email != nil; got != tt.email || got != s.Allows(oauthscope.Account(oauthscope.AccountEmail, oauthscope.Read)) {
				t.Errorf("the email address was told: %t", got)
			}
		})
	}
	t.Run("O85 O131 the preview of a permission set is what the server grants", func(t *testing.T) {
		document := []byte(permissionSet)
		set, err := oauthscope.ParsePermissionSet(document)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.PublishPermissionSet(ctx, document); err != nil {
			t.Fatal(err)
		}
		for _, audience := range []string{"", "did:web:api.scopes.example#calendar"} {
			include := oauthscope.Include(set.ID(), audience)
			s := Login(t, b, NewClient(t, b, withScope(oauthscope.Join(oauthscope.Atproto, include, oauthscope.Blob("image/*")))), alice)
			preview, err := set.Expand(include)
			if err != nil {
				t.Fatal(err)
			}
			want := oauthscope.Join(append(preview, oauthscope.Atproto, oauthscope.Blob("image/*"))...)
			if diff := cmp.Diff(want, s.Scope()); diff != "" {
				t.Errorf("granted (-preview +server):\n%s", diff)
			}
			if len(preview) < 3 || !s.Allows(preview...) || s.Allows(include) {
				t.Errorf("the grant is not what Allows goes by")
			}
			if _, err := createPost(t, s, "example.scopes.calendar.event"); err != nil {
				t.Error(err)
			}
			if _, err := createPost(t, s, ""); !errors.Is(err, xrpc.ErrScopeMissing) {
				t.Errorf("a post, which is not in the set: %v", err)
			}
		}
	})
	t.Run("O131 an unknown permission set is refused when it is asked for", func(t *testing.T) {
		_, err := NewClient(t, b, withScope("atproto include:com.example.scopes.noSuchSet")).Authorize(ctx, string(alice.Handle))
		e, ok := errors.AsType[*oauth.Error](err)
		if !ok || e.Kind != oauth.ErrAuthorization || e.Code != "invalid_scope" {
			t.Errorf("got %v", err)
		}
	})
}

// createPost creates a post, or a similar record in another collection.
func createPost(t *testing.T, s *oauth.Session, collection syntax.NSID) (*comatproto.RepoCreateRecordOutput, error) {
	t.Helper()
	record := lex.Of(&appbsky.FeedPost{Text: "scopes", CreatedAt: syntax.Now()})
	if collection == "" {
		collection = postCollection
	} else {
		var err error
		if record, err = lex.Raw([]byte(`{"$type":"` + string(collection) + `"}`)); err != nil {
			t.Fatal(err)
		}
	}
	return comatproto.NewClient(s).Repo.CreateRecord(t.Context(), &comatproto.RepoCreateRecordInput{
		Repo: syntax.AtIdentifier(s.DID()), Collection: collection, Record: record,
	})
}

// permissionSet has an entry for each rule about the content of sets.
const permissionSet = `{
  "lexicon": 1, "id": "example.scopes.calendar.auth",
  "defs": {"main": {"type": "permission-set", "title": "Calendar", "detail": "Events", "permissions": [
    {"type": "permission", "resource": "repo", "collection": ["example.scopes.calendar.rsvp", "example.scopes.calendar.event"], "action": ["delete", "create"]},
    {"type": "permission", "resource": "repo", "collection": ["example.scopes.calendar.deep.down.note"]},
    {"type": "permission", "resource": "repo", "collection": ["example.scopes.contacts.person"]},
    {"type": "permission", "resource": "repo", "collection": ["example.scopes.calendar.event", "app.bsky.feed.post"]},
    {"type": "permission", "resource": "repo", "collection": ["example.scopes.calendarx.event"]},
    {"type": "permission", "resource": "repo", "collection": ["*"]},
    {"type": "permission", "resource": "repo", "collection": ["example.scopes.calendar.event"], "action": ["manage"]},
    {"type": "permission", "resource": "repo", "collection": ["example.scopes.calendar.event"], "until": "2030"},
    {"type": "permission", "resource": "repo", "collection": []},
    {"type": "permission", "resource": "rpc", "lxm": ["example.scopes.calendar.list"], "aud": "*"},
    {"type": "permission", "resource": "rpc", "lxm": ["example.scopes.calendar.share", "example.scopes.calendar.list"], "inheritAud": true},
    {"type": "permission", "resource": "rpc", "lxm": ["example.scopes.calendar.both"], "inheritAud": true, "aud": "*"},
    {"type": "permission", "resource": "rpc", "lxm": ["example.scopes.calendar.own"], "aud": "did:web:api.scopes.example#calendar"},
    {"type": "permission", "resource": "rpc", "lxm": ["example.scopes.calendar.denied"], "inheritAud": false, "aud": "*"},
    {"type": "permission", "resource": "rpc", "lxm": ["example.scopes.calendar.none"]},
    {"type": "permission", "resource": "rpc", "lxm": ["*"], "inheritAud": true},
    {"type": "permission", "resource": "rpc", "lxm": ["com.atproto.moderation.createReport"], "aud": "*"},
    {"type": "permission", "resource": "blob", "accept": ["image/*"]},
    {"type": "permission", "resource": "account", "attr": "email"},
    {"type": "permission", "resource": "identity", "attr": "*"},
    {"type": "permission", "resource": "future"}
  ]}}
}`
