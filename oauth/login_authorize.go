package oauth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/internal/clientmetadata"
	"github.com/gimucco/atproto-go/internal/dpop"
	"github.com/gimucco/atproto-go/internal/safehttp"
	"github.com/gimucco/atproto-go/internal/said"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Login is a login in progress. Send the user to URL. Keep Binding with the user: in a cookie
// that scripts cannot read, or in a variable of a command-line program. Pass it to Callback.
type Login struct {
	URL     string // the page to send the user to
	Binding string // ties the login to its browser; keep it secret

	state, redirectURI string
	identity           bool // WithIdentityOnly
}

// LogValue keeps Binding out of logs.
func (l Login) LogValue() slog.Value { return slog.GroupValue(slog.String("url", l.URL)) }

// String returns the URL. Nothing that prints or encodes a Login contains Binding; read it from its
// field.
func (l Login) String() string { return "login at " + l.URL }

// Format writes the same text as String, for every verb.
func (l Login) Format(f fmt.State, _ rune) { io.WriteString(f, l.String()) }

// MarshalJSON writes the URL only.
func (l Login) MarshalJSON() ([]byte, error) { return json.Marshal(struct{ URL string }{l.URL}) }

// An AuthorizeOption changes one login.
type AuthorizeOption func(*authorizeOptions)

type authorizeOptions struct {
	appState    string
	redirectURI string
	scope       string
	server      string
	prompt      string
	locales     []syntax.Language
	parameters  []parameter
	identity    bool
	lost        string
}

// A parameter is an additional parameter of an authorization request, from the application.
type parameter struct{ name, value string }

// WithAppState stores a value of the application with the login. Callback returns it, also in its
// errors. The value is kept in the store and is in no URL.
func WithAppState(state string) AuthorizeOption {
	return func(o *authorizeOptions) { o.appState = state }
}

// WithRedirectURI uses another of Config.RedirectURIs than the first. If one of them is on a
// loopback address, and is declared to servers without a port, uri may have any port. So a program
// can listen on any free port (RFC 8252 §7.3).
func WithRedirectURI(uri string) AuthorizeOption {
	return func(o *authorizeOptions) { o.redirectURI = uri }
}

// WithScope asks for other scopes than Config.Scope. Config.Scope must contain each of them.
func WithScope(scope string) AuthorizeOption {
	return func(o *authorizeOptions) { o.scope = scope }
}

// WithServer begins the login at a server: the https URL of a PDS or of an authorization server. It
// needs an empty identifier in Authorize, and it overrides Config.DefaultServer.
func WithServer(server string) AuthorizeOption {
	return func(o *authorizeOptions) { o.server = server }
}

// WithPrompt tells the server what to ask the user: "login", "consent", "select_account", "create"
// (create an account), or "none" to answer without showing a page. Servers accept "none" from
// confidential clients only. See OpenID Connect Core §3.1.2.1.
func WithPrompt(prompt string) AuthorizeOption {
	return func(o *authorizeOptions) { o.prompt = prompt }
}

// WithIdentityOnly finds out who the user is, and nothing more. The login asks for the scope
// "atproto" alone, its tokens are revoked at once, and nothing is kept. The result has a DID and a
// handle, but no Session. A WithScope after this option asks for another scope.
func WithIdentityOnly() AuthorizeOption {
	return func(o *authorizeOptions) { o.identity, o.scope = true, "atproto" }
}

// insteadOf marks a login without a page that Web begins in place of a lost session.
func insteadOf(lost SessionKey) AuthorizeOption {
	return func(o *authorizeOptions) { o.lost, o.prompt = lost.ID, "none" }
}

// WithLocales says which languages the server should use for the user, the preferred one first. See
// ui_locales in OpenID Connect Core §3.1.2.1.
func WithLocales(locales ...syntax.Language) AuthorizeOption {
	return func(o *authorizeOptions) { o.locales = locales }
}

// WithParameter adds a parameter to the authorization request that this package has no option for,
// for example "display". Authorize returns an error for a parameter that the client sets itself,
// that atproto servers refuse, or that is given twice.
//
// "response_mode" changes how the user comes back. The default is "query". With "fragment", the
// answer is in the URL's fragment, which only scripts in the page can read. With "form_post", the
// browser posts it as a form. Read the values there and pass them to Callback in the same way.
func WithParameter(name, value string) AuthorizeOption {
	return func(o *authorizeOptions) { o.parameters = append(o.parameters, parameter{name, value}) }
}

