package scope_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func TestParseScope(t *testing.T) {
	t.Run("O6 O130 the spelling is kept", func(t *testing.T) {
		const text = "atproto repo?collection=com.b.x&collection=com.a.x rpc:com.a.x?aud=did:web:a.example#svc rpc:com.a.x?aud=did:web:a.example%23svc repo:com.example.* future:x"
		set, err := scope.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if set.String() != text || !set.Equal(scope.ParseGranted(text)) || set.Equal(scope.Set{}) {
			t.Errorf("it became %s", set)
		}
		rpc := scope.RPC("did:web:a.example#svc", "com.a.x")
		want := []scope.Permission{
			scope.Atproto, scope.RepoPermission{Collections: []syntax.NSID{"com.b.x", "com.a.x"}},
			rpc, rpc, scope.Opaque("repo:com.example.*"), scope.Opaque("future:x"),
		}
		if diff := cmp.Diff(want, set.Permissions()); diff != "" {
			t.Errorf("permissions (-want +got):\n%s", diff)
		}
		set.Permissions()[0] = scope.TransitionGeneric
		if set.Allows(scope.TransitionGeneric) {
			t.Error("a change of the list changed the set")
		}
	})
	for _, tt := range []struct {
		name, scope string
		token       string
		offset      int
	}{
		{"O6 nothing", "", "", 0},
		{"O6 two spaces", "atproto  blob:*/*", "", 8},
		{"O6 a space before", " atproto", "", 0},
		{"O6 a space behind", "atproto ", "", 8},
		{"O6 twice", "atproto blob:*/* atproto", "atproto", 17},
		{"O129 not ASCII", "atproto repo:québec", "repo:québec", 8},
		{"O129 a line break", "atproto repo:com.a.x\n", "repo:com.a.x\n", 8},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := scope.Parse(tt.scope)
			e, ok := errors.AsType[*scope.Error](err)
			if !ok {
				t.Fatalf("%v", err)
			}
			e.Err = nil
			if diff := cmp.Diff(&scope.Error{Token: tt.token, Offset: tt.offset}, e); diff != "" {
				t.Errorf("%q (-want +got):\n%s", tt.scope, diff)
			}
		})
	}
	t.Run("O85 a grant is read whatever it is", func(t *testing.T) {
		set := scope.ParseGranted(" atproto  repo:com.a.x\nx repo:com.b.x repo:com.b.x \"")
		if !set.Allows(scope.Atproto, scope.Repo("com.b.x")) || set.Allows(scope.Repo("com.a.x")) || len(set.Permissions()) != 5 {
			t.Errorf("%q: %v", set, set.Permissions())
		}
		if zero := scope.ParseGranted(""); zero.Allows(scope.Atproto) || zero.String() != "" {
			t.Error("nothing grants something")
		}
	})
}

func TestScopesThatAreAskedFor(t *testing.T) {
	for _, tt := range []struct{ name, scope, want string }{
		{"all is well", "atproto transition:generic transition:chat.bsky repo:com.a.x include:com.a.auth", ""},
		{"O129 unknown resources pass", "atproto future:x transition:next", ""},
		{"O121 without atproto", "transition:generic", `lacks "atproto"`},
		{"O121 a comma behind atproto", "atproto, transition:generic", `has "atproto," where it needs "atproto": scopes are separated by spaces alone`},
		{"O121 openid", "atproto openid", "OpenID Connect"},
		{"O122 chat alone", "atproto transition:chat.bsky", "transition:generic"},
		{"O123 a partial wildcard", "atproto repo:com.example.*", `token "repo:com.example.*" at byte 8`},
		{"O124 a bare DID", "atproto rpc:com.a.x?aud=did:web:a.example", "names a DID but no service"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for how, set := range map[string]scope.Set{"Parse": mustParse(t, tt.scope), "ParseGranted": scope.ParseGranted(tt.scope + "  ")} {
				err := set.Validate()
				if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%s: %v", how, err)
				}
			}
		})
	}
}

