package oauthtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// maxInput limits how much JSON the PDS reads.
const maxInput = 1 << 20

// An xrpcError is the answer to a failed call (https://atproto.com/specs/xrpc#error-responses).
type xrpcError struct {
	status        int
	name, message string
	answer        *Answer // if not nil, the answer in the words of another server
}

// Error implements error.
func (e *xrpcError) Error() string { return fmt.Sprintf("%d %s: %s", e.status, e.name, e.message) }

func (e *xrpcError) write(w http.ResponseWriter) {
	if e.answer != nil {
		e.answer.write(w)
		return
	}
	writeJSON(w, e.status, map[string]string{"error": e.name, "message": e.message})
}

// fail returns an error with status 400, the most common one.
func fail(name, format string, args ...any) *xrpcError {
	return &xrpcError{status: http.StatusBadRequest, name: name, message: fmt.Sprintf(format, args...)}
}

// A call is one XRPC request.
type call struct {
	w    http.ResponseWriter
	r    *http.Request
	auth *session // nil means nobody
}

// A method is a query or procedure of the PDS.
type method struct {
	verb string
	auth authMode
	run  func(*Server, *call) (any, *xrpcError) // nil means that run has written the answer
}

// An authMode says which credentials a method needs. Methods that need none do not look at them, as
// at the reference PDS.
type authMode int

const (
	authIgnored authMode = iota
	authOptional
	authRequired
)

// methods returns the PDS's own methods.
func methods() map[string]method {
	query := func(run func(*Server, *call) (any, *xrpcError)) method {
		return method{http.MethodGet, authIgnored, run}
	}
	procedure := func(run func(*Server, *call) (any, *xrpcError)) method {
		return method{http.MethodPost, authRequired, run}
	}
	return map[string]method{
		"com.atproto.server.describeServer":    query((*Server).describeServer),
		"com.atproto.server.createSession":     {http.MethodPost, authIgnored, (*Server).createSession},
		"com.atproto.server.refreshSession":    {http.MethodPost, authIgnored, (*Server).refreshSession},
		"com.atproto.server.deleteSession":     {http.MethodPost, authIgnored, (*Server).deleteSession},
		"com.atproto.server.createAppPassword": procedure((*Server).createAppPassword),
		"com.atproto.server.revokeAppPassword": procedure((*Server).revokeAppPassword),
		"com.atproto.server.getSession":        {http.MethodGet, authRequired, (*Server).getSession},
		"com.atproto.identity.resolveHandle":   query((*Server).resolveHandle),
		"com.atproto.identity.resolveIdentity": query((*Server).resolveIdentity),
		"com.atproto.repo.createRecord":        procedure((*Server).createRecord),
		"com.atproto.repo.putRecord":           procedure((*Server).putRecord),
		"com.atproto.repo.deleteRecord":        procedure((*Server).deleteRecord),
		"com.atproto.repo.applyWrites":         procedure((*Server).applyWrites),
		"com.atproto.repo.describeRepo":        query((*Server).describeRepo),
		"com.atproto.repo.getRecord":           query((*Server).getRecord),
		"com.atproto.repo.listRecords":         query((*Server).listRecords),
		"com.atproto.repo.uploadBlob":          procedure((*Server).uploadBlob),
		"com.atproto.server.getServiceAuth":    {http.MethodGet, authRequired, (*Server).getServiceAuth},
		"com.atproto.sync.getBlob":             {http.MethodGet, authOptional, (*Server).getBlob},
		"com.atproto.sync.getRepo":             query((*Server).getRepo),
		"com.atproto.sync.getRecord":           query((*Server).getRecordProof),
		"com.atproto.sync.getLatestCommit":     query((*Server).getLatestCommit),
		"com.atproto.sync.getRepoStatus":       query((*Server).getRepoStatus),
		"com.atproto.sync.listRepos":           query((*Server).listRepos),
		"com.atproto.sync.subscribeRepos":      query((*Server).subscribeRepos),
	}
}

// Methods returns the methods of the PDS, in the order of their names.
func (s *Server) Methods() []syntax.NSID {
	var all []syntax.NSID
	for _, name := range slices.Sorted(maps.Keys(methods())) {
		all = append(all, syntax.NSID(name))
	}
	return all
}

// servePDS is the PDS.
func (s *Server) servePDS(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/.well-known/oauth-protected-resource" {
		if allowed(w, r, http.MethodGet) {
			writeJSON(w, http.StatusOK, map[string]any{
				"resource":                 "https://" + hostOf(r),
				"authorization_servers":    []string{"https://" + s.issuer},
				"scopes_supported":         []string{},
				"bearer_methods_supported": []string{"header"},
				"resource_documentation":   "https://atproto.com",
			})
		}
		return
	}
	nsid, ok := strings.CutPrefix(r.URL.Path, "/xrpc/")
	if !ok {
		http.NotFound(w, r)
		return
	}
	c := &call{w: w, r: r}
	if s.serveHandled(c, syntax.NSID(nsid)) {
		return
	}
	m, known := methods()[nsid]
	if !known {
		(&xrpcError{status: http.StatusNotImplemented, name: "MethodNotImplemented", message: "Method Not Implemented"}).write(w)
		return
	}
	if r.Method != m.verb {
		(&xrpcError{status: http.StatusMethodNotAllowed, name: "InvalidRequest", message: fmt.Sprintf("Incorrect HTTP method (%s) expected %s", r.Method, m.verb)}).write(w)
		return
	}
	if m.auth == authRequired || m.auth == authOptional && r.Header.Get("Authorization") != "" {
		if !s.authorize(c) {
			return
		}
	}
	answer, failed := m.run(s, c)
	switch {
	case failed != nil:
		failed.write(w)
	case answer != nil:
		writeJSON(w, http.StatusOK, answer)
	}
}

