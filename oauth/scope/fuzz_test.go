package scope_test

import (
	"errors"
	"testing"

	"github.com/gimucco/atproto-go/oauth/scope"
)

// FuzzParse looks for scopes that make the parser panic, change under their formatter,
// or are not covered by themselves.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"atproto transition:generic transition:chat.bsky transition:email",
		"atproto repo:app.bsky.feed.post?action=create blob:*/* account:email?action=read",
		"rpc?lxm=*&aud=did:web:api.example.com%23svc_appview blob?accept=video/*&accept=text/html",
		"repo?collection=com.b.x&collection=com.a.x&action=delete&action=create identity:*?",
		"include:app.example.authFull?aud=did:web:api.example.com%23svc_chat",
		"blob?accept=image/svg%2Bxml&accept=text/a%z rpc:a.b.c?aud=did:web:localhost%253A1%23s%2541 blob:text/%C3%A9%25",
		"account:email?action=read&action=manage resource:positional&thing?key=val repo:com.example.*",
		"blob?accept=TEXT/A&accept=text/b&accept=text/*", "blob:%zz", "a  b", "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		granted := scope.ParseGranted(text)
		_ = granted.Allows(granted.Permissions()...)
		set, err := scope.Parse(text)
		if err != nil {
			if e, ok := errors.AsType[*scope.Error](err); !ok || len(e.Token) > 150 {
				t.Fatalf("%q: %T %v", text, err, err)
			}
			return
		}
		if set.String() != text || len(granted.Permissions()) != len(set.Permissions()) {
			t.Fatalf("%q became %q, or %q", text, set, granted)
		}
		for _, p := range set.Permissions() {
			if missing := set.Missing(p); len(missing) != 0 {
				t.Fatalf("%q: %s lacks %v", text, p, missing)
			}
			if _, opaque := p.(scope.Opaque); opaque {
				continue
			}
			if err := p.Validate(); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			normal := p.String()
			again, err := scope.ParseToken(normal)
			if err != nil {
				t.Fatalf("%q is written as %q: %v", text, normal, err)
			}
			if again.String() != normal {
				t.Fatalf("%q, then %q", normal, again)
			}
		}
	})
}
