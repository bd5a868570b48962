package oauth

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// An XRPCMethod is a method that scripts on pages of this site may call through Web.XRPC.
type XRPCMethod struct {
	// NSID is the name of the method.
	NSID syntax.NSID

	// Procedure says that the method changes something and is called by POST. Otherwise it is a
	// query and is called by GET.
	Procedure bool

	// Proxy is the service that the account's server forwards the call to, such as
	// "did:web:api.bsky.app#bsky_appview". "" means none. Scripts cannot choose another one.
	Proxy string

	// MaxInput and MaxOutput limit the bodies, in bytes. 0 means 1 MiB for MaxInput and 16 MiB for
	// MaxOutput.
	MaxInput, MaxOutput int64
}

const (
	defaultMaxInput  = 1 << 20
	defaultMaxOutput = 16 << 20
	// keptInput is how much of an input is kept in memory, so that it can be sent again.
	keptInput = 64 << 10
	// answerWait is how long a server may take from the end of an input to the header of its
	// answer. idleWait is how long the server or the browser may take for each piece of a body.
	answerWait = 30 * time.Second
	idleWait   = 60 * time.Second
)

// ErrSessionLost is the name of the error, with status 401, that scripts get from Web.XRPC if their
// user has to log in. No other error has this name.
const ErrSessionLost xrpc.ErrorName = "SessionLost"

// XRPCHeader is a header field that scripts send, with any value, in browsers that are too old for
// Sec-Fetch-Site. A page of another site cannot send it without permission.
const XRPCHeader = "Atproto-Web"

// XRPC forwards calls of scripts on pages of this site to the server of the logged-in account. So
// an application in the browser has a session that lasts, and never holds a token:
//
//	mux.Handle("/xrpc/", web.XRPC(
//		oauth.XRPCMethod{NSID: "com.atproto.repo.listRecords"},
//		oauth.XRPCMethod{NSID: "com.atproto.repo.createRecord", Procedure: true},
//	))
//
// Only the listed methods are forwarded. Calls from other sites are refused, GET calls too. XRPC
// forwards the request's query, its body, and the headers that say which form the answer should
// have; it does not forward cookies. It returns the answer's body piece by piece as it arrives, and
// only header fields that are known to be harmless. An answer that is not JSON is some user's file
// on the origin of this site: it is never shown as a page, and no script in it runs.
//
// Errors are JSON, as for any method. If the session has ended, the error is ErrSessionLost.
//
// It panics in the same cases as LoginHandler. It also panics for a method that is listed twice,
// that hands out credentials, such as com.atproto.server.getServiceAuth, or whose NSID or Proxy is
// not valid.
func (web *Web) XRPC(methods ...XRPCMethod) http.Handler {
	web.check()
	listed := make(map[syntax.NSID]*XRPCMethod, len(methods))
	for _, m := range methods {
		if err := m.check(); err != nil {
			panic(fmt.Sprintf("oauth: Web.XRPC: %q %v", m.NSID, err))
		}
		if listed[m.NSID] != nil {
			panic(fmt.Sprintf("oauth: Web.XRPC: %q is listed twice", m.NSID))
		}
		m.MaxInput, m.MaxOutput = cmp.Or(m.MaxInput, defaultMaxInput), cmp.Or(m.MaxOutput, defaultMaxOutput)
		listed[m.NSID] = &m
	}
	protection := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		guardAnswer(w.Header())
		nsid, _ := strings.CutPrefix(r.URL.Path, "/xrpc/")
		m := listed[syntax.NSID(nsid)]
		switch {
		case !fromOwnPage(r) || protection.Check(r) != nil:
			answerXRPC(w, http.StatusForbidden, "CrossSiteRequest", "only scripts on pages of this site may call methods")
		case m == nil:
			answerXRPC(w, http.StatusNotImplemented, xrpc.ErrMethodNotImplemented, "this application does not pass this method on")
		case r.Method != m.verb():
			w.Header().Set("Allow", m.verb())
			answerXRPC(w, http.StatusMethodNotAllowed, xrpc.ErrInvalidRequest, "this method is called by "+m.verb())
		default:
			web.passOn(w, r, m)
		}
	})
}

// check says what is wrong with the method.
func (m *XRPCMethod) check() error {
	if err := m.NSID.Validate(); err != nil {
		return fmt.Errorf("is not a valid NSID: %w", err)
	}
	if handsOutCredentials(string(m.NSID)) {
		return errors.New("hands out credentials, or ends the account: scripts must not have that")
	}
	if m.Proxy != "" {
		if _, err := xrpc.HeaderOf(xrpc.WithProxy(m.Proxy)); err != nil {
			return fmt.Errorf("has a Proxy that is not valid: %w", err)
		}
	}
	if m.MaxInput < 0 || m.MaxOutput < 0 {
		return errors.New("has a limit below 0")
	}
	return nil
}

func (m *XRPCMethod) verb() string {
	if m.Procedure {
		return http.MethodPost
	}
	return http.MethodGet
}

