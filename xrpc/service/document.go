package service

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A DIDService is a service in a DID document.
type DIDService struct {
	ID       string // the name after the number sign, such as "bsky_fg"
	Type     string // such as "BskyFeedGenerator"
	Endpoint string // "https://" and a host
}

// DIDDocument serves the document of a did:web for services without an account. Others find the
// services by it, and tokens for the services name the DID. Mount it at "/.well-known/did.json".
//
// See https://atproto.com/specs/did.
func DIDDocument(did syntax.DID, services ...DIDService) http.Handler {
	type entry struct {
		ID       string `json:"id"`
		Type     string `json:"type"`
		Endpoint string `json:"serviceEndpoint"`
	}
	document := struct {
		Context  []string   `json:"@context"`
		ID       syntax.DID `json:"id"`
		Services []entry    `json:"service"`
	}{Context: []string{"https://www.w3.org/ns/did/v1"}, ID: did, Services: []entry{}}
	for _, s := range services {
		document.Services = append(document.Services, entry{"#" + strings.TrimPrefix(s.ID, "#"), s.Type, s.Endpoint})
	}
	text, _ := json.Marshal(document) // strings always marshal
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Write(text)
	})
}
