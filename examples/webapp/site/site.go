// Package site is the pages of the example: log in, see who one is, write a post with a picture, see
// it, log out.
//
//	client, err := oauth.NewClient(config) // whose Scope is site.Scope()
//	…
//	http.ListenAndServe(address, site.New(site.Config{Client: client}))
//
// Each file is one idea: site.go mounts the handlers and shows pages, posts.go writes and lists
// posts, draft.go reads the form, clean.go removes from a picture what nobody else should see,
// pictures.go serves pictures, profile.go reads the profile, words.go says times and permissions
// in words.
package site

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// The permissions that the application asks for. A login asks for the first two. The permission to
// delete posts is asked for when the user wants it.
var (
	mayPost   = scope.Repo(appbsky.FeedPostNSID, scope.Create)
	mayUpload = scope.Blob("image/*")
	mayDelete = scope.Repo(appbsky.FeedPostNSID, scope.Delete)
)

// Scope is the most that the application asks for: the Scope of its client.
func Scope() string { return scope.Join(scope.Atproto, mayPost, mayUpload, mayDelete) }

var (
	//go:embed pages
	pageFiles embed.FS
	//go:embed static
	staticFiles embed.FS

	pages = template.Must(template.ParseFS(pageFiles, "pages/*.html"))
)

// A Config says what a site is made of. Client is required.
type Config struct {
	Client *oauth.Client // with the scope of Scope
	Logger *slog.Logger  // nil: slog.Default

	Example string           // a handle that the login form shows as an example; "": alice.example.com
	Note    string           // at the foot of each page
	Now     func() time.Time // nil: time.Now
}

// A site is the application.
type site struct {
	web      *oauth.Web
	log      *slog.Logger
	keys     *syntax.TIDClock // keys of posts that are not written yet
	cleaning chan struct{}    // held while a picture is decoded: a large one takes some hundred megabytes
	Config
}

// New returns the application, to be mounted at "/".
func New(config Config) http.Handler {
	s := &site{Config: config, keys: syntax.NewTIDClock(config.Now, 0), cleaning: make(chan struct{}, 1)}
	s.log = cmp.Or(config.Logger, slog.Default())
	s.Example = cmp.Or(config.Example, "alice.example.com")
	s.web = &oauth.Web{Client: config.Client, Failed: s.failed, Options: func(*http.Request) []oauth.AuthorizeOption {
		return []oauth.AuthorizeOption{oauth.WithScope(scope.Join(scope.Atproto, mayPost, mayUpload))}
	}}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.home)
	mux.Handle("POST /post", s.web.Require(http.HandlerFunc(s.post)))
	mux.Handle("POST /delete", s.web.Require(http.HandlerFunc(s.delete)))
	mux.HandleFunc("GET /picture/{cid}", s.picture)
	mux.Handle("POST /login", s.web.LoginHandler())
	mux.Handle("GET /callback", s.web.CallbackHandler())
	mux.Handle("POST /logout", s.web.LogoutHandler())
	mux.Handle("POST /allow", s.web.UpgradeHandler(mayDelete))
	mux.Handle("GET /static/", http.FileServerFS(staticFiles))
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, staticFiles, "static/favicon.svg")
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		s.failed(w, r, &problem{http.StatusNotFound, "There is no such page here."})
	})
	return guard(http.NewCrossOriginProtection().Handler(mux))
}

// guard sets the security headers of every answer. Scripts and styles come from files of this site, and
// nothing else runs. There is no form-action: the login form redirects to the account's server, which can be any,
// and browsers apply form-action to redirects, too.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// A view is what a page shows.
type view struct {
	Session *oauth.Session // nil: nobody is logged in, unless Unknown says otherwise
	Unknown bool           // who is logged in cannot be found out now
	Profile profile
	Posts   []post
	Problem string

	May       []string // what the session may do, in words; users may allow less than was asked for
	MayUpload bool
	MayDelete bool

	// What the user typed, so that nobody has to type it again.
	Draft      *draft
	Identifier string

	Example, Note string
	Limit         int
}

// who returns a view that says who is logged in. If that cannot be found out, it also returns the error.
func (s *site) who(r *http.Request) (*view, error) {
	session, err := s.web.Session(r)
	switch {
	case err == nil:
		return &view{Session: session, May: mays(session.Scope()), MayUpload: session.Allows(mayUpload), MayDelete: session.Allows(mayDelete)}, nil
	case errors.Is(err, oauth.ErrReauthRequired):
		return new(view), nil
	}
	return &view{Unknown: true}, err
}

// pageTime is how long a page waits for the account's server.
const pageTime = 10 * time.Second

// fill reads what the page of somebody who is logged in shows.
func (s *site) fill(ctx context.Context, v *view) error {
	ctx, cancel := context.WithTimeout(ctx, pageTime)
	defer cancel()
	var err error
	if v.Profile, err = readProfile(ctx, v.Session); err != nil {
		return err
	}
	v.Posts, err = latestPosts(ctx, v.Session, s.now())
	return err
}

func (s *site) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

func (s *site) home(w http.ResponseWriter, r *http.Request) {
	v, err := s.who(r)
	if err == nil && v.Session != nil {
		err = s.fill(r.Context(), v)
	}
	if err != nil {
		s.web.Fail(w, r, err)
		return
	}
	s.show(w, http.StatusOK, v)
}

// A problem is an error that the user can do something about. Its text is shown on the page.
type problem struct {
	status int
	text   string
}

func (p *problem) Error() string { return p.text }

// failed shows what the user can do about an error, who is logged in, and what was typed. Only
// ErrReauthRequired means that the session is over; every other error keeps it, and so does the page.
func (s *site) failed(w http.ResponseWriter, r *http.Request, err error) {
	v, _ := s.who(r) // the page tells why the request failed, not why this did
	if errors.Is(err, oauth.ErrReauthRequired) {
		v = new(view)
	}
	v.Draft = draftOf(w, r)
	v.Identifier = r.PostForm.Get("identifier") // if it was that form
	status, text := s.web.Explain(r, err)
	if p, ok := errors.AsType[*problem](err); ok {
		status, text = p.status, p.text
		if v.Session != nil {
			s.fill(r.Context(), v) // the page does without what cannot be read now
		}
	} else {
		s.log.Warn("request failed", "path", r.URL.Path, "error", err)
	}
	v.Problem = text
	s.show(w, status, v)
}

func (s *site) show(w http.ResponseWriter, status int, v *view) {
	if v.Draft == nil {
		v.Draft = new(draft)
	}
	if v.Draft.Key == "" {
		v.Draft.Key = s.keys.NewTID()
	}
	v.Example, v.Note, v.Limit = s.Example, s.Note, maxGraphemes
	var out bytes.Buffer
	if err := pages.ExecuteTemplate(&out, "page.html", v); err != nil {
		s.log.Error("a page cannot be shown", "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	out.WriteTo(w)
}
