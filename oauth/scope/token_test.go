package scope_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

const (
	appView = "did:web:api.bsky.app#bsky_appview"
	plcDID  = "did:plc:abcdefghijklmnopqrstuvwx"
)

// parse returns a token's permission, which is to be none that nobody understands.
func parse(tb testing.TB, token string) scope.Permission {
	tb.Helper()
	p, err := scope.ParseToken(token)
	if err != nil {
		tb.Fatal(err)
	}
	if _, opaque := p.(scope.Opaque); opaque {
		tb.Fatalf("%s is opaque", token)
	}
	return p
}

func TestTokensAreReadAndWritten(t *testing.T) {
	for _, tt := range []struct {
		name, token string
		want        scope.Permission
		normal      string // "": as it is
	}{
		{"O121 atproto", "atproto", scope.Atproto, ""},
		{"O122 generic", "transition:generic", scope.TransitionGeneric, ""},
		{"O122 chat", "transition:chat.bsky", scope.TransitionChat, ""},
		{"O122 email", "transition:email", scope.TransitionEmail, ""},

		{"O123 one collection", "repo:app.example.profile", scope.Repo("app.example.profile"), ""},
		{"O123 all collections", "repo:*", scope.Repo(scope.Any), ""},
		{"O123 one action", "repo:*?action=delete", scope.Repo(scope.Any, scope.Delete), ""},
		{"O123 O130 all actions", "repo:app.example.profile?action=create&action=update&action=delete",
			scope.Repo("app.example.profile", scope.Create, scope.Update, scope.Delete), "repo:app.example.profile"},
		{"O123 O130 actions in another order and twice", "repo:app.example.profile?action=update&action=create&action=update",
			scope.Repo("app.example.profile", scope.Update, scope.Create, scope.Update), "repo:app.example.profile?action=create&action=update"},
		{"O123 several collections", "repo?collection=app.example.post&collection=app.example.profile",
			scope.RepoPermission{Collections: []syntax.NSID{"app.example.post", "app.example.profile"}}, ""},
		{"O130 collections are sorted, once each", "repo?collection=com.b.x&action=create&collection=com.a.x&collection=com.b.x",
			scope.RepoPermission{Collections: []syntax.NSID{"com.b.x", "com.a.x", "com.b.x"}, Actions: []scope.Action{scope.Create}},
			"repo?collection=com.a.x&collection=com.b.x&action=create"},
		{"O130 the wildcard leaves no room", "repo?collection=*&collection=com.a.x",
			scope.RepoPermission{Collections: []syntax.NSID{scope.Any, "com.a.x"}}, "repo:*"},
		{"O130 a single value goes behind the colon", "repo?collection=com.a.x", scope.Repo("com.a.x"), "repo:com.a.x"},

		{"O124 one method", "rpc:app.example.createReport?aud=*", scope.RPC(scope.Any, "app.example.createReport"), ""},
		{"O124 all methods of a service", "rpc?lxm=*&aud=did:web:api.example.com%23svc_appview",
			scope.RPC("did:web:api.example.com#svc_appview", scope.Any), "rpc:*?aud=did:web:api.example.com%23svc_appview"},
		{"O124 O130 a bare number sign", "rpc:app.example.get?aud=did:web:api.example.com#svc",
			scope.RPC("did:web:api.example.com#svc", "app.example.get"), "rpc:app.example.get?aud=did:web:api.example.com%23svc"},
		{"O124 a PLC audience", "rpc:app.example.get?aud=" + plcDID + "%23svc", scope.RPC(plcDID+"#svc", "app.example.get"), ""},
		{"O124 O130 several methods", "rpc?aud=*&lxm=com.b.x&lxm=com.a.x", scope.RPC(scope.Any, "com.b.x", "com.a.x"),
			"rpc?lxm=com.a.x&lxm=com.b.x&aud=*"},
		{"O124 an audience on localhost", "rpc:app.example.get?aud=did:web:localhost%253A3000%23svc",
			scope.RPC("did:web:localhost%3A3000#svc", "app.example.get"), ""},
		{"O124 an escape in the service's name", "rpc:app.example.get?aud=did:web:a.example%23s%2541",
			scope.RPC("did:web:a.example#s%41", "app.example.get"), ""},

		{"O125 all types", "blob:*/*", scope.Blob("*/*"), ""},
		{"O125 two", "blob?accept=video/*&accept=text/html", scope.Blob("video/*", "text/html"), "blob?accept=text/html&accept=video/*"},
		{"O125 O130 all types leave no room", "blob?accept=video/*&accept=*/*", scope.Blob("video/*", "*/*"), "blob:*/*"},
		{"O125 O130 a range leaves no room for what it holds", "blob?accept=video/*&accept=video/mp4&accept=image/png",
			scope.Blob("video/*", "video/mp4", "image/png"), "blob?accept=image/png&accept=video/*"},
		{"O125 O130 lower case", "blob:Image/PNG", scope.BlobPermission{Accept: []string{"Image/PNG"}}, "blob:image/png"},
		{"O130 a plus behind the colon", "blob:image/svg+xml", scope.Blob("image/svg+xml"), ""},
		{"O130 a plus in a parameter", "blob?accept=image/svg%2Bxml&accept=text/html", scope.Blob("image/svg+xml", "text/html"), ""},
		{"O130 a percent sign behind the colon", "blob:text/a%25b", scope.Blob("text/a%b"), ""},
		{"O130 a percent sign in a parameter", "blob?accept=text/%25ab&accept=text/a%z", scope.Blob("text/%ab", "text/a%z"), ""},
		{"O130 other characters behind the colon", "blob:text/a!b~(c)%26d%3Be%C3%A9", scope.Blob("text/a!b~(c)&d;eé"), ""},
		{"O130 other characters in a parameter", "blob?accept=text/a%21b%26c%3Dd&accept=text/z", scope.Blob("text/a!b&c=d", "text/z"), ""},

		{"O126 email", "account:email", scope.AccountPermission{Attribute: scope.AccountEmail}, ""},
		{"O126 O130 the default", "account:email?action=read", scope.Account(scope.AccountEmail, scope.Read), "account:email"},
		{"O126 manage", "account:repo?action=manage", scope.Account(scope.AccountRepo, scope.Manage), ""},
		{"O126 named attribute", "account?action=manage&attr=status", scope.Account(scope.AccountStatus, scope.Manage), "account:status?action=manage"},
		{"O126 both actions are manage", "account:email?action=read&action=manage", scope.Account(scope.AccountEmail, scope.Manage), "account:email?action=manage"},
		{"O126 both actions the other way round", "account:email?action=manage&action=read", scope.Account(scope.AccountEmail, scope.Manage), "account:email?action=manage"},

		{"O127 handle", "identity:handle", scope.Identity(scope.IdentityHandle), ""},
		{"O127 all", "identity:*", scope.Identity(scope.Any), ""},
		{"O127 all with a question mark", "identity:*?", scope.Identity(scope.Any), "identity:*"},

		{"O128 with an audience", "include:app.example.authFull?aud=did:web:api.example.com%23svc_chat",
			scope.Include("app.example.authFull", "did:web:api.example.com#svc_chat"), ""},
		{"O128 without", "include:app.example.authFull", scope.Include("app.example.authFull", ""), ""},
		{"O128 named", "include?nsid=app.example.authFull", scope.Include("app.example.authFull", ""), "include:app.example.authFull"},

		{"escapes are read", "repo:app.example%2Eprofile?act%69on=%63reate&", scope.Repo("app.example.profile", scope.Create), "repo:app.example.profile?action=create"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := parse(t, tt.token)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.token, diff)
			}
			normal := tt.normal
			if normal == "" {
				normal = tt.token
			}
			if got.String() != normal {
				t.Errorf("%s is written as %s, not as %s", tt.token, got, normal)
			}
			if err := got.Validate(); err != nil {
				t.Errorf("%s: %v", tt.token, err)
			}
			again := parse(t, got.String())
			if again.String() != normal {
				t.Errorf("%s read again is %s", normal, again)
			}
		})
	}
}