// Authorize begins a login. identifier is what the user typed: a handle, a DID, the URL of a
// profile, or the https URL of a server, in the forms that identity.ParseTyped accepts. If it is
// empty or white space, the login begins at the server of WithServer or Config.DefaultServer.
//
// Authorize finds the authorization server, and pushes the authorization request to it (RFC 9126)
// with PKCE and a new DPoP key. It stores what Callback needs for one hour.
//
// If the login begins at a server, the user chooses the account there. Callback then finds out
// which account it is, and whether that server is responsible for it.
//
// Errors: ErrUnresolved if the account does not exist or cannot be found; if identifier is not
// valid, it contains an *identity.InputError that says what to type instead. ErrInvalidMetadata if
// the account's server breaks the atproto profile, ErrAuthorization if the server refuses,
// ErrNetwork if it cannot be reached, ErrStore if the store failed. After any of these errors the
// user can try again.
func (c *Client) Authorize(ctx context.Context, identifier string, opts ...AuthorizeOption) (*Login, error) {
	o := authorizeOptions{redirectURI: c.config.RedirectURIs[0], scope: c.config.Scope}
	for _, opt := range opts {
		opt(&o)
	}
	if err := c.checkOptions(&o); err != nil {
		return nil, err
	}
	clientKey, err := c.activeKey()
	if err != nil {
		return nil, err
	}
	begin, err := c.destination(ctx, identifier, &o)
	if err != nil {
		return nil, err
	}
	server := begin.server
	key, err := newDPoPKey()
	if err != nil {
		return nil, &Error{Kind: ErrDPoP, Err: err}
	}
	binding, verifier, nonces := randomString(32), newVerifier(), c.nonces.Session(nil)
	stateID := randomString(32)
	clientID := c.clientIDFor(o.redirectURI)
	form := url.Values{
		"response_type":         {"code"},
		"code_challenge":        {challengeS256(verifier)},
		"code_challenge_method": {"S256"},
		"state":                 {stateID},
		"redirect_uri":          {o.redirectURI},
		"scope":                 {o.scope},
	}
	if begin.hint != "" {
		form.Set("login_hint", begin.hint)
	}
	if o.prompt != "" {
		form.Set("prompt", o.prompt)
	}
	if len(server.ResponseModes) == 0 || slices.Contains(server.ResponseModes, "query") {
		form.Set("response_mode", "query") // the default, but some servers want it in the request (P59)
	}
	o.extend(form)
	requestURI, err := c.push(ctx, server, clientID, clientKey, key, nonces, form)
	if err != nil {
		return nil, err
	}
	// Stored only now, so that a refused request leaves no record.
	err = c.save(ctx, stateKey(stateID), 1, stateLife, &loginState{
		Issuer:      server.Issuer,
		ClientID:    clientID,
		RedirectURI: o.redirectURI,
		Scope:       o.scope,
		Verifier:    verifier,
		Binding:     hash(binding),
		Key:         key,
		ClientKey:   clientKey,
		Account:     begin.account,
		AppState:    o.appState,
		Lost:        o.lost,
		Identity:    o.identity,
		Nonces:      nonces.Stored(),
		CreatedAt:   c.now(),
	})
	if err != nil {
		return nil, err
	}
	page, err := url.Parse(server.AuthorizationEndpoint)
	if err != nil {
		return nil, metadataError(server.Issuer+serverDocument, "authorization_endpoint: %w", err)
	}
	query := url.Values{"client_id": {clientID}, "request_uri": {requestURI}}.Encode()
	if page.RawQuery != "" {
		query = page.RawQuery + "&" + query
	}
	page.RawQuery = query
	return &Login{URL: page.String(), Binding: binding, state: stateID, redirectURI: o.redirectURI, identity: o.identity}, nil
}

// clientIDFor returns the client_id for a login with this redirect URI. Servers know a development
// client by its client_id only, and some read just the first redirect URI in it, and compare the
// whole text (P55). So the redirect URI of this login is declared first.
func (c *Client) clientIDFor(redirectURI string) string {
	id := c.config.ClientID
	declared, err := clientmetadata.ParseLocalhost(id)
	if err != nil || declared.RedirectURIs[0] == redirectURI {
		return id
	}
	uris := []string{redirectURI}
	for _, uri := range declared.RedirectURIs {
		if uri != redirectURI {
			uris = append(uris, uri)
		}
	}
	return clientmetadata.LocalhostClientID(uris, declared.Scope)
}

