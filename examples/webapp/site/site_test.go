package site

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/oauth/store"
)

func TestVisits(t *testing.T) {
	t.Run("log in by handle, post, log out", func(t *testing.T) {
		v := visit(t)
		v.want("<h1>Log in</h1>")
		v.submit("/login", "identifier", "@Alice.test")
		v.want(mayPost.String(), mayUpload.String())
		v.lacks(mayDelete.String()) // nobody has wanted to yet
		v.answer("allow")
		v.want("<h1>alice.test</h1>", "did:plc:", "https://pds.test", "<li>know which account is yours</li><li>write posts</li><li>upload pictures</li>")
		v.submit("/post", "key", v.key(), "text", "Hello <b>world</b>")
		v.want("<h1>alice.test</h1>", "Hello &lt;b&gt;world&lt;/b&gt;", "just now")
		v.submit("/logout")
		v.want("<h1>Log in</h1>")
		v.submit("/post", "text", "nobody")
		v.want("Please log in.", "nobody</textarea>")
	})
	t.Run("who allows a part is offered that part", func(t *testing.T) {
		v := visit(t)
		v.submit("/login", "identifier", "alice.test")
		env := v.sandbox.Environment()
		back, err := v.sandbox.ApprovePart(t.Context(), v.resp.Request.URL.String(), env.Account("alice"), scope.Join(scope.Atproto, mayPost))
		if err != nil {
			t.Fatal(err)
		}
		v.get(back.RequestURI())
		v.want("<h1>alice.test</h1>", "<ul><li>know which account is yours</li><li>write posts</li></ul>")
		v.lacks(`type="file"`)
		v.post(sent{text: "Words", alt: "A gradient", name: "a.jpg", picture: photo(t, 40, 30, 1)})
		v.wantStatus(http.StatusForbidden)
		v.want("You have not allowed this application to do that", ">Words</textarea>")
		v.post(sent{text: "Words"})
		v.want("Words</p>")
	})
	t.Run("log in at the server", func(t *testing.T) {
		v := visit(t)
		v.submit("/login")
		v.answer("allow")
		v.want("<h1>alice.test</h1>")
	})
	t.Run("what goes wrong with a login is said", func(t *testing.T) {
		v := visit(t)
		v.submit("/login", "identifier", "nobody.test")
		v.want("There is no such account or server", `value="nobody.test"`)
		v.submit("/login", "identifier", "alice.test")
		v.answer("deny")
		v.wantStatus(http.StatusForbidden)
		v.want("You did not agree", "<h1>Log in</h1>")
		v.get("/callback?code=x&state=y&iss=z")
		v.want("This login has expired")
	})
	t.Run("a page that does not exist says who is logged in", func(t *testing.T) {
		v := visit(t).logIn()
		v.get("/nowhere")
		v.wantStatus(http.StatusNotFound)
		v.want("There is no such page", "<h1>alice.test</h1>")
	})
}

var errDown = errors.New("the database is being restarted")