func TestTokensThatBreakTheirRulesAreRefused(t *testing.T) {
	for _, tt := range []struct{ item, token, want string }{
		{"O123", "repo", "no collection"},
		{"O123", "repo:", "collection"},
		{"O123", "repo:com.example.*", "com.example.*"},
		{"O123", "repo:foo", "collection"},
		{"O123", "repo:com.example.foo?action=invalid", `action "invalid"`},
		{"O123", "repo:*?action=*", `action "*"`},
		{"O123", "repo:com.example.foo?collection=com.example.bar", "twice: before the parameters"},
		{"O123", "repo:com.example.foo?actions=create", `unknown parameter "actions"`},
		{"O124", "rpc:com.example.foo", "no audience"},
		{"O124", "rpc?aud=*", "no method"},
		{"O124", "rpc:?aud=*", "method"},
		{"O124", "rpc:com.example.*?aud=*", "method"},
		{"O124", "rpc:*?aud=*", "any method of any audience"},
		{"O124", "rpc?lxm=com.example.foo&lxm=*&aud=*", "any method of any audience"},
		{"O124", "rpc:com.example.foo?aud=did:web:example.com", "names a DID but no service"},
		{"O124", "rpc:com.example.foo?aud=did:web:example.com%23", "service name"},
		{"O124", "rpc:com.example.foo?aud=did:web:example.com%23a%23b", "service name"},
		{"O124", "rpc:com.example.foo?aud=did:plc:111%23svc", "did:plc"},
		{"O124", "rpc:com.example.foo?aud=did:foo:bar%23svc", "neither did:plc nor did:web"},
		{"O124", "rpc:com.example.foo?aud=did:web:example.com:path%23svc", "without port and path"},
		{"O124", "rpc:com.example.foo?aud=did:web:example.com%253A3000%23svc", "without port and path"},
		{"O124", "rpc:com.example.foo?aud=invalid", "invalid did"},
		{"O124", "rpc:com.example.foo?aud=", "not a single value"},
		{"O124", "rpc:com.example.foo?aud=*&aud=*", "not a single value"},
		{"O124", "rpc:com.example.foo?lxm=com.example.bar&aud=*", "twice: before the parameters"},
		{"O125", "blob", "no media type"},
		{"O125", "blob:", "not a media type"},
		{"O125", "blob:*", "not a media type"},
		{"O125", "blob:*/png", "not a media type"},
		{"O125", "blob:image", "not a media type"},
		{"O125", "blob:image/", "not a media type"},
		{"O125", "blob:im*ge/*", "not a media type"},
		{"O125", "blob:image/p*", "not a media type"},
		{"O125", "blob:a/b/c", "not a media type"},
		{"O125", "blob:text/plain%3B%20charset=utf-8", "not a media type"},
		{"O126", "account", "attribute"},
		{"O126", "account:*", "attribute"},
		{"O126", "account:password", "attribute"},
		{"O126", "account:email?action=write", `action "write"`},
		{"O126", "account:email?action=", `action ""`},
		{"O126", "account:email?attr=email", "twice: before the parameters"},
		{"O127", "identity", "attribute"},
		{"O127", "identity:foo", "attribute"},
		{"O127", "identity:handle?action=read", "unknown parameter"},
		{"O128", "include", "permission set"},
		{"O128", "include:com.example", "permission set"},
		{"O128", "include:*", "permission set"},
		{"O128", "include:com.example.foo?aud=*", "invalid did"},
		{"O128", "include:com.example.foo?aud=did:web:example.com", "names a DID but no service"},
		{"O128", "include:com.example.foo?lang=en", "unknown parameter"},
		{"O129", "repo:com.example.foo%", "percent-encoding"},
		{"O129", "repo:%FF", "percent-encoding"},
		{"O129", "repo:com.example.foo?action=%FF", "UTF-8"},
		{"O129", "resource:positional?key=québec", "may not have"},
		{"O129", "emoji:☺️", "may not have"},
		{"O129", `repo:"`, "may not have"},
		{"O129", "", "empty"},
	} {
		t.Run(tt.item+" "+tt.token, func(t *testing.T) {
			p, err := scope.ParseToken(tt.token)
			e, ok := errors.AsType[*scope.Error](err)
			if p != nil || !ok || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, %v; want an error with %q", p, err, tt.want)
			}
			if ok && e.Token != tt.token {
				t.Errorf("the error is about %q", e.Token)
			}
			if err := scope.Opaque(tt.token).Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Opaque: %v", err)
			}
		})
	}
	t.Run("a long token is cut short", func(t *testing.T) {
		_, err := scope.ParseToken("repo:" + strings.Repeat("é", 5000))
		if err == nil || len(err.Error()) > 300 || !strings.Contains(err.Error(), "…") {
			t.Errorf("%v", err)
		}
	})
}