// A destination is the server and the account of a login.
type destination struct {
	server   *serverMetadata
	pds      string             // "" if the login begins at an authorization server
	identity *identity.Identity // nil if the user chooses the account at the server
	account  syntax.DID         // the DID of identity
	hint     string             // the account that the user typed; the server shows it
}

// destination finds the authorization server of an account, or the one for a server's URL.
func (c *Client) destination(ctx context.Context, identifier string, o *authorizeOptions) (*destination, error) {
	typed, err := identity.ParseTyped(identifier)
	switch {
	case err != nil:
		return nil, &Error{Kind: ErrUnresolved, Err: err}
	case typed != identity.Typed{} && o.server != "":
		return nil, optionError("WithServer", "cannot be combined with an identifier, which is %.200q: pass only one of them", identifier)
	case typed.Server != "":
		return c.serverBehind(ctx, typed.Server)
	case typed.Account == "":
		server := cmp.Or(o.server, c.config.DefaultServer)
		if server == "" {
			return nil, &Error{Kind: ErrUnresolved, Err: errors.New("no identifier and no server: pass an identifier, use WithServer, or set Config.DefaultServer")}
		}
		return c.serverBehind(ctx, server)
	}
	account, err := c.lookup(ctx, c.resolver, typed.Account)
	if err != nil {
		return nil, err
	}
	server, err := c.serverOfPDS(ctx, account.PDS)
	if err != nil {
		return nil, err
	}
	return &destination{server: server, pds: account.PDS, identity: account, account: account.DID, hint: string(typed.Account)}, nil
}

// serverBehind finds the authorization server for the origin that the user typed: that of a PDS, or
// of the authorization server itself.
func (c *Client) serverBehind(ctx context.Context, typed string) (*destination, error) {
	u, err := url.Parse(typed)
	if err == nil && u.Host != "" && !c.secure(u) {
		return nil, &Error{Kind: ErrUnresolved, Err: fmt.Errorf("%.200q is not the https URL of a server%s", typed, c.http.Remedy(u))}
	}
	if err != nil || u.Host == "" || u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return nil, &Error{Kind: ErrUnresolved, Err: fmt.Errorf("%.200q is not the https URL of a server, without path", typed)}
	}
	origin := originOf(u)
	pds := origin
	server, err := c.serverOfPDS(ctx, pds)
	if e, ok := errors.AsType[*safehttp.Error](err); ok && e.Status == http.StatusNotFound && e.URL == origin+resourceDocument {
		pds = ""
		server, err = c.serverOf(ctx, origin) // the origin is not a PDS (O37)
		if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusNotFound && syntax.Handle(u.Host).Validate() == nil {
			e.Err = fmt.Errorf("%s is neither a PDS nor an authorization server; if it is a handle, type it without https:// (%w)", u.Host, e.Err)
		}
	}
	if err != nil {
		return nil, err
	}
	return &destination{server: server, pds: pds}, nil
}

// serverOfPDS finds the authorization server of a PDS.
func (c *Client) serverOfPDS(ctx context.Context, pds string) (*serverMetadata, error) {
	issuer, err := c.issuerOfPDS(ctx, pds)
	if err != nil {
		return nil, err
	}
	server, err := c.serverOf(ctx, issuer)
	if err != nil {
		return nil, err
	}
	if err := server.covers(pds); err != nil {
		return nil, err
	}
	return server, nil
}

// stateKey is the key of a login in progress in the store. Browsers see the state itself, so the
// store holds only its hash.
func stateKey(state string) store.RecordKey {
	return store.RecordKey{Kind: store.RecordState, ID: hash(state)}
}

// optionError names an option and the rule it breaks.
func optionError(option, format string, args ...any) error {
	return &Error{Kind: ErrConfig, Err: fmt.Errorf(option+": "+format, args...)}
}

func (c *Client) checkOptions(o *authorizeOptions) error {
	wrong := optionError
	if err := o.checkParameters(); err != nil {
		return err
	}
	switch o.prompt {
	case "", "none", "login", "consent", "select_account", "create":
	default:
		return wrong("WithPrompt", "%q is not a prompt", o.prompt)
	}
	if !slices.Contains(c.config.RedirectURIs, o.redirectURI) && !c.document().AllowsRedirect(o.redirectURI) {
		return wrong("WithRedirectURI", "%q is not among Config.RedirectURIs", o.redirectURI)
	}
	if err := clientmetadata.CheckScope(o.scope); err != nil {
		return wrong("WithScope", "%w", err)
	}
	// Servers compare scopes as strings, one by one (O6).
	known := strings.Split(c.config.Scope, " ")
	for token := range strings.SplitSeq(o.scope, " ") {
		if !slices.Contains(known, token) {
			return wrong("WithScope", "%q is not in Config.Scope", token)
		}
	}
	return nil
}

