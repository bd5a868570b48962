package oauthtest

import (
	"encoding/json"
	"net/http"
	"strings"
)

// servePLC is the PLC directory: GET /<did>.
func (s *Server) servePLC(w http.ResponseWriter, r *http.Request) {
	did := strings.TrimPrefix(r.URL.Path, "/")
	s.mu.Lock()
	a := s.account(did)
	var body []byte
	if a != nil && string(a.DID) == did {
		body = a.published()
	}
	s.mu.Unlock()
	if body == nil {
		writeJSON(w, http.StatusNotFound, map[string]string{"message": "DID not registered: " + did})
		return
	}
	w.Header().Set("Content-Type", "application/did+ld+json")
	w.Write(body)
}

// published returns the DID document that the directory has of the account, which may be that of
// SetDIDDocument.
func (a *account) published() []byte {
	if a.document != nil {
		return a.document
	}
	return a.didDocument()
}

// didDocument returns an account's DID document in the form of the directory.
func (a *account) didDocument() []byte {
	body, _ := json.Marshal(map[string]any{ // strings always marshal
		"@context":    []string{"https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1", "https://w3id.org/security/suites/secp256k1-2019/v1"},
		"id":          a.DID,
		"alsoKnownAs": []string{"at://" + string(a.Handle)},
		"verificationMethod": []map[string]string{{
			"id":                 string(a.DID) + "#atproto",
			"type":               "Multikey",
			"controller":         string(a.DID),
			"publicKeyMultibase": strings.TrimPrefix(a.key.Public().DIDKey(), "did:key:"),
		}},
		"service": []map[string]string{{
			"id":              "#atproto_pds",
			"type":            "AtprotoPersonalDataServer",
			"serviceEndpoint": "https://" + a.pds,
		}},
	})
	return body
}

// writeJSON answers with a JSON object.
func writeJSON(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(status)
	w.Write(data)
}