// handsOutCredentials reports whether a method gives away something that works outside of this
// session, or takes over the account. In groups that have such methods, the harmless ones are
// listed; so a newer method counts as harmful.
func handsOutCredentials(nsid string) bool {
	nsid = strings.ToLower(nsid)
	name := nsid[strings.LastIndexByte(nsid, '.')+1:]
	switch {
	case strings.HasPrefix(nsid, "com.atproto.server."):
		return !slices.Contains([]string{"describeserver", "getsession", "checkaccountstatus"}, name)
	case strings.HasPrefix(nsid, "com.atproto.identity."):
		return !strings.HasPrefix(name, "resolve") && name != "updatehandle"
	case strings.HasPrefix(nsid, "com.atproto.admin."), strings.HasPrefix(nsid, "com.atproto.temp."):
		return true
	case strings.HasPrefix(nsid, "com.atproto."):
		return containsAny(name, "token", "credential", "password", "auth", "secret", "delegat", "invite")
	}
	return containsAny(name, "serviceauth", "accesstoken", "refreshtoken", "credential", "password", "createsession", "refreshsession")
}

func containsAny(s string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(s, part) })
}

// fromOwnPage reports whether a script or an element on a page of this site made the request. It
// excludes requests whose answer browsers run or show as a page, because an answer is some user's
// file.
func fromOwnPage(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Dest") {
	case "", "empty", "image", "audio", "video", "track", "document": // a document is only saved: see guardAnswer
	default:
		return false
	}
	switch site := r.Header.Get("Sec-Fetch-Site"); site {
	case "same-origin":
		return true
	case "":
		return r.Header.Get(XRPCHeader) != "" && sameOrigin(r)
	default:
		return false
	}
}

// sameOrigin reports whether the Origin of r, if it has one, is this site.
func sameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host == r.Host
}

// passedOn returns the header fields to forward with a request.
func passedOn(r *http.Request, m *XRPCMethod) http.Header {
	header := make(http.Header)
	for _, name := range []string{"Accept", "Accept-Language", "Atproto-Accept-Labelers"} {
		if values := r.Header.Values(name); len(values) > 0 {
			header[textproto.CanonicalMIMEHeaderKey(name)] = slices.Clone(values)
		}
	}
	if m.Proxy != "" {
		header.Set("Atproto-Proxy", m.Proxy)
	}
	return header
}

// passOn makes the call.
func (web *Web) passOn(w http.ResponseWriter, r *http.Request, m *XRPCMethod) {
	session, err := web.Session(r)
	if err != nil {
		web.refuseXRPC(w, r, err)
		return
	}
	connection := http.NewResponseController(w)
	watch := newWatch(r.Context(), func() {
		past := time.Unix(1, 0)
		connection.SetReadDeadline(past) // a read that cannot be cancelled ends with its connection
		connection.SetWriteDeadline(past)
	})
	defer watch.stop()
	body, err := m.input(w, r, watch)
	if err != nil {
		web.refuseXRPC(w, r, err)
		return
	}
	resp, err := session.Do(watch.ctx, &xrpc.Request{Method: m.verb(), NSID: m.NSID, Query: r.URL.RawQuery, Header: passedOn(r, m), Body: body})
	if err != nil {
		web.refuseXRPC(w, r, watch.why(err))
		return
	}
	defer resp.Body.Close()
	m.answer(w, resp, watch)
}

// input returns the body of r. A small body can be sent again if the server asks for that.
func (m *XRPCMethod) input(w http.ResponseWriter, r *http.Request, watch *watch) (*xrpc.Body, error) {
	if !m.Procedure || r.ContentLength == 0 {
		watch.expect(answerWait)
		return nil, nil
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" {
		return nil, fmt.Errorf("%w: a body in Content-Encoding %.40q", errInput, encoding)
	}
	if r.ContentLength > m.MaxInput {
		return nil, &http.MaxBytesError{Limit: m.MaxInput}
	}
	contentType := cmp.Or(r.Header.Get("Content-Type"), "application/octet-stream")
	bounded := http.MaxBytesReader(w, r.Body, m.MaxInput)
	if r.ContentLength < 0 || r.ContentLength > keptInput {
		return xrpc.StreamBody(&watchedInput{bounded, watch}, r.ContentLength, contentType), nil
	}
	watch.expectBrowser(idleWait)
	data, err := io.ReadAll(bounded)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errInput, err)
	}
	watch.expect(answerWait)
	return xrpc.BytesBody(data, contentType), nil
}

// errInput: the body of a request cannot be used.
var errInput = errors.New("the input cannot be read")

// watchedInput starts the time limit for the answer when the input ends.
type watchedInput struct {
	io.Reader
	watch *watch
}

func (i *watchedInput) Read(p []byte) (int, error) {
	i.watch.expectBrowser(idleWait)
	n, err := i.Reader.Read(p)
	i.watch.expect(idleWait)
	if err != nil {
		i.watch.expect(answerWait)
	}
	return n, err
}