func TestTokensOfUnknownResourcesAreOpaque(t *testing.T) {
	// The first eight are the specification's own.
	for _, token := range []string{
		"resource", "resource:positional?key=val", "resource:positional&thing?key=val",
		"service:did:web:com.example#type?key=val", "resource:", "resource:?", "resource:&", "resource?",
		"openid", "transition:future", "Repo:com.example.foo", "space:com.example.forum",
	} {
		t.Run("O129 "+token, func(t *testing.T) {
			p, err := scope.ParseToken(token)
			if err != nil || p != scope.Opaque(token) || p.String() != token || p.Validate() != nil {
				t.Fatalf("%#v, %v", p, err)
			}
			set, err := scope.Parse("atproto " + token)
			if err != nil || set.String() != "atproto "+token || !set.Allows(p) || scope.ParseGranted("atproto resource:other").Allows(p) {
				t.Errorf("%v %v: it is not kept, or does not match what is spelled like it, or something else", set, err)
			}
		})
	}
}

func TestPermissionsThatAreBuiltWrong(t *testing.T) {
	for name, p := range map[string]scope.Permission{
		"a static one of another name":   scope.Static("transition:none"),
		"O123 no collection":             scope.RepoPermission{},
		"O123 a partial wildcard":        scope.Repo("com.example.*"),
		"O123 an unknown action":         scope.Repo("com.example.foo", scope.Create, scope.Update, "purge"),
		"O124 no method":                 scope.RPC(appView),
		"O124 no audience":               scope.RPC("", "com.example.foo"),
		"O124 an audience without name":  scope.RPC("did:web:api.bsky.app", "com.example.foo"),
		"O124 all of everything":         scope.RPC(scope.Any, scope.Any),
		"O125 no media type":             scope.Blob(),
		"O125 no media type in the list": scope.Blob("image/png", "jpeg"),
		"O126 no attribute":              scope.AccountPermission{},
		"O126 an unknown action":         scope.Account(scope.AccountEmail, "write"),
		"O127 no attribute":              scope.IdentityPermission{},
		"O128 no set":                    scope.IncludePermission{},
		"O128 an audience for all":       scope.Include("com.example.auth", scope.Any),
	} {
		t.Run(name, func(t *testing.T) {
			err := p.Validate()
			if _, ok := errors.AsType[*scope.Error](err); !ok {
				t.Errorf("%v: %v", p, err)
			}
			wholeDID := strings.Contains(name, "without name") // which servers know from service tokens
			if !wholeDID && scope.ParseGranted("atproto transition:generic transition:chat.bsky transition:email identity:* "+p.String()).Allows(p) {
				t.Errorf("%v is allowed", p)
			}
			// What is wrong is not lost on the way through the text.
			set, err := scope.Parse(scope.Join(scope.Atproto, p))
			if err == nil {
				err = set.Validate()
			}
			if p != scope.Static("transition:none") && err == nil {
				t.Errorf("%v passes", p)
			}
		})
	}
}

func TestJoin(t *testing.T) {
	t.Run("O6 O130 one formatter, each token once", func(t *testing.T) {
		got := scope.Join(scope.Atproto, nil, scope.Repo("com.b.x", scope.Delete, scope.Create), scope.Blob("image/*"),
			scope.Repo("com.b.x", scope.Create, scope.Delete), scope.RPC(appView, "com.a.x"))
		want := "atproto repo:com.b.x?action=create&action=delete blob:image/* rpc:com.a.x?aud=did:web:api.bsky.app%23bsky_appview"
		if got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	})
	t.Run("nothing", func(t *testing.T) {
		if got := scope.Join(); got != "" {
			t.Error(got)
		}
	})
}
