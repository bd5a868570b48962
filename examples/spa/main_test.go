package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/oauth/oauthtest"
)

// A visitor is a browser as far as forms, redirects and scripts go.
type visitor struct {
	t       *testing.T
	home    string
	sandbox *oauthtest.Server
	http    *http.Client
}

func visit(t *testing.T) *visitor {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	v := &visitor{t: t, home: "http://" + server.Listener.Addr().String()}
	v.sandbox = oauthtest.NewServer(oauthtest.WithSignInPage(v.home + "/sign-in"))
	handler, err := newApp(v.home, v.sandbox)
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = handler
	server.Start()
	t.Cleanup(func() { server.Close(); v.sandbox.Close() })
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v.http = &http.Client{Jar: jar}
	return v
}

// send sends a request with header fields in pairs, and returns the answer and its body.
func (v *visitor) send(method, path, body string, header ...string) (*http.Response, string) {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), method, v.home+path, strings.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := v.http.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return resp, string(data)
}

// call calls a method as the script does.
func (v *visitor) call(method, body, contentType string) (*http.Response, string) {
	v.t.Helper()
	verb := "GET"
	if body != "" {
		verb = "POST"
	}
	return v.send(verb, "/xrpc/"+method, body, "Content-Type", contentType, "Sec-Fetch-Site", "same-origin")
}

// logIn logs an account in by the pages of application and sandbox.
func (v *visitor) logIn(name string) {
	v.t.Helper()
	form := url.Values{"identifier": {name + ".test"}}
	resp, page := v.send("POST", "/login", form.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Origin", v.home)
	if resp.Request.URL.Path != "/sign-in" {
		v.t.Fatalf("%s: %s", resp.Request.URL, page)
	}
	query := resp.Request.URL.Query()
	account := v.sandbox.Environment().Account(name)
	form = url.Values{"client_id": query["client_id"], "request_uri": query["request_uri"], "username": {name + ".test"}, "password": {account.Password}, "answer": {"allow"}}
	if resp, page = v.send("POST", "/sign-in", form.Encode(), "Content-Type", "application/x-www-form-urlencoded"); resp.Request.URL.Path != "/" {
		v.t.Fatalf("%s: %s", resp.Request.URL, page)
	}
}

func TestSpa(t *testing.T) {
	t.Run("who is not logged in comes to the login page", func(t *testing.T) {
		v := visit(t)
		resp, page := v.send("GET", "/?x=%22%3E", "", "Accept", "text/html")
		if resp.Request.URL.Path != "/login" || !strings.Contains(page, `value="/?x=%22%3E"`) {
			t.Errorf("%s: %s", resp.Request.URL, page)
		}
		if resp, body := v.call("com.atproto.server.getSession", "", ""); resp.StatusCode != 401 || !strings.Contains(body, "SessionLost") {
			t.Errorf("status %d, %s", resp.StatusCode, body)
		}
	})
	t.Run("a file is kept, and comes back as nothing that runs", func(t *testing.T) {
		v := visit(t)
		v.logIn("alice")
		resp, body := v.call("com.atproto.repo.uploadBlob", "<script>document.title = 'owned'</script>", "text/html")
		var uploaded struct{ Blob json.RawMessage }
		if err := json.Unmarshal([]byte(body), &uploaded); err != nil || resp.StatusCode != 200 {
			t.Fatalf("status %d, %s, %v", resp.StatusCode, body, err)
		}
		did := v.sandbox.Environment().Account("alice").DID
		record := fmt.Sprintf(`{"repo":%q,"collection":%q,"record":{"$type":%q,"name":"x.html","blob":%s,"createdAt":"2026-01-01T00:00:00Z"}}`, did, collection, collection, uploaded.Blob)
		if resp, body := v.call("com.atproto.repo.createRecord", record, "application/json"); resp.StatusCode != 200 {
			t.Fatalf("status %d, %s", resp.StatusCode, body)
		}
		var ref struct {
			Ref struct {
				Link string `json:"$link"`
			}
		}
		if err := json.Unmarshal(uploaded.Blob, &ref); err != nil {
			t.Fatal(err)
		}
		resp, body = v.call("com.atproto.sync.getBlob?did="+string(did)+"&cid="+ref.Ref.Link, "", "")
		h := resp.Header
		if resp.StatusCode != 200 || !strings.Contains(body, "<script>") {
			t.Fatalf("status %d, %s", resp.StatusCode, body)
		}
		if h.Get("Content-Type") != "application/octet-stream" || h.Get("Content-Disposition") != "attachment" || h.Get("X-Content-Type-Options") != "nosniff" ||
			h.Get("Content-Security-Policy") != "sandbox; default-src 'none'" {
			t.Errorf("%v", h)
		}
	})
	t.Run("the page runs no script but its own", func(t *testing.T) {
		v := visit(t)
		v.logIn("bob")
		resp, page := v.send("GET", "/", "", "Accept", "text/html")
		policy := resp.Header.Get("Content-Security-Policy")
		if resp.StatusCode != 200 || !strings.Contains(page, `src="/app.js"`) || !strings.Contains(policy, "script-src 'self';") {
			t.Errorf("status %d, %s, %s", resp.StatusCode, policy, page)
		}
	})
}
