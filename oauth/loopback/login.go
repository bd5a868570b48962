package loopback

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/cli/browser"

	"github.com/gimucco/atproto-go/internal/clientmetadata"
	"github.com/gimucco/atproto-go/oauth"
)

// ErrNoRedirect: the client has no redirect URI on this machine. Make the Config with
// oauth.Localhost, or add one such as "http://127.0.0.1/callback" to Config.RedirectURIs.
var ErrNoRedirect = errors.New("the client has no redirect URI on 127.0.0.1 or [::1]")

// loginLife is how long a person has to complete a login.
const loginLife = time.Hour

// An Option changes how a login is done.
type Option func(*settings)

type settings struct {
	authorize []oauth.AuthorizeOption
	port      int
	out       io.Writer
	in        io.Reader
	open      func(url string) error
	away      string // the host that the person is connected to by SSH; "" for none

	// Only for Open:
	scope     string
	dir       string
	configure []func(*oauth.Config)
}

// WithAuthorize passes options to Client.Authorize, such as oauth.WithScope or oauth.WithServer.
func WithAuthorize(opts ...oauth.AuthorizeOption) Option {
	return func(s *settings) { s.authorize = append(s.authorize, opts...) }
}

// WithPort listens on this port instead of a free one, for example because it is forwarded.
func WithPort(port int) Option { return func(s *settings) { s.port = port } }

// WithOutput sets where instructions for the person are written. The default is os.Stderr.
// io.Discard writes none.
func WithOutput(w io.Writer) Option { return func(s *settings) { s.out = w } }

// WithInput sets where the person can paste the address of the last page. Over SSH the default is
// os.Stdin; otherwise nothing is read. Lines are read until the login ends. A line that is typed
// later may be lost.
func WithInput(r io.Reader) Option { return func(s *settings) { s.in = r } }

// WithBrowser sets how a page is opened. Nil opens none. The default is the person's browser, and
// none over SSH.
func WithBrowser(open func(url string) error) Option { return func(s *settings) { s.open = open } }

func settingsOf(opts []Option) *settings {
	s := &settings{out: os.Stderr, open: browser.OpenURL, scope: defaultScope}
	if connection := strings.Fields(os.Getenv("SSH_CONNECTION")); len(connection) == 4 {
		s.away, s.open, s.in = connection[2], nil, os.Stdin
	}
	for _, opt := range opts {
		opt(s)
	}
	return s
}

// Login logs a person in. identifier is a handle, a DID or the URL of a server, as for
// Client.Authorize. Login returns when the person has agreed or refused, or when ctx ends, and
// after one hour at most.
//
// Errors: ErrNoRedirect; the errors of Client.Authorize and Client.Callback, such as
// oauth.ErrAccessDenied; an error if the port cannot be opened; the error of ctx.
func Login(ctx context.Context, client *oauth.Client, identifier string, opts ...Option) (*oauth.Session, error) {
	s := settingsOf(opts)
	redirect, err := redirectOf(client)
	if err != nil {
		return nil, fmt.Errorf("loopback: %w", err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(redirect.Hostname(), strconv.Itoa(s.port)))
	if err != nil {
		return nil, fmt.Errorf("loopback: %w", err)
	}
	redirect.Host = listener.Addr().String()
	login, err := client.Authorize(ctx, identifier, append(s.authorize, oauth.WithRedirectURI(redirect.String()))...)
	if err != nil {
		listener.Close()
		return nil, err
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := &waiting{client: client, login: login, redirect: redirect, ended: make(chan outcome, 1)}
	server := &http.Server{Handler: w, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	go server.Serve(listener)
	defer func() {
		// The page with the result may still be on its way to the browser.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		server.Shutdown(ctx)
	}()

	s.ask(login.URL, redirect)
	if s.in != nil {
		go s.readPasted(ctx, w)
	}
	select {
	case o := <-w.ended:
		return o.session, o.err
	case <-time.After(loginLife):
		return nil, fmt.Errorf("loopback: nobody logged in within an hour: run the program again")
	case <-ctx.Done():
		return nil, fmt.Errorf("loopback: nobody logged in: %w", context.Cause(ctx))
	}
}

// redirectOf returns the client's redirect URI on this machine, without a port.
func redirectOf(client *oauth.Client) (*url.URL, error) {
	var metadata struct {
		RedirectURIs []string `json:"redirect_uris"`
	}
	if err := json.Unmarshal(client.Metadata(), &metadata); err != nil {
		return nil, err
	}
	for _, text := range metadata.RedirectURIs {
		if clientmetadata.CheckLoopbackRedirect(text) != nil {
			continue
		}
		u, err := url.Parse(clientmetadata.WithoutPort(text))
		if err != nil {
			return nil, err
		}
		if u.Path == "" {
			u.Path = "/" // browsers ask for this path
		}
		return u, nil
	}
	return nil, ErrNoRedirect
}

// ask tells the person what to do.
func (s *settings) ask(page string, redirect *url.URL) {
	opened := s.open != nil && s.open(page) == nil
	if opened {
		fmt.Fprintf(s.out, "Log in on the page that opens in your browser. If none does, open this one:\n\n  %s\n\n", page)
		return
	}
	fmt.Fprintf(s.out, "To log in, open this page in your browser:\n\n  %s\n\n", page)
	if s.away != "" {
		fmt.Fprintf(s.out, "Your browser is on another machine. Forward the port: run this there, in another terminal:\n\n  ssh -N -L %s:%s %s\n\n", redirect.Port(), redirect.Host, s.away)
	}
	if s.in != nil {
		fmt.Fprintf(s.out, "Or agree on the page. The browser then cannot show the next page: paste its address here\nand press Enter. It begins with %s\n\n", redirect)
	}
}

// readPasted reads addresses that the person pastes, until one of them ends the login.
func (s *settings) readPasted(ctx context.Context, w *waiting) {
	const maxAddress = 64 << 10
	lines := bufio.NewScanner(s.in)
	lines.Buffer(nil, maxAddress)
	for lines.Scan() && ctx.Err() == nil {
		text := strings.TrimSpace(lines.Text())
		if text == "" {
			continue
		}
		pasted, err := url.Parse(text)
		if err != nil || !pasted.Query().Has("state") {
			fmt.Fprintf(s.out, "This is not the address of the last page. It begins with %s\n", w.redirect)
			continue
		}
		if o, final := w.take(ctx, pasted.Query()); !final {
			_, explained := oauth.Explain(o.err)
			fmt.Fprintln(s.out, explained)
		}
	}
}
