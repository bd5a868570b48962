package realpds

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/gimucco/atproto-go/oauth/oauthtest"
)

// Approve signs in as account and agrees, by the requests that the server's own pages
// make. It returns the URL that the browser is sent back to.
func (s *Server) Approve(ctx context.Context, authorizeURL string, account oauthtest.Account) (*url.URL, error) {
	return s.visit(ctx, authorizeURL, func(p *page) (string, error) {
		var signedIn struct {
			Account struct {
				DID string `json:"did"`
			} `json:"account"`
			Token string `json:"ephemeralToken"`
		}
		err := p.call(ctx, "/sign-in", "", map[string]any{
			"locale": "en", "username": account.Handle, "password": account.Password, "remember": false,
		}, &signedIn)
		if err != nil {
			return "", err
		}
		var next struct {
			URL string `json:"url"`
		}
		err = p.call(ctx, "/consent", signedIn.Token, map[string]any{"did": account.DID}, &next)
		return next.URL, err
	})
}

// Deny refuses, by the requests that the server's own pages make.
func (s *Server) Deny(ctx context.Context, authorizeURL string) (*url.URL, error) {
	return s.visit(ctx, authorizeURL, func(p *page) (string, error) {
		var next struct {
			URL string `json:"url"`
		}
		err := p.call(ctx, "/reject", "", map[string]any{}, &next)
		return next.URL, err
	})
}

// visit opens the authorization page in a browser of its own, lets decide work on it,
// and follows where that leads.
func (s *Server) visit(ctx context.Context, authorizeURL string, decide func(*page) (string, error)) (*url.URL, error) {
	at, err := url.Parse(authorizeURL)
	if err != nil {
		return nil, err
	}
	transport := s.env.Transport()
	defer transport.CloseIdleConnections()
	p := &page{transport: transport, url: authorizeURL, origin: at.Scheme + "://" + at.Host, cookies: make(map[string]string)}
	resp, text, err := p.navigate(ctx, authorizeURL, "none")
	if err != nil {
		return nil, err
	}
	if back := resp.Header.Get("Location"); back != "" {
		return url.Parse(back) // refused at once
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the authorization page is HTTP %d: %s", resp.StatusCode, pageError(text))
	}
	if p.cookies["csrf-token"] == "" {
		return nil, errors.New("the authorization page sets no csrf-token")
	}
	next, err := decide(p)
	if err != nil {
		return nil, err
	}
	if resp, text, err = p.navigate(ctx, next, "same-origin"); err != nil {
		return nil, err
	}
	back := resp.Header.Get("Location")
	if back == "" {
		return nil, fmt.Errorf("not sent back: HTTP %d: %.500s", resp.StatusCode, text)
	}
	return url.Parse(back)
}

// A page is the server's sign-in page in a browser. It keeps its own cookies: the
// jar of the standard library refuses some of those that the pages set.
type page struct {
	transport http.RoundTripper
	url       string
	origin    string
	cookies   map[string]string
}

// navigate opens a URL as a browser does when its user follows a link.
func (p *page) navigate(ctx context.Context, target, site string) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Sec-Fetch-Mode", "navigate")
	req.Header.Set("Sec-Fetch-Dest", "document")
	req.Header.Set("Sec-Fetch-Site", site)
	if site == "same-origin" {
		req.Header.Set("Referer", p.url)
	}
	return p.do(req)
}

// call makes a request of the page's script. The server finds the authorization
// request by the Referer.
func (p *page) call(ctx context.Context, endpoint, token string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.origin+"/@atproto/oauth-provider/~api"+endpoint, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Accept": "application/json",
		"Origin": p.origin, "Referer": p.url, "X-Csrf-Token": p.cookies["csrf-token"],
		"Sec-Fetch-Mode": "same-origin", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "empty",
	} {
		req.Header.Set(name, value)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, answer, err := p.do(req)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: HTTP %d: %.500s", endpoint, resp.StatusCode, answer)
	}
	return json.Unmarshal(answer, out)
}

func (p *page) do(req *http.Request) (*http.Response, []byte, error) {
	var cookies []string
	for name, value := range p.cookies {
		cookies = append(cookies, name+"="+value)
	}
	if len(cookies) > 0 {
		req.Header.Set("Cookie", strings.Join(cookies, "; "))
	}
	req.Header.Set("User-Agent", "atproto-go e2e")
	resp, err := p.transport.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	for _, c := range resp.Cookies() {
		p.cookies[c.Name] = c.Value
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	return resp, body, err
}

// pageError finds what an error page tells its script.
func pageError(text []byte) string {
	s := string(text)
	if i := strings.Index(s, "__errorData"); i >= 0 {
		s = s[i:]
	}
	return s[:min(len(s), 260)]
}