// comesBack are the header fields of an answer that scripts may see. It leaves out fields that have
// an effect on this site: cookies, redirects, permissions for other sites, and challenges for a
// session that is not the script's.
var comesBack = []string{
	"Atproto-Content-Labelers", "Atproto-Repo-Rev", "Content-Language", "Content-Length", "Retry-After",
	"Ratelimit-Limit", "Ratelimit-Policy", "Ratelimit-Remaining", "Ratelimit-Reset",
}

// guardAnswer makes sure that an answer is nothing but data.
func guardAnswer(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "same-origin")
}

// answer forwards an answer.
func (m *XRPCMethod) answer(w http.ResponseWriter, resp *http.Response, watch *watch) {
	if resp.StatusCode < 200 || resp.StatusCode >= 300 && resp.StatusCode < 400 {
		answerXRPC(w, http.StatusBadGateway, xrpc.ErrUpstreamFailure, fmt.Sprintf("the server answered with status %d, which is not followed", resp.StatusCode))
		return
	}
	if resp.ContentLength > m.MaxOutput {
		answerXRPC(w, http.StatusBadGateway, xrpc.ErrUpstreamFailure, fmt.Sprintf("the answer has %d bytes, but only %d are allowed", resp.ContentLength, m.MaxOutput))
		return
	}
	if resp.Header.Get("Content-Encoding") != "" {
		answerXRPC(w, http.StatusBadGateway, xrpc.ErrUpstreamFailure, "the answer has an encoding that nobody asked for")
		return
	}
	h := w.Header()
	for _, name := range comesBack {
		if values := resp.Header.Values(name); len(values) > 0 {
			h[name] = slices.Clone(values)
		}
	}
	contentType, isJSON := harmlessType(resp.Header.Get("Content-Type"))
	if resp.StatusCode >= 400 && !isJSON {
		h.Del("Content-Length")
		answerXRPC(w, resp.StatusCode, xrpc.ErrUpstreamFailure, "the account's server, or a proxy in front of it, gave no reason")
		return
	}
	h.Set("Content-Type", contentType)
	if !isJSON {
		h.Set("Content-Disposition", "attachment")
	}
	w.WriteHeader(resp.StatusCode)
	if m.copy(w, resp.Body, watch) != nil {
		panic(http.ErrAbortHandler) // so that nobody takes the part that arrived for the whole
	}
}

// copy forwards the body of an answer, piece by piece.
func (m *XRPCMethod) copy(w http.ResponseWriter, body io.Reader, watch *watch) error {
	flush := http.NewResponseController(w)
	piece := make([]byte, 32<<10)
	for left := m.MaxOutput; ; {
		watch.expect(idleWait)
		n, err := body.Read(piece)
		watch.expectBrowser(idleWait)
		if left -= int64(n); left < 0 {
			return errors.New("the answer is too large")
		}
		if _, err := w.Write(piece[:n]); err != nil {
			return err
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := flush.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
	}
}

// harmlessType returns the content type for an answer. Types that browsers would run become plain
// bytes: pages, scripts, styles, and images that can contain scripts.
func harmlessType(contentType string) (harmless string, isJSON bool) {
	media, params, err := mime.ParseMediaType(contentType)
	top, _, _ := strings.Cut(media, "/")
	switch {
	case err != nil, strings.HasSuffix(media, "+xml"):
	case media == "application/json":
		return "application/json", true
	case top == "image", top == "audio", top == "video", media == "application/vnd.ipld.car":
		return media, false
	case media == "text/plain", media == "text/vtt", media == "text/csv":
		return mime.FormatMediaType(media, params), false
	}
	return "application/octet-stream", false
}

// answerXRPC answers with an error of this application.
func answerXRPC(w http.ResponseWriter, status int, name xrpc.ErrorName, message string) {
	body, _ := json.Marshal(map[string]string{"error": string(name), "message": message}) // strings always marshal
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	io.Copy(w, bytes.NewReader(body))
}

// refuseXRPC answers a call that failed here.
func (web *Web) refuseXRPC(w http.ResponseWriter, r *http.Request, err error) {
	status, text := Explain(err)
	name := xrpc.ErrUpstreamFailure
	_, large := errors.AsType[*http.MaxBytesError](err)
	switch {
	case large:
		status, name, text = http.StatusRequestEntityTooLarge, xrpc.ErrPayloadTooLarge, "The input is too large."
	case errors.Is(err, errInput):
		status, name, text = http.StatusBadRequest, xrpc.ErrInvalidRequest, "The input cannot be read."
	case errors.Is(err, ErrReauthRequired):
		name = ErrSessionLost
	case errors.Is(err, errLate):
		status, name, text = http.StatusGatewayTimeout, xrpc.ErrUpstreamTimeout, "Your account's server did not answer in time."
	case status == http.StatusServiceUnavailable:
		name = xrpc.ErrNotEnoughResources
	case status == http.StatusInternalServerError:
		name = xrpc.ErrInternalServerError
	}
	setRetryAfter(w.Header(), err)
	web.logFailure(r, status, err)
	answerXRPC(w, status, name, text)
}