func TestErrorPages(t *testing.T) {
	const unknown = "cannot find out who is logged in"
	loggedIn := func(v *visitor) {
		v.t.Helper()
		v.want("<title>alice.test ·", "<h1>alice.test</h1>", `action="/logout"`)
		v.lacks("Log in", unknown)
	}
	t.Run("P100 an outage of the account's server keeps the post and the session", func(t *testing.T) {
		v := visit(t).logIn()
		v.sandbox.Fault("/xrpc/", oauthtest.Fault{Times: -1, Status: 503, Body: "down"})
		v.get("/")
		v.want("Please try again later")
		loggedIn(v)
		v.post(sent{text: "Two <i>hours</i> of work", alt: "A <b>desk</b>", name: "desk.jpg", picture: photo(t, 40, 30, 1)})
		v.wantStatus(http.StatusBadGateway)
		v.want("Please try again later", ">Two &lt;i&gt;hours&lt;/i&gt; of work</textarea>", `value="A &lt;b&gt;desk&lt;/b&gt;"`)
		loggedIn(v)
		v.sandbox.ClearFaults()
		v.submit("/post", "key", v.key(), "text", "Two hours of work")
		v.wantStatus(http.StatusOK)
		v.want("Two hours of work</p>")
	})
	t.Run("P100 another login that fails leaves the one that is", func(t *testing.T) {
		v := visit(t).logIn()
		v.get("/callback?code=x&state=y&iss=z") // of an old tab: there is nothing to do
		v.lacks("This login has expired")
		loggedIn(v)
		v.submit("/login", "identifier", "nobody.test")
		v.want("There is no such account or server", "nobody.test", "<h1>alice.test</h1>")
		v.lacks(unknown)
	})
	t.Run("P100 nobody is said to be logged out while the database is down", func(t *testing.T) {
		kept := &brokenStore{Store: new(store.Memory)}
		v := visit(t, func(v *visitor) { v.store = kept }).logIn()
		kept.broken.Store(true)
		v.restart()
		for _, path := range []string{"/", "/callback?code=x&state=y&iss=z"} {
			v.get(path)
			v.want(unknown, "cannot reach its database")
			v.lacks("<h1>Log in", "alice.test</h1>", "expired")
		}
		v.post(sent{key: "3jzfcijpj2z2a", text: "Two hours of work", alt: "A desk"})
		v.want(unknown, "cannot reach its database", ">Two hours of work</textarea>", `value="A desk"`, `action="/post"`, "3jzfcijpj2z2a")
		v.lacks("<h1>Log in")
		v.submit("/login", "identifier", "nobody.test")
		v.want(unknown, "There is no such account or server", `value="nobody.test"`)
		v.submit("/logout")
		v.want(unknown, "cannot reach its database")

		kept.broken.Store(false)
		v.get("/") // the cookie went with the logout, whether it reached the database or not
		v.want("<h1>Log in</h1>")
		v.logIn()
	})
	t.Run("P100 a session that was ended leaves the post to be copied", func(t *testing.T) {
		v := visit(t).logIn()
		v.sandbox.RevokeSessions(v.sandbox.Environment().Account("alice").DID)
		v.post(sent{text: "Three hours of work"})
		v.wantStatus(http.StatusUnauthorized)
		v.want("<h1>Log in</h1>", "Please log in again", "Your post was not sent", ">Three hours of work</textarea>")
		v.lacks(unknown, `action="/logout"`)
	})
	t.Run("P100 nor is a session shown that its server refuses in words of its own, and that is kept", func(t *testing.T) {
		v := visit(t, func(v *visitor) {
			v.options = append(v.options, oauthtest.WithDeadSessions(oauthtest.Answer{Status: 400, Body: `{"error":"invalid_request"}`}))
		}).logIn()
		v.sandbox.RevokeSessions(v.sandbox.Environment().Account("alice").DID)
		v.post(sent{text: "Three hours of work"})
		v.wantStatus(http.StatusUnauthorized)
		v.want("<h1>Log in</h1>", "no longer accepts this session", ">Three hours of work</textarea>")
		v.lacks(unknown, `action="/logout"`)
	})
	t.Run("P100 a post that is refused here is kept, and the posts before it are shown", func(t *testing.T) {
		v := visit(t).logIn()
		v.post(sent{text: "The first"})
		for name, f := range map[string]sent{
			"A post has 300 characters at most. Yours has 301.": {text: strings.Repeat("x", 301)},
			"Write something, or choose a picture.":             {alt: "nothing"},
			"for people who cannot see it. Then choose":         {text: "no words", name: "a.jpg", picture: photo(t, 4, 3, 1)},
			"This file cannot be read as a picture":             {text: "no picture", alt: "?", name: "a.jpg", picture: []byte("<html>")},
			"The picture has more than 20 MB":                   {text: "much too large", alt: "all of it", name: "a.jpg", picture: make([]byte, maxPicture+1<<20)},
		} {
			v.post(f)
			if v.resp.StatusCode < 400 || v.resp.StatusCode > 499 {
				t.Errorf("%s: status %d", name, v.resp.StatusCode)
			}
			v.want(name, ">"+f.text+"</textarea>", `value="`+f.alt+`"`, "The first</p>")
			loggedIn(v)
			if n := v.posts(); n != 1 {
				t.Errorf("%s: %d posts", name, n)
			}
		}
	})
}

func TestPolicy(t *testing.T) {
	v := visit(t).logIn()
	v.post(sent{text: "Hello", alt: "A gradient", name: "a.png", picture: photo(t, 40, 30, 1)})
	inline := regexp.MustCompile(`(?i)<script>|<style|\sstyle=|\son[a-z]+=|javascript:`)
	for _, path := range []string{"/", "/nowhere", "/static/app.js", "/static/style.css", "/static/favicon.svg", "/favicon.ico"} {
		v.get(path)
		h := v.resp.Header
		for _, part := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "base-uri 'none'", "frame-ancestors 'none'"} {
			if !strings.Contains(h.Get("Content-Security-Policy"), part) {
				t.Errorf("%s: the policy %q lacks %q", path, h.Get("Content-Security-Policy"), part)
			}
		}
		if h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, h)
		}
		if found := inline.FindString(v.page); strings.HasPrefix(h.Get("Content-Type"), "text/html") && found != "" {
			t.Errorf("%s has %q, which the policy forbids", path, found)
		}
	}
	t.Run("forms of other sites are refused", func(t *testing.T) {
		req := sent{text: "spam", key: v.keyAt("/")}.request(t, v.home)
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		v.see(v.http.Do(req))
		v.wantStatus(http.StatusForbidden)
		v.get("/")
		v.lacks("spam")
	})
}

// keyAt is the key of the form on a page.
func (v *visitor) keyAt(path string) string {
	v.t.Helper()
	v.get(path)
	return v.key()
}
