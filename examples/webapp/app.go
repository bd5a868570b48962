package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"strings"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// mayPost is all that the application asks for: to write posts, and nothing else.
var mayPost = scope.Repo(appbsky.FeedPostNSID, scope.Create)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// What the page shows.
type view struct {
	Session    *oauth.Session // nil: nobody is logged in, unless Unknown says otherwise
	Unknown    bool           // who is logged in cannot be found out now
	Posts      []post
	Problem    string
	Draft      string // of a post, and who the user wanted to log in as: what was typed
	Identifier string // once is not to be typed again
	Sandbox    bool
}

type post struct {
	Text      string
	CreatedAt syntax.Datetime
}

type app struct {
	web     *oauth.Web
	sandbox bool
}

// newApp returns the application. accounts is nil on the real network.
func newApp(client *oauth.Client, accounts *sandbox) http.Handler {
	a := &app{sandbox: accounts != nil}
	a.web = &oauth.Web{Client: client, Failed: a.failed}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.Handle("POST /post", a.web.Require(http.HandlerFunc(a.post)))
	mux.Handle("POST /login", a.web.LoginHandler())
	mux.Handle("GET /callback", a.web.CallbackHandler())
	mux.Handle("POST /logout", a.web.LogoutHandler())
	if accounts != nil {
		mux.Handle("/sign-in", accounts.SignInPage())
	}
	return http.NewCrossOriginProtection().Handler(mux)
}

// who returns a page that says who is logged in. An error that leaves this open is
// returned, too.
func (a *app) who(r *http.Request) (view, error) {
	session, err := a.web.Session(r)
	switch {
	case err == nil:
		return view{Session: session}, nil
	case errors.Is(err, oauth.ErrReauthRequired):
		return view{}, nil
	}
	return view{Unknown: true}, err
}

func (a *app) home(w http.ResponseWriter, r *http.Request) {
	v, err := a.who(r)
	if err == nil && v.Session != nil {
		v.Posts, err = latestPosts(r.Context(), v.Session)
	}
	if err != nil {
		a.web.Fail(w, r, err)
		return
	}
	a.show(w, http.StatusOK, v)
}

// latestPosts reads the last posts of the account.
func latestPosts(ctx context.Context, session *oauth.Session) ([]post, error) {
	list, err := comatproto.NewClient(session).Repo.ListRecords(ctx, &comatproto.RepoListRecordsParams{
		Repo:       syntax.AtIdentifier(session.DID()),
		Collection: appbsky.FeedPostNSID,
		Limit:      new(int64(10)),
	})
	if err != nil {
		return nil, err
	}
	var posts []post
	for _, record := range list.Records {
		var p appbsky.FeedPost
		if record.Value.As(&p) == nil { // what is no post is not shown
			posts = append(posts, post{Text: p.Text, CreatedAt: p.CreatedAt})
		}
	}
	return posts, nil
}

// post writes a post. Whatever fails, the page that says so keeps what was typed.
func (a *app) post(w http.ResponseWriter, r *http.Request) {
	session, err := a.web.Session(r)
	if err != nil {
		a.web.Fail(w, r, err)
		return
	}
	text := strings.TrimSpace(r.PostFormValue("text"))
	record := &appbsky.FeedPost{Text: text, CreatedAt: syntax.Now()}
	if err := lex.Validate(record, lex.Strict); err != nil || text == "" {
		a.show(w, http.StatusBadRequest, view{Session: session, Draft: text, Problem: "A post has between 1 and 300 characters."})
		return
	}
	_, err = comatproto.NewClient(session).Repo.CreateRecord(r.Context(), &comatproto.RepoCreateRecordInput{
		Repo:       syntax.AtIdentifier(session.DID()),
		Collection: appbsky.FeedPostNSID,
		Record:     lex.Of(record),
	})
	if err != nil {
		a.web.Fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// failed shows what the user can do about an error. Only ErrReauthRequired means that the
// session is over; every other error keeps it, and so does the page.
func (a *app) failed(w http.ResponseWriter, r *http.Request, err error) {
	slog.Warn("request failed", "path", r.URL.Path, "error", err)
	v, _ := a.who(r) // why that is open matters less than why this failed
	if errors.Is(err, oauth.ErrReauthRequired) {
		v = view{}
	}
	v.Identifier, v.Draft = r.PostFormValue("identifier"), r.PostFormValue("text")
	status, problem := a.web.Explain(r, err)
	v.Problem = problem
	a.show(w, status, v)
}

func (a *app) show(w http.ResponseWriter, status int, v view) {
	v.Sandbox = a.sandbox
	var out bytes.Buffer
	if err := page.Execute(&out, v); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	out.WriteTo(w)
}
