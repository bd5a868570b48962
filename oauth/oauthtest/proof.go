package oauthtest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// How far the iat of a proof may be from the server's clock, as in the reference server: ten
// seconds of age, and a tolerance of three minutes, which is how long a nonce can last.
const (
	proofMaxAge    = 190 * time.Second
	proofMaxFuture = 180 * time.Second
)

// A proof is a verified DPoP proof.
type proof struct {
	key string // thumbprint
}

// checkProof verifies the DPoP proof of a request (RFC 9449 §4.3). accessToken is the token of the
// request; it is empty at the authorization server. If there is no proof, checkProof returns nil.
// It adds the nonce for the next proof to the answer.
func (s *Server) checkProof(w http.ResponseWriter, r *http.Request, accessToken string) (*proof, *oauthError) {
	p, err := s.verifyProof(r, accessToken)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && err.code == codeUseNonce {
		s.stats.Challenges++
	}
	if !s.noNonces {
		w.Header().Set("DPoP-Nonce", s.nonces.next(s.Now()))
	}
	return p, err
}

func (s *Server) verifyProof(r *http.Request, accessToken string) (*proof, *oauthError) {
	values := r.Header.Values("DPoP")
	switch {
	case len(values) == 0:
		return nil, nil
	case len(values) > 1 || values[0] == "":
		return nil, invalidProof("DPoP header must contain a single proof")
	}
	token, err := parseJWT(values[0])
	if err != nil {
		return nil, invalidProof("Failed to verify DPoP proof: " + err.Error())
	}
	if token.header.Type != "dpop+jwt" {
		return nil, invalidProof("Failed to verify DPoP proof: typ is not dpop+jwt")
	}
	key, err := parsePublicKey(token.header.Key)
	if err != nil {
		return nil, invalidProof("Failed to verify DPoP proof: " + err.Error())
	}
	if err := token.verify(key); err != nil {
		return nil, invalidProof("Failed to verify DPoP proof: " + err.Error())
	}
	var claims struct {
		ID     string  `json:"jti"`
		Method string  `json:"htm"`
		URL    string  `json:"htu"`
		At     float64 `json:"iat"`
		Nonce  string  `json:"nonce"`
		Hash   *string `json:"ath"`
	}
	if err := json.Unmarshal(token.payload, &claims); err != nil {
		return nil, invalidProof("Failed to verify DPoP proof: " + err.Error())
	}
	now := s.Now()
	issued := time.Unix(int64(claims.At), 0)
	switch {
	case claims.At == 0:
		return nil, invalidProof("Failed to verify DPoP proof: iat missing")
	case now.Sub(issued) > proofMaxAge:
		return nil, invalidProof("Failed to verify DPoP proof: iat too far in the past")
	case issued.Sub(now) > proofMaxFuture:
		return nil, invalidProof("Failed to verify DPoP proof: iat in the future")
	case claims.ID == "":
		return nil, invalidProof("DPoP jti missing")
	case claims.Method != r.Method:
		return nil, invalidProof("DPoP htm mismatch")
	case normalizeURL(claims.URL) != "https://"+hostOf(r)+r.URL.EscapedPath():
		return nil, invalidProof("DPoP htu mismatch")
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Proofs++
	switch {
	case s.noNonces:
	case claims.Nonce == "":
		return nil, &oauthError{status: http.StatusBadRequest, code: codeUseNonce,
			description: "Authorization server requires nonce in DPoP proof"}
	case !s.nonces.valid(claims.Nonce, now):
		return nil, &oauthError{status: http.StatusBadRequest, code: codeUseNonce, description: `DPoP "nonce" mismatch`}
	}
	if accessToken == "" {
		if claims.Hash != nil {
			return nil, invalidProof("DPoP ath claim not allowed")
		}
	} else {
		sum := sha256.Sum256([]byte(accessToken))
		if claims.Hash == nil || *claims.Hash != base64.RawURLEncoding.EncodeToString(sum[:]) {
			return nil, invalidProof("DPoP ath mismatch")
		}
	}
	if !s.once("proof", claims.ID, issued.Add(proofMaxAge)) {
		return nil, invalidProof("DPoP proof replayed")
	}
	id, err := thumbprint(key)
	if err != nil {
		return nil, invalidProof("Failed to calculate jkt")
	}
	return &proof{key: id}, nil
}

// once reports whether an ID is new, and remembers it until the time after which it is refused
// anyway. s.mu is held.
func (s *Server) once(kind, id string, until time.Time) bool {
	now := s.Now()
	if len(s.seen) > s.sweepAt {
		maps.DeleteFunc(s.seen, func(_ string, until time.Time) bool { return until.Before(now) })
		s.sweepAt = max(1<<14, 2*len(s.seen)) // so that a busy server does not sweep at every request
	}
	name := kind + " " + id
	if last, ok := s.seen[name]; ok && !last.Before(now) {
		return false
	}
	s.seen[name] = until
	return true
}

// normalizeURL converts an htu to a normal form: no query, no fragment, scheme and host in lower
// case, no default port (RFC 9449 §4.3, RFC 3986 §6.2). The path does not change.
func normalizeURL(htu string) string {
	u, err := url.Parse(htu)
	if err != nil || u.User != nil {
		return ""
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	return strings.ToLower(u.Scheme) + "://" + strings.TrimSuffix(strings.ToLower(u.Host), ":443") + path
}