// authorize finds the session of a request (RFC 9449 §7, O94, O95). If there is none, it answers
// and returns false.
func (s *Server) authorize(c *call) bool {
	scheme, token, ok := strings.Cut(c.r.Header.Get("Authorization"), " ")
	switch {
	case c.r.Header.Get("Authorization") == "":
		(&xrpcError{status: http.StatusUnauthorized, name: "AuthMissing", message: "Authentication Required"}).write(c.w)
		return false
	case !ok || strings.Contains(token, " ") || len(c.r.Header.Values("Authorization")) > 1:
		fail("InvalidToken", "Malformed authorization header").write(c.w)
		return false
	case strings.EqualFold(scheme, "Bearer"):
		auth, failed := s.authorizeBearer(token)
		if failed != nil {
			failed.write(c.w)
			return false
		}
		c.auth = auth
		return true
	case !strings.EqualFold(scheme, "DPoP"):
		fail("InvalidToken", "Malformed token").write(c.w)
		return false
	}
	p, refused := s.checkProof(c.w, c.r, token)
	if refused == nil && p == nil {
		refused = invalidProof("DPoP proof required")
	}
	if refused == nil {
		c.auth, refused = s.sessionOf(token, p)
	}
	if refused != nil {
		refused.writeXRPC(c.w)
		return false
	}
	return true
}

func (s *Server) sessionOf(token string, p *proof) (*session, *oauthError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.grants.access[token]
	switch {
	case !ok:
		return nil, invalidToken("Invalid token")
	case !s.Now().Before(t.expires):
		return nil, invalidToken(`"exp" claim timestamp check failed`)
	case t.key != p.key:
		return nil, invalidToken("Invalid DPoP key binding")
	}
	return t, nil
}

// input reads the JSON object of a procedure.
func (c *call) input(into any) *xrpcError {
	media, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || media != jsonType {
		return fail("InvalidRequest", "Request encoding (Content-Type) required but not provided, or not %s", jsonType)
	}
	data, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxInput))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return &xrpcError{status: http.StatusRequestEntityTooLarge, name: "PayloadTooLarge", message: "request entity too large"}
	}
	if err != nil {
		return fail("InvalidRequest", "The body could not be read")
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fail("InvalidRequest", "Invalid input: %v", err)
	}
	return nil
}

// describeServer describes the server.
func (s *Server) describeServer(c *call) (any, *xrpcError) {
	return map[string]any{
		"did":                  "did:web:" + hostOf(c.r),
		"availableUserDomains": []string{".test"},
		"inviteCodeRequired":   false,
		"links":                map[string]string{},
		"contact":              map[string]string{},
	}, nil
}

// getSession returns the account, with its email address only if the scope allows that.
func (s *Server) getSession(c *call) (any, *xrpcError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.mustAccount(c.auth.did)
	answer := map[string]any{
		"did":    a.DID,
		"handle": a.Handle,
		"didDoc": json.RawMessage(a.didDocument()),
		"active": true,
	}
	if c.auth.scope.Allows(scope.Account(scope.AccountEmail, scope.Read)) {
		answer["email"] = a.Email
		answer["emailConfirmed"] = true
	}
	return answer, nil
}

func (s *Server) resolveHandle(c *call) (any, *xrpcError) {
	handle := c.r.URL.Query().Get("handle")
	if _, err := syntax.ParseHandle(handle); err != nil {
		return nil, fail("InvalidRequest", "handle must be a valid handle")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.account(handle); a != nil {
		return map[string]any{"did": a.DID}, nil
	}
	return nil, fail("HandleNotFound", "Unable to resolve handle")
}

func (s *Server) resolveIdentity(c *call) (any, *xrpcError) {
	id := c.r.URL.Query().Get("identifier")
	if _, err := syntax.ParseAtIdentifier(id); err != nil {
		return nil, fail("InvalidRequest", "identifier must be a valid handle or DID")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.account(id)
	switch {
	case a != nil:
		return map[string]any{"did": a.DID, "handle": a.Handle, "didDoc": json.RawMessage(a.didDocument())}, nil
	case strings.HasPrefix(id, "did:"):
		return nil, fail("DidNotFound", "DID not found")
	}
	return nil, fail("HandleNotFound", "Unable to resolve handle")
}
