package oauth

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gimucco/atproto-go/internal/clientmetadata"
)

// A ClientInfo is what users are told about a client, on the page where they agree. All
// of it may be left out.
type ClientInfo struct {
	Name      string // shown for clients that the server trusts
	URI       string // the client's home page: the host of ClientID, or a folder that it is in
	LogoURI   string // https
	TermsURI  string // https
	PolicyURI string // https
}

// Metadata returns the document to publish under Config.ClientID: JSON, with status 200
// and the content type application/json, and no redirect. A development client has none
// to publish; for it, this is what servers make of its ClientID.
func (c *Client) Metadata() []byte { return indented(c.document()) }

// document is the client's metadata.
func (c *Client) document() *clientmetadata.Document {
	if clientmetadata.IsLocalhost(c.config.ClientID) {
		if d, err := clientmetadata.ParseLocalhost(c.config.ClientID); err == nil {
			return d
		}
	}
	d := clientmetadata.New(c.config.ClientID)
	d.ApplicationType = c.config.applicationType()
	d.RedirectURIs = c.config.RedirectURIs
	d.Scope = c.config.Scope
	info := c.config.Info
	d.Name, d.URI, d.LogoURI, d.TermsURI, d.PolicyURI = info.Name, info.URI, info.LogoURI, info.TermsURI, info.PolicyURI
	if len(c.keys) > 0 {
		d.AuthMethod, d.AuthAlgorithm = clientmetadata.AuthKey, clientmetadata.AuthAlgorithm
		if d.KeySetURI = c.config.ClientKeysURI; d.KeySetURI == "" {
			d.KeySet = keySet(c.keys, c.now())
		}
	}
	return d
}

// checkDocument holds the document to the rules that servers hold it to (O19). Its error
// names the field of Config that a rule is about.
func (c *Client) checkDocument() error {
	for _, problem := range c.document().Check() {
		field, index, _ := strings.Cut(problem.Field, "[")
		switch name := documentFields[field]; {
		case clientmetadata.IsLocalhost(c.config.ClientID):
			// All of the document is made from that.
			return configError("ClientID", "declares what no server takes: %s", problem)
		case name == "":
			return configError("ClientKeys", "%s", problem)
		case index != "":
			return configError(name+"["+index, "%s", problem.Rule)
		default:
			return configError(name, "%s", problem.Rule)
		}
	}
	return nil
}

// documentFields says which field of Config a field of the document is made from.
var documentFields = map[string]string{
	"client_id":     "ClientID",
	"redirect_uris": "RedirectURIs",
	"scope":         "Scope",
	"jwks_uri":      "ClientKeysURI",
	"client_uri":    "Info.URI",
	"logo_uri":      "Info.LogoURI",
	"tos_uri":       "Info.TermsURI",
	"policy_uri":    "Info.PolicyURI",
}

// KeySet returns the public keys as a JWK set (RFC 7517): the document to publish under
// Config.ClientKeysURI. Keys that are revoked or expired are not in it, so it changes with time
// where Config.ClientKeys say so. A public client has no keys, and an empty set.
func (c *Client) KeySet() []byte { return indented(keySet(c.keys, c.now())) }

func indented(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	e.Encode(v) // strings always encode
	return b.Bytes()
}

// applicationType is "native" for a client that users are sent back to in ways that only
// a program on their device can take (O4).
func (cfg *Config) applicationType() string {
	native := slices.ContainsFunc(cfg.RedirectURIs, func(uri string) bool {
		u, err := url.Parse(uri)
		return err == nil && u.Scheme != "https"
	})
	if native {
		return clientmetadata.Native
	}
	return clientmetadata.Web
}

// MetadataHandler serves Client.Metadata: mount it at the path of Config.ClientID.
func (c *Client) MetadataHandler() http.Handler { return documentHandler(c.Metadata) }

// KeySetHandler serves Client.KeySet: mount it at the path of Config.ClientKeysURI.
func (c *Client) KeySetHandler() http.Handler { return documentHandler(c.KeySet) }

// documentHandler serves a JSON document as servers want it: status 200, that very
// content type, no redirect (O2). Pages of other origins may read it, for it is public.
func documentHandler(write func() []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		document := write() // anew, for keys come and go with time
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("X-Content-Type-Options", "nosniff")
		// Short, so that a new key is seen soon; servers keep documents for minutes.
		h.Set("Cache-Control", "public, max-age=300")
		h.Set("Content-Length", strconv.Itoa(len(document)))
		// Not http.ServeContent: ranges and conditions have answers other than 200.
		w.Write(document)
	})
}
