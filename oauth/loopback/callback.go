package loopback

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"net/url"

	"github.com/gimucco/atproto-go/oauth"
)

// An outcome is how a login ended.
type outcome struct {
	session *oauth.Session
	err     error
}

// waiting is the handler that waits for the browser to come back.
type waiting struct {
	client   *oauth.Client
	login    *oauth.Login
	redirect *url.URL
	ended    chan outcome // has room for the one outcome that counts
}

// take ends the login with the query of a callback. It reports whether that ended it. A callback
// from another program, another tab or an earlier login is not this person's answer, and does not
// end it.
func (w *waiting) take(ctx context.Context, query url.Values) (o outcome, final bool) {
	result, err := w.client.Callback(ctx, query, w.login.Binding)
	if err != nil {
		o.err = err
	} else {
		o.session = result.Session
	}
	if errors.Is(err, oauth.ErrStateUnknown) || errors.Is(err, oauth.ErrBinding) || errors.Is(err, oauth.ErrInvalidCallback) {
		return o, false
	}
	select {
	case w.ended <- o:
	default: // another callback was faster
	}
	return o, true
}

// ServeHTTP answers the browser.
func (w *waiting) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Cache-Control", "no-store")
	rw.Header().Set("Referrer-Policy", "no-referrer")
	rw.Header().Set("X-Content-Type-Options", "nosniff")
	rw.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	switch {
	case r.Host != w.redirect.Host: // another name that leads here; somebody else's page may be behind it
		http.Error(rw, "This address is only for the login.", http.StatusMisdirectedRequest)
		return
	case r.URL.Path != w.redirect.Path:
		http.NotFound(rw, r)
		return
	case r.Method != http.MethodGet: // HEAD uses nothing up
		rw.Header().Set("Allow", http.MethodGet)
		http.Error(rw, "Use GET: the login comes back by GET.", http.StatusMethodNotAllowed)
		return
	}
	o, _ := w.take(r.Context(), r.URL.Query())
	status, text := oauth.Explain(o.err)
	content := pageContent{Title: "You are logged in", Text: "Go back to the program. You can close this page."}
	if o.err != nil {
		content = pageContent{Title: "The login did not succeed", Text: text}
	} else if handle := o.session.Handle(); handle.Validate() == nil && !handle.Reserved() {
		content.Title += " as " + string(handle)
	}
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	rw.WriteHeader(status)
	page.Execute(rw, content)
}

type pageContent struct{ Title, Text string }

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{{.Title}}</title>
<style>body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 32rem; margin: 20vh auto; padding: 0 1rem }</style>
<main>
<h1>{{.Title}}</h1>
<p>{{.Text}}</p>
</main>
</html>
`))
