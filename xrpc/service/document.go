package service

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A DIDService is a service in a DID document.
type DIDService struct {
	ID       string // the name after the number sign, such as "bsky_fg"
	Type     string // such as "BskyFeedGenerator"
	Endpoint string // "https://" and a host
}

// check returns an error if others could not find the service by its entry.
func (s *DIDService) check() error {
	endpoint, err := url.Parse(s.Endpoint)
	switch {
	case strings.TrimPrefix(s.ID, "#") == "":
		return errors.New("the ID is empty: pass one, such as bsky_fg")
	case s.Type == "":
		return errors.New("the type is empty: pass one, such as BskyFeedGenerator")
	case err != nil || endpoint.Scheme != "https" && endpoint.Scheme != "http" || endpoint.Host == "":
		return fmt.Errorf("the endpoint %q is not a URL with a host, such as https://feed.example.com", s.Endpoint)
	}
	return nil
}

// DIDDocument serves the document of a did:web for services without an account. Others find the
// services by it, and tokens for the services name the DID. Mount it at "/.well-known/did.json".
//
// It panics if did is not a did:web, or if a service is not complete.
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
	if err := did.Validate(); err != nil || did.Method() != "web" {
		panic(fmt.Sprintf("service: DIDDocument: %q is not a did:web, such as did:web:feed.example.com", string(did)))
	}
	for _, s := range services {
		if err := s.check(); err != nil {
			panic(fmt.Sprintf("service: DIDDocument: the service %q: %v", s.ID, err))
		}
		document.Services = append(document.Services, entry{"#" + strings.TrimPrefix(s.ID, "#"), s.Type, s.Endpoint})
	}
	text, _ := json.Marshal(document) // strings always marshal
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Write(text)
	})
}
