package oauthtest

import (
	"fmt"
	"net/http"
	"strings"
)

// Error codes that the server itself compares.
const (
	codeUseNonce     = "use_dpop_nonce"
	codeInvalidProof = "invalid_dpop_proof"
	codeInvalidToken = "invalid_token"
)

// An oauthError is the answer to a refused request (RFC 6749 §5.2).
type oauthError struct {
	status      int
	code        string
	description string
	answer      *Answer // if not nil, the answer in the words of another server
}

// Error implements error.
func (e *oauthError) Error() string {
	return fmt.Sprintf("%d %s: %s", e.status, e.code, e.description)
}

// refuse returns an error with status 400, the most common one.
func refuse(code, format string, args ...any) *oauthError {
	return &oauthError{status: http.StatusBadRequest, code: code, description: fmt.Sprintf(format, args...)}
}

func invalidProof(description string) *oauthError {
	return &oauthError{status: http.StatusUnauthorized, code: codeInvalidProof, description: description}
}

func invalidToken(description string) *oauthError {
	return &oauthError{status: http.StatusUnauthorized, code: codeInvalidToken, description: description}
}

// write writes the error as the authorization server does.
func (e *oauthError) write(w http.ResponseWriter) {
	if e.answer != nil {
		e.answer.write(w)
		return
	}
	if e.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", e.challenge())
	}
	writeJSON(w, e.status, map[string]string{"error": e.code, "error_description": e.description})
}

// writeXRPC writes the error as the PDS does (RFC 9449 §7.1, §9): status 401 with a challenge, and
// a body in the form of XRPC.
func (e *oauthError) writeXRPC(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", e.challenge())
	writeJSON(w, http.StatusUnauthorized, map[string]string{"error": e.code, "message": e.description})
}

// challenge leaves out a description with quotation marks, like the reference server, instead of
// escaping it. Clients must not depend on the description.
func (e *oauthError) challenge() string {
	challenge := fmt.Sprintf(`DPoP algs="%s", error="%s"`, strings.Join(signatureAlgorithms, " "), e.code)
	if e.description != "" && !strings.Contains(e.description, `"`) {
		challenge += fmt.Sprintf(`, error_description="%s"`, e.description)
	}
	return challenge
}
