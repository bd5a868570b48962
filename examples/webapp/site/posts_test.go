package site

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/records"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func TestAFormSentTwiceIsOnePost(t *testing.T) {
	t.Run("one after the other", func(t *testing.T) {
		v := visit(t).logIn()
		form := sent{key: v.key(), text: "Once"}
		v.post(form)
		v.post(form)
		v.wantStatus(http.StatusOK)
		if n := v.posts(); n != 1 {
			t.Errorf("%d posts", n)
		}
	})
	t.Run("at once", func(t *testing.T) {
		v := visit(t).logIn()
		form := sent{key: v.key(), text: "Once", alt: "A gradient", name: "a.jpg", picture: photo(t, 40, 30, 1)}
		var group sync.WaitGroup
		for range 4 {
			req := form.request(t, v.home)
			group.Go(func() {
				resp, err := v.http.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					t.Errorf("status %d", resp.StatusCode)
				}
			})
		}
		group.Wait()
		v.get("/")
		if n := v.posts(); n != 1 {
			t.Errorf("%d posts", n)
		}
	})
	t.Run("a lost answer is looked up", func(t *testing.T) {
		v := visit(t).logIn()
		v.sandbox.Fault("/xrpc/com.atproto.repo.createRecord", oauthtest.Fault{Drop: true})
		v.post(sent{text: "Once"})
		v.wantStatus(http.StatusOK)
		v.want("Once</p>")
		v.lacks("role=\"alert\"")
	})
	t.Run("with another text it is asked for once more, and is a post of its own", func(t *testing.T) {
		v := visit(t).logIn()
		old := v.key()
		v.post(sent{key: old, text: "The first"})
		v.post(sent{key: old, text: "The second"})
		v.wantStatus(http.StatusConflict)
		v.want("already sent, with another text", ">The second</textarea>")
		if v.key() == old {
			t.Fatal("the form has the key of a post that is there")
		}
		v.post(sent{text: "The second"})
		v.want("The first</p>", "The second</p>")
	})
	t.Run("a key that is none is not taken", func(t *testing.T) {
		v := visit(t).logIn()
		v.post(sent{key: "../../x", text: "Once"})
		v.wantStatus(http.StatusOK)
		v.want("Once</p>")
	})
}

func TestCharactersAreWhatPeopleTakeForOne(t *testing.T) {
	const family = "👨‍👩‍👧" // 18 bytes, 5 code points
	v := visit(t).logIn()
	v.post(sent{text: strings.Repeat(family, 150)})
	v.wantStatus(http.StatusOK)
	v.want(strings.Repeat(family, 150) + "</p>")
	v.post(sent{text: strings.Repeat("é", 301)})
	v.wantStatus(http.StatusBadRequest)
	v.want("Yours has 301.")
	v.post(sent{text: strings.Repeat(family, 200)}) // more than 3,000 bytes
	v.wantStatus(http.StatusBadRequest)
	v.want("too long", family+"</textarea>")
}

func TestLinksOfPosts(t *testing.T) {
	v := visit(t).logIn()
	v.post(sent{text: "See https://example.com/a?b=c&d, ask @bob.test #go"})
	bob := v.sandbox.Environment().Account("bob").DID
	v.want(`<a href="https://example.com/a?b=c&amp;d" rel="nofollow noopener noreferrer">https://example.com/a?b=c&amp;d</a>`,
		`<a href="https://bsky.app/profile/`+string(bob)+`"`, `>@bob.test</a>`, `<a href="https://bsky.app/hashtag/go"`)

	t.Run("what would run is no link", func(t *testing.T) {
		post := &appbsky.FeedPost{Text: "click", CreatedAt: syntax.Now(), Facets: []appbsky.RichtextFacet{{
			Index:    appbsky.RichtextFacetByteSlice{ByteStart: 0, ByteEnd: 5},
			Features: []appbsky.RichtextFacetFeaturesUnion{appbsky.NewRichtextFacetFeaturesUnion(&appbsky.RichtextFacetLink{URI: "javascript:alert(1)"})},
		}}}
		if _, err := records.Create(t.Context(), otherApp(t, v.sandbox), post); err != nil {
			t.Fatal(err)
		}
		v.get("/")
		v.want(">click</p>")
		v.lacks("javascript:")
	})
}

func TestDeleting(t *testing.T) {
	v := visit(t).logIn()
	v.post(sent{text: "Regretted"})
	key := v.key() // of the form; the post has the one before
	v.lacks(`action="/delete"`)
	v.want("Allow it to delete posts, too")

	v.submit("/delete", "key", key)
	v.wantStatus(http.StatusForbidden)
	v.want("You have not allowed this application to do that", "<h1>alice.test</h1>")

	v.submit("/allow")
	v.answer("deny")
	v.want("You did not agree", "<h1>alice.test</h1>", "Allow it to delete posts, too")

	v.submit("/allow")
	v.want(mayDelete.String())
	v.answer("allow")
	v.want("<li>delete posts</li>", "<li>write posts</li>", `action="/delete"`)
	v.lacks("Allow it to delete posts, too")
	keys := formKey.FindAllStringSubmatch(v.page, -1)
	v.submit("/delete", "key", keys[len(keys)-1][1])
	v.wantStatus(http.StatusOK)
	v.lacks("Regretted")
	v.submit("/delete", "key", "../x")
	v.wantStatus(http.StatusBadRequest)
}

func TestProfile(t *testing.T) {
	v := visit(t).logIn()
	v.want(`aria-hidden="true">A</span>`)
	other := otherApp(t, v.sandbox)
	image, err := records.UploadImage(t.Context(), other, photoFile(t, 64, 64), "me")
	if err != nil {
		t.Fatal(err)
	}
	_, err = records.Put(t.Context(), other, "self", &appbsky.ActorProfile{
		DisplayName: new("Alice <A.>"), Description: new("I write."), Avatar: &image.Image,
	})
	if err != nil {
		t.Fatal(err)
	}
	v.get("/")
	v.want("<h1>Alice &lt;A.&gt;</h1>", "@alice.test", "I write.", `src="/picture/`+string(image.Image.Ref)+`"`)
	v.get("/picture/" + string(image.Image.Ref))
	v.wantStatus(http.StatusOK)
}

func TestTimesOfPosts(t *testing.T) {
	now := time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC)
	v := visit(t, func(v *visitor) { v.now = func() time.Time { return now } }).logIn()
	for _, at := range []syntax.Datetime{"2026-03-05T11:15:00Z", "2026-03-04 09:00:00"} { // the second as real records have it
		post := &appbsky.FeedPost{Text: "Hello", CreatedAt: at}
		if _, err := records.Create(t.Context(), otherApp(t, v.sandbox), post, records.WithoutChecks(), records.WithServerValidation(false)); err != nil {
			t.Fatal(err)
		}
	}
	v.get("/")
	v.want(`<time datetime="2026-03-05T11:15:00Z">45 minutes ago</time>`, ">yesterday</time>")
}
