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

// A ClientInfo is what the server shows to users about the client, on the page where they approve a
// login. Every field is optional.
type ClientInfo struct {
	Name      string // the client's name; servers show it for clients that they trust
	URI       string // the client's home page; it has the host of ClientID, and ClientID lies below it
	LogoURI   string // an https URL of the client's logo
	TermsURI  string // an https URL of the terms of service
	PolicyURI string // an https URL of the privacy policy
}

// Metadata returns the document to publish at Config.ClientID. Serve it as JSON with status 200,
// content type application/json, and without a redirect. A development client publishes no
// document; for it, Metadata returns what servers derive from its ClientID.
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

// checkDocument checks the document by the rules of the servers (O19). Its error names the field of
// Config that the rule is about.
func (c *Client) checkDocument() error {
	for _, problem := range c.document().Check() {
		field, index, _ := strings.Cut(problem.Field, "[")
		switch name := documentFields[field]; {
		case clientmetadata.IsLocalhost(c.config.ClientID):
			// The whole document comes from ClientID.
			return configError("ClientID", "declares something that no server accepts: %s", problem)
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

// KeySet returns the public keys as a JWK set (RFC 7517). Publish it at Config.ClientKeysURI. It
// leaves out keys that are revoked or expired, so it changes with time if Config.ClientKeys says
// so. For a public client the set is empty.
func (c *Client) KeySet() []byte { return indented(keySet(c.keys, c.now())) }

func indented(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	e.Encode(v) // strings always encode
	return b.Bytes()
}

// applicationType is "native" if users are sent back in ways that only a program on their device
// can receive (O4).
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

// MetadataHandler serves Client.Metadata. Mount it at the path of Config.ClientID.
func (c *Client) MetadataHandler() http.Handler { return documentHandler(c.Metadata) }

// KeySetHandler serves Client.KeySet. Mount it at the path of Config.ClientKeysURI.
func (c *Client) KeySetHandler() http.Handler { return documentHandler(c.KeySet) }

// documentHandler serves a JSON document in the way that servers want: status 200, exactly this
// content type, no redirect (O2). The document is public, so pages of other origins may read it.
func documentHandler(write func() []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		document := write() // made anew each time: keys become valid and expire
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("X-Content-Type-Options", "nosniff")
		// A short time, so that servers see a new key soon. They keep documents for minutes.
		h.Set("Cache-Control", "public, max-age=300")
		h.Set("Content-Length", strconv.Itoa(len(document)))
		// http.ServeContent does not fit: it answers range and conditional requests with a status
		// other than 200.
		w.Write(document)
	})
}