func mustParse(tb testing.TB, text string) scope.Set {
	tb.Helper()
	set, err := scope.Parse(text)
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

func TestAllows(t *testing.T) {
	const svc, other = "did:web:a.example#svc", "did:web:b.example#svc"
	for _, tt := range []struct {
		name, granted string
		need          scope.Permission
		missing       string // what lacks, normalised; "": nothing
	}{
		{"O121 atproto", "atproto", scope.Atproto, ""},
		{"O121 no atproto", "transition:generic", scope.Atproto, "atproto"},
		{"O122 a static one is covered by itself only", "atproto transition:generic", scope.TransitionEmail, "transition:email"},
		{"O122 generic covers records", "transition:generic", scope.Repo(scope.Any), ""},
		{"O122 generic covers blobs", "transition:generic", scope.Blob("*/*"), ""},
		{"O122 generic covers methods", "transition:generic", scope.RPC(svc, "com.a.x", scope.Any), ""},
		{"O122 generic does not cover chat", "transition:generic", scope.RPC(svc, "chat.bsky.convo.getLog", "com.a.x"), "rpc:chat.bsky.convo.getLog?aud=did:web:a.example%23svc"},
		{"O122 generic does not cover the account", "transition:generic", scope.Account(scope.AccountEmail, scope.Read), "account:email"},
		{"O122 generic does not cover the identity", "transition:generic", scope.Identity(scope.IdentityHandle), "identity:handle"},
		{"O122 chat covers chat", "transition:generic transition:chat.bsky", scope.RPC(svc, "chat.bsky.convo.getLog", "com.a.x"), ""},
		{"O122 chat covers chat only", "transition:chat.bsky", scope.RPC(svc, "com.a.x"), "rpc:com.a.x?aud=did:web:a.example%23svc"},
		{"O122 what only begins like chat", "transition:chat.bsky", scope.RPC(svc, "chat.bskyb.x"), "rpc:chat.bskyb.x?aud=did:web:a.example%23svc"},
		{"O122 chat does not cover all methods", "transition:chat.bsky", scope.RPC(svc, scope.Any), "rpc:*?aud=did:web:a.example%23svc"},
		{"O122 email covers reading", "transition:email", scope.Account(scope.AccountEmail, ""), ""},
		{"O122 email does not cover changing", "transition:email", scope.Account(scope.AccountEmail, scope.Manage), "account:email?action=manage"},
		{"O122 email is not the status", "transition:email", scope.Account(scope.AccountStatus, scope.Read), "account:status"},

		{"O123 the collection", "repo:com.a.x", scope.Repo("com.a.x", scope.Create, scope.Update, scope.Delete), ""},
		{"O123 another collection", "repo:com.a.x", scope.Repo("com.a.y", scope.Create), "repo:com.a.y?action=create"},
		{"O123 the action", "repo:com.a.x?action=create", scope.Repo("com.a.x", scope.Create), ""},
		{"O123 another action", "repo:com.a.x?action=create", scope.Repo("com.a.x", scope.Delete, scope.Create), "repo:com.a.x?action=delete"},
		{"O123 all actions", "repo:com.a.x?action=create", scope.Repo("com.a.x"), "repo:com.a.x?action=update&action=delete"},
		{"O123 the wildcard", "repo:*?action=create", scope.Repo("com.a.x", scope.Create), ""},
		{"O123 wildcards take wildcards", "repo:com.a.x repo:com.a.y", scope.Repo(scope.Any), "repo:*"},
		{"O123 the wildcard takes itself", "repo:*", scope.Repo(scope.Any), ""},
		{"O123 tokens share the actions", "repo:com.a.x?action=create repo:*?action=delete", scope.Repo("com.a.x", scope.Create, scope.Delete), ""},
		{"O123 tokens share the collections", "repo:com.a.x repo?collection=com.a.y&collection=com.a.z",
			scope.RepoPermission{Collections: []syntax.NSID{"com.a.z", "com.a.x"}}, ""},
		{"O123 what lacks is told by collection", "repo:com.a.x repo:com.a.y?action=create",
			scope.RepoPermission{Collections: []syntax.NSID{"com.a.z", "com.a.y", "com.a.x"}, Actions: []scope.Action{scope.Create, scope.Update}},
			"repo:com.a.y?action=update repo:com.a.z?action=create&action=update"},

		{"O124 the method", "rpc:com.a.x?aud=did:web:a.example%23svc", scope.RPC(svc, "com.a.x"), ""},
		{"O124 another audience", "rpc:com.a.x?aud=did:web:a.example%23svc", scope.RPC(other, "com.a.x"), "rpc:com.a.x?aud=did:web:b.example%23svc"},
		{"O124 another method", "rpc:com.a.x?aud=did:web:a.example%23svc", scope.RPC(svc, "com.a.X"), "rpc:com.a.X?aud=did:web:a.example%23svc"},
		{"O124 any audience", "rpc:com.a.x?aud=*", scope.RPC(other, "com.a.x"), ""},
		{"O124 any method", "rpc:*?aud=did:web:a.example%23svc", scope.RPC(svc, "com.a.x"), ""},
		{"O124 wildcard audiences take wildcards", "rpc:com.a.x?aud=did:web:a.example%23svc", scope.RPC(scope.Any, "com.a.x"), "rpc:com.a.x?aud=*"},
		{"O124 wildcard methods take wildcards", "rpc:com.a.x?aud=did:web:a.example%23svc", scope.RPC(svc, scope.Any), "rpc:*?aud=did:web:a.example%23svc"},
		{"O124 tokens share the methods", "rpc:com.a.x?aud=* rpc:com.a.y?aud=did:web:a.example%23svc", scope.RPC(svc, "com.a.y", "com.a.x"), ""},
		{"O124 chat by its method", "rpc:chat.bsky.convo.getLog?aud=*", scope.RPC(svc, "chat.bsky.convo.getLog"), ""},
		{"O124 a whole DID is not a service of it", "rpc:com.a.x?aud=did:web:a.example%23svc", scope.RPC("did:web:a.example", "com.a.x"), "rpc:com.a.x?aud=did:web:a.example"},
		{"O124 a whole DID is any audience", "rpc:com.a.x?aud=*", scope.RPC("did:web:a.example", "com.a.x"), ""},

		{"O125 the type", "blob:image/png", scope.Blob("IMAGE/png"), ""},
		{"O125 another type", "blob:image/png", scope.Blob("image/jpeg"), "blob:image/jpeg"},
		{"O125 in its range", "blob:image/*", scope.Blob("image/png", "image/*"), ""},
		{"O125 not in the range", "blob:image/*", scope.Blob("imagex/png", "image/png"), "blob:imagex/png"},
		{"O125 a range takes a range", "blob:image/png", scope.Blob("image/*"), "blob:image/*"},
		{"O125 all takes all", "blob?accept=image/*&accept=video/*", scope.Blob("*/*"), "blob:*/*"},
		{"O125 all", "blob:*/*", scope.Blob("*/*", "image/*", "text/html"), ""},
		{"O125 tokens share the types", "blob:image/* blob:text/html", scope.Blob("text/html", "image/gif"), ""},

		{"O126 reading", "account:email", scope.Account(scope.AccountEmail, scope.Read), ""},
		{"O126 reading is not managing", "account:email", scope.Account(scope.AccountEmail, scope.Manage), "account:email?action=manage"},
		{"O126 managing is reading", "account:email?action=manage", scope.Account(scope.AccountEmail, scope.Read), ""},
		{"O126 another attribute", "account:email?action=manage", scope.Account(scope.AccountRepo, scope.Read), "account:repo"},

		{"O127 handle", "identity:handle", scope.Identity(scope.IdentityHandle), ""},
		{"O127 all", "identity:*", scope.Identity(scope.IdentityHandle), ""},
		{"O127 all takes all", "identity:handle", scope.Identity(scope.Any), "identity:*"},
		{"O127 what is no attribute never matches", "identity:foo", scope.Identity("foo"), "identity:foo"},

		{"O128 an include grants its own spelling", "include:com.a.auth", scope.Include("com.a.auth", ""), ""},
		{"O128 another include is another", "include:com.a.auth", scope.Include("com.a.auth", "did:web:a.example#svc"), "include:com.a.auth?aud=did:web:a.example%23svc"},
		{"O128 an include grants nothing of its set", "include:com.a.auth", scope.Repo("com.a.x"), "repo:com.a.x"},
		{"O129 what is opaque grants its own spelling", "future:x", scope.Opaque("future:x"), ""},
		{"O129 and no other", "future:x", scope.Opaque("future:x?y=z"), "future:x?y=z"},
		{"O129 in the midst of others", "atproto space:com.a.forum?action=read transition:email", scope.Opaque("space:com.a.forum?action=read"), ""},
		{"O129 what breaks its rules grants its own spelling", "repo:com.a.*", scope.Opaque("repo:com.a.*"), ""},
		{"O129 what breaks its rules grants nothing else", "repo:com.a.*", scope.Repo("com.a.x"), "repo:com.a.x"},
		{"O129 nor one with an unknown parameter", "repo:com.a.x?until=2030", scope.Repo("com.a.x"), "repo:com.a.x"},
		{"O129 an opaque spelling of something known", "repo:com.a.x", scope.Opaque("repo:com.a.x"), ""},
		{"O129 an opaque spelling is not interpreted", "repo:*", scope.Opaque("repo:com.a.x"), "repo:com.a.x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set := mustParse(t, tt.granted)
			missing := scope.Join(set.Missing(tt.need)...)
			if missing != tt.missing {
				t.Errorf("%s lacks %q of %s, want %q", set, missing, tt.need, tt.missing)
			}
			if set.Allows(tt.need) != (tt.missing == "") {
				t.Errorf("Allows does not agree")
			}
			if all := set.Allows(tt.need, tt.need); all != (tt.missing == "") {
				t.Errorf("needs together: %t", all)
			}
		})
	}
	t.Run("no need is no hindrance", func(t *testing.T) {
		if !(scope.Set{}).Allows() {
			t.Error("it is")
		}
	})
	t.Run("a need that is nil is not covered", func(t *testing.T) {
		if scope.ParseGranted("atproto").Allows(nil) {
			t.Error("it is")
		}
	})
	t.Run("the first that lacks comes first", func(t *testing.T) {
		missing := mustParse(t, "atproto repo:com.a.x?action=create").Missing(scope.Atproto, scope.Blob("image/png"), scope.Repo("com.a.x"))
		if got := scope.Join(missing...); got != "blob:image/png repo:com.a.x?action=update&action=delete" {
			t.Error(got)
		}
	})
}
