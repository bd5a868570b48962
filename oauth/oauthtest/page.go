package oauthtest

import (
	"bytes"
	"html/template"
	"net/http"
	"strings"
)

// A loginPage is the content of the page for sign-in and consent.
type loginPage struct {
	Client, ClientID, RequestURI string
	Scopes                       []string
	Username                     string
	Wrong                        bool
	Accounts                     []Account
}

// loginPage fills the page. tried is the identifier of a failed sign-in.
func (s *Server) loginPage(r *request, tried string) *loginPage {
	page := &loginPage{
		Client:     r.client.Name,
		ClientID:   r.client.ID,
		RequestURI: r.uri,
		Scopes:     strings.Split(r.params.Get("scope"), " "),
		Username:   r.params.Get("login_hint"),
	}
	if page.Client == "" {
		page.Client = r.client.ID
	}
	if tried != "" {
		page.Username, page.Wrong = tried, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.accounts {
		page.Accounts = append(page.Accounts, a.Account)
	}
	return page
}

const pageHead = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 28em; margin: 3em auto; padding: 0 1em; color: #223 }
label, input { display: block; width: 100%; box-sizing: border-box; margin: .3em 0 }
input { font: inherit; padding: .4em }
button { font: inherit; padding: .5em 1.5em; margin: 1em 1em 0 0 }
code { overflow-wrap: anywhere }
.wrong { color: #a00 }
footer { margin-top: 3em; font-size: .85em; color: #667 }
</style>
`

var loginTemplate = template.Must(template.New("login").Parse(pageHead + `<title>Sign in</title>
<h1>Sign in</h1>
<p><strong>{{.Client}}</strong> asks for access to your account.<br><code>{{.ClientID}}</code></p>
<p>It wants to use:</p>
<ul>{{range .Scopes}}<li><code>{{.}}</code></li>{{end}}</ul>
<form method="post">
<input type="hidden" name="client_id" value="{{.ClientID}}">
<input type="hidden" name="request_uri" value="{{.RequestURI}}">
<label>Handle <input name="username" value="{{.Username}}" autocomplete="username"></label>
<label>Password <input name="password" type="password" autocomplete="current-password"></label>
{{if .Wrong}}<p class="wrong" role="alert">Handle or password is wrong.</p>{{end}}
<button name="answer" value="allow">Allow</button>
<button name="answer" value="deny" formnovalidate>Deny</button>
</form>
<footer>This is a test server. Its accounts:
<ul>{{range .Accounts}}<li>{{.Handle}}, password <code>{{.Password}}</code></li>{{end}}</ul></footer>
`))

var errorTemplate = template.Must(template.New("error").Parse(pageHead + `<title>Sign in</title>
<h1>This login cannot go on</h1>
<p class="wrong" role="alert">{{.}}</p>
<p>Go back to the application and start again.</p>
`))

func showPage(w http.ResponseWriter, status int, page *loginPage) {
	render(w, status, loginTemplate, page)
}

func showError(w http.ResponseWriter, refused *oauthError) {
	render(w, refused.status, errorTemplate, refused.description)
}

func render(w http.ResponseWriter, status int, t *template.Template, data any) {
	var page bytes.Buffer
	if err := t.Execute(&page, data); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Frame-Options", "DENY")
	w.WriteHeader(status)
	page.WriteTo(w)
}
