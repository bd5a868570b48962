package scope_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func fixture(tb testing.TB) *scope.PermissionSet {
	tb.Helper()
	document, err := os.ReadFile("../../internal/interop/testdata/lexicon/catalog/permission-set.json")
	if err != nil {
		tb.Fatal(err)
	}
	set, err := scope.ParsePermissionSet(document)
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

// setOf makes a set of entries.
func setOf(tb testing.TB, id, entries string) *scope.PermissionSet {
	tb.Helper()
	set, err := scope.ParsePermissionSet([]byte(`{"lexicon":1,"id":"` + id + `","defs":{"main":{"type":"permission-set","title":"Test","permissions":[` + entries + `]}}}`))
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

func TestExpand(t *testing.T) {
	const (
		id   = "com.example.calendar.auth"
		aud  = "did:web:example.com#foo"
		open = `"type":"permission","resource":"rpc","inheritAud":true,"lxm":`
		rpc  = `"type":"permission","resource":"rpc","aud":"*","lxm":`
		repo = `"type":"permission","resource":"repo","collection":`
	)
	for _, tt := range []struct {
		name, audience, entries string
		want                    string
	}{
		{"O131 a collection", "", `{` + repo + `["com.example.calendar.event"],"action":["create","update","delete"]}`, "repo:com.example.calendar.event"},
		{"O131 some actions of several, and in order", "",
			`{` + repo + `["com.example.calendar.event"],"action":["delete","update"]},{` + repo + `["com.example.calendar.rsvp","com.example.calendar.event"],"action":["delete","create"]}`,
			"repo:com.example.calendar.event?action=update&action=delete repo?collection=com.example.calendar.event&collection=com.example.calendar.rsvp&action=create&action=delete"},
		{"O131 below the group", "", `{` + repo + `["com.example.calendar.deep.down.event"]}`, "repo:com.example.calendar.deep.down.event"},
		{"O131 a method of any audience", "", `{` + rpc + `["com.example.calendar.list"]}`, "rpc:com.example.calendar.list?aud=*"},
		{"O131 the audience of the include", aud, `{` + open + `["com.example.calendar.list"]}`, "rpc:com.example.calendar.list?aud=did:web:example.com%23foo"},
		{"O131 the audience of the include stays away from others", aud, `{` + rpc + `["com.example.calendar.list"]}`, "rpc:com.example.calendar.list?aud=*"},

		{"O131 no audience to inherit", "", `{` + open + `["com.example.calendar.list"]}`, ""},
		{"O131 inheritance and an audience", aud, `{` + open + `["com.example.calendar.list"],"aud":"*"}`, ""},
		{"O131 inheritance and no string as audience", aud, `{` + open + `["com.example.calendar.list"],"aud":null}`, ""},
		{"O131 inheritance denied", aud, `{"type":"permission","resource":"rpc","inheritAud":false,"lxm":["com.example.calendar.list"]}`, ""},
		{"O131 inheritance in words", aud, `{"type":"permission","resource":"rpc","inheritAud":"true","lxm":["com.example.calendar.list"]}`, ""},
		{"O131 an audience of its own", "", `{"type":"permission","resource":"rpc","aud":"did:web:example.com#foo","lxm":["com.example.calendar.list"]}`, ""},
		{"O131 the include's audience of its own", aud, `{"type":"permission","resource":"rpc","aud":"did:web:example.com#foo","lxm":["com.example.calendar.list"]}`, ""},
		{"O131 no audience", aud, `{"type":"permission","resource":"rpc","lxm":["com.example.calendar.list"]}`, ""},
		{"O131 any method", aud, `{` + open + `["*"]}`, ""},
		{"O131 any collection", "", `{` + repo + `["*"]}`, ""},
		{"O131 a method outside the group", "", `{` + rpc + `["com.atproto.moderation.createReport"]}`, ""},
		{"O131 a sibling group", "", `{` + repo + `["com.example.actor.profile"]}`, ""},
		{"O131 a parent", "", `{` + repo + `["com.example.event"]}`, ""},
		{"O131 a group whose name only begins so", "", `{` + repo + `["com.example.calendarx.event"]}`, ""},
		{"O131 one in the group and one outside", "", `{` + repo + `["com.example.calendar.event","app.bsky.feed.post"]}`, ""},
		{"O131 no list of collections", "", `{` + repo + `"com.example.calendar.event"}`, ""},
		{"O131 a list with something else in it", "", `{` + repo + `["com.example.calendar.event",null]}`, ""},
		{"O131 an empty list", "", `{` + repo + `[]}`, ""},
		{"O131 no collection", "", `{"type":"permission","resource":"repo"}`, ""},
		{"O131 an action that is no list", "", `{` + repo + `["com.example.calendar.event"],"action":"create"}`, ""},
		{"O131 an unknown action", "", `{` + repo + `["com.example.calendar.event"],"action":["create","manage"]}`, ""},
		{"O131 an unknown parameter", "", `{` + repo + `["com.example.calendar.event"],"until":2030}`, ""},
		{"O131 an unknown parameter of a method", "", `{` + rpc + `["com.example.calendar.list"],"extra":{"a":[1]}}`, ""},
		{"O131 other resources", aud, `{"type":"permission","resource":"blob","accept":["image/*"]},{"type":"permission","resource":"account","attr":"email"},{"type":"permission","resource":"identity","attr":"*"},{"type":"permission","resource":"include","nsid":"com.example.calendar.auth"},{"type":"permission","resource":"future"}`, ""},
		{"O131 other types, and none", aud, `{"type":"denial","resource":"repo","collection":["com.example.calendar.event"]},{"resource":"repo","collection":["com.example.calendar.event"]},7,null,[],"x"`, ""},
		{"O131 what is not understood hides nothing else", "", `{"type":"permission","resource":"future"},7,{` + repo + `["com.example.calendar.event"]}`, "repo:com.example.calendar.event"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set := setOf(t, id, tt.entries)
			permissions, err := set.Expand(scope.Include(set.ID(), tt.audience))
			if err != nil {
				t.Fatal(err)
			}
			if got := scope.Join(permissions...); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
	t.Run("O131 a set at the top of its names reaches all below", func(t *testing.T) {
		set := setOf(t, "app.example.authFull", `{`+repo+`["app.example.feed.post","app.example.actor.profile"]}`)
		permissions, err := set.Expand(scope.Include("app.example.authFull", ""))
		if got := scope.Join(permissions...); err != nil || got != "repo?collection=app.example.actor.profile&collection=app.example.feed.post" {
			t.Error(got, err)
		}
	})
	t.Run("O131 the shared fixture", func(t *testing.T) {
		set := fixture(t)
		permissions, err := set.Expand(scope.Include(set.ID(), appView))
		if err != nil || len(permissions) != 0 {
			t.Errorf("%v, %v: all its entries are outside the group of %s, or of any method", permissions, err, set.ID())
		}
	})
	t.Run("O131 the shared fixture under a name of its group", func(t *testing.T) {
		document, err := os.ReadFile("../../internal/interop/testdata/lexicon/catalog/permission-set.json")
		if err != nil {
			t.Fatal(err)
		}
		set, err := scope.ParsePermissionSet([]byte(strings.Replace(string(document), "example.lexicon.permissionset", "com.example.calendar.auth", 1)))
		if err != nil {
			t.Fatal(err)
		}
		permissions, err := set.Expand(scope.Include(set.ID(), appView))
		want := "repo?collection=com.example.calendar.event&collection=com.example.calendar.rsvp&action=create&action=delete" +
			" repo:com.example.calendar.eventV2?action=create" +
			" rpc:com.example.calendar.listEvents?aud=*" +
			" rpc:com.example.calendar.listEvents?aud=did:web:api.bsky.app%23bsky_appview"
		if got := scope.Join(permissions...); err != nil || got != want {
			t.Errorf("%v\n got %s\nwant %s", err, got, want)
		}
	})
	t.Run("the include must be for the set", func(t *testing.T) {
		set := fixture(t)
		for _, include := range []scope.IncludePermission{
			{}, scope.Include("com.example.auth", ""), scope.Include(set.ID(), "did:web:example.com"),
		} {
			if permissions, err := set.Expand(include); err == nil || permissions != nil {
				t.Errorf("%v: %v", include, permissions)
			}
		}
	})
}

func TestPermissionSetDocuments(t *testing.T) {
	for name, document := range map[string]string{
		"no JSON":         `{`,
		"no name":         `{"defs":{"main":{"type":"permission-set","permissions":[]}}}`,
		"another lexicon": `{"id":"com.example.record","defs":{"main":{"type":"record"}}}`,
		"no definitions":  `{"id":"com.example.record"}`,
		"a wrong title":   `{"id":"com.example.auth","defs":{"main":{"type":"permission-set","title":7}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if set, err := scope.ParsePermissionSet([]byte(document)); err == nil {
				t.Errorf("%v", set)
			}
		})
	}
	t.Run("a set of our own lexicons", func(t *testing.T) {
		document, err := os.ReadFile("../../lexgen/testdata/lexicons/com/example/access.json")
		if err != nil {
			t.Fatal(err)
		}
		set, err := scope.ParsePermissionSet(document)
		if err != nil {
			t.Fatal(err)
		}
		if set.ID() != "com.example.access" || set.Title() == "" {
			t.Errorf("%s %q", set.ID(), set.Title())
		}
	})
}

func TestTextsInLanguages(t *testing.T) {
	document, err := json.Marshal(map[string]any{"id": "com.example.auth", "defs": map[string]any{"main": map[string]any{
		"type": "permission-set", "title": "Basics", "detail": "Posts",
		"title:lang":  map[string]string{"fr": "Bases", "pt-BR": "Básico", "zh-Hant": "基本", "zh-x-a": "x"},
		"detail:lang": map[string]string{"fr-FR": "Publications", "fr-CA": "Messages"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	set, err := scope.ParsePermissionSet(document)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		languages     []syntax.Language
		title, detail string
	}{
		{nil, "Basics", "Posts"},
		{[]syntax.Language{"fr"}, "Bases", "Messages"},
		{[]syntax.Language{"fr-FR"}, "Bases", "Publications"},
		{[]syntax.Language{"FR-ca"}, "Bases", "Messages"},
		{[]syntax.Language{"pt"}, "Básico", "Posts"},
		{[]syntax.Language{"zh-Hant-TW"}, "基本", "Posts"},
		{[]syntax.Language{"zh-Hant-x-b"}, "基本", "Posts"},
		{[]syntax.Language{"f"}, "Basics", "Posts"},
		{[]syntax.Language{"de", "pt-PT", "fr"}, "Bases", "Messages"},
		{[]syntax.Language{"", "de"}, "Basics", "Posts"},
	} {
		t.Run(strings.Join(append([]string{"languages"}, convert(tt.languages)...), " "), func(t *testing.T) {
			got := []string{set.Title(tt.languages...), set.Detail(tt.languages...)}
			if diff := cmp.Diff([]string{tt.title, tt.detail}, got); diff != "" {
				t.Errorf("texts (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("the shared fixture", func(t *testing.T) {
		set := fixture(t)
		if got := set.Title("fr-BE") + ", " + set.Detail("fr"); got != "Example for Modération, Créer des rapports de modération" {
			t.Error(got)
		}
	})
}

func convert(languages []syntax.Language) []string {
	var tags []string
	for _, l := range languages {
		tags = append(tags, string(l))
	}
	return tags
}