// mayAsk returns the part of a scope that a login may ask for.
func (c *Client) mayAsk(scope string) string {
	known := strings.Split(c.config.Scope, " ")
	tokens := slices.DeleteFunc(strings.Split(scope, " "), func(t string) bool { return !slices.Contains(known, t) })
	return strings.Join(tokens, " ")
}

// ownParameters cannot be set by WithParameter: the client sets them, or they belong to other
// requests and servers refuse them here (O52).
var ownParameters = []string{
	"client_id", "response_type", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method",
	"client_assertion", "client_assertion_type", "client_secret", "login_hint", "prompt", "ui_locales", "dpop_jkt",
	"request", "request_uri", "nonce", "claims", "id_token_hint",
}

// checkParameters checks the values of WithLocales and WithParameter.
func (o *authorizeOptions) checkParameters() error {
	for _, l := range o.locales {
		if err := l.Validate(); err != nil {
			return optionError("WithLocales", "%w", err)
		}
	}
	for i, p := range o.parameters {
		switch {
		case p.name == "":
			return optionError("WithParameter", "needs a name")
		case slices.Contains(ownParameters, p.name):
			return optionError("WithParameter", "%q cannot be set by applications: remove it", p.name)
		case slices.ContainsFunc(o.parameters[:i], func(other parameter) bool { return other.name == p.name }):
			return optionError("WithParameter", "%q is given twice", p.name)
		}
	}
	return nil
}

// extend adds the values of WithLocales and WithParameter to a request.
func (o *authorizeOptions) extend(form url.Values) {
	for _, p := range o.parameters {
		form.Set(p.name, p.value)
	}
	if len(o.locales) > 0 {
		tags := make([]string, len(o.locales))
		for i, l := range o.locales {
			tags[i] = string(l)
		}
		form.Set("ui_locales", strings.Join(tags, " "))
	}
}

// covers checks that a server which lists its protected resources lists this PDS (O42).
func (m *serverMetadata) covers(pds string) error {
	if len(m.ProtectedResources) > 0 && !slices.Contains(m.ProtectedResources, pds) {
		return metadataError(m.Issuer+serverDocument, "protected_resources lacks %q", pds)
	}
	return nil
}

// push sends a pushed authorization request and returns its request_uri.
func (c *Client) push(ctx context.Context, server *serverMetadata, clientID, clientKey string, key *dpopKey, nonces *dpop.Nonces, form url.Values) (string, error) {
	answer, err := c.post(ctx, &asRequest{
		endpoint:  server.PAREndpoint,
		issuer:    server.Issuer,
		form:      form,
		key:       key,
		nonces:    nonces,
		clientID:  clientID,
		clientKey: clientKey,
	})
	if err != nil {
		return "", err
	}
	if answer.status < 200 || answer.status > 299 {
		return "", c.refusedRequest(answer.refusal(ErrAuthorization))
	}
	var pushed struct {
		RequestURI string `json:"request_uri"`
	}
	if err := answer.decode(&pushed); err != nil {
		return "", answer.invalid(ErrAuthorization, errors.Unwrap(err))
	}
	if !said.Visible(pushed.RequestURI, maxRequestURI) {
		return "", answer.invalid(ErrAuthorization, fmt.Errorf("request_uri has a character that no URI may have, or more than %d bytes", maxRequestURI))
	}
	// expires_in is ignored: the browser goes there at once (P61).
	if pushed.RequestURI == "" {
		return "", answer.invalid(ErrAuthorization, errors.New("request_uri is missing"))
	}
	return pushed.RequestURI, nil
}

// refusedRequest adds a hint to the error of a refused request: the server need not support
// development clients (O24).
func (c *Client) refusedRequest(err error) error {
	e, ok := errors.AsType[*Error](err)
	if ok && strings.HasPrefix(c.config.ClientID, "http://") && (e.Code == "invalid_client_metadata" || e.Code == "invalid_client" || e.Code == "invalid_client_id") {
		e.Err = errors.New("the server may not accept development clients; use a client with published metadata")
	}
	return err
}

// maxRequestURI is longer than any real request_uri. The value goes into a URL for browsers.
const maxRequestURI = 4 << 10

// contentTypeForm is the only encoding of requests to an authorization server.
const contentTypeForm = "application/x-www-form-urlencoded"
