package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gimucco/atproto-go/internal/clientmetadata"
	"github.com/gimucco/atproto-go/internal/commandline"
	"github.com/gimucco/atproto-go/internal/safehttp"
)

func (p *program) checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check URL",
		Short: "Say what servers would refuse of a client's documents",
		Long: `check fetches the metadata of an OAuth client from its client_id URL, and its keys if
they are elsewhere, as an authorization server does: from the public Internet, status
200, application/json, no redirect, at most 512 KiB. It prints every reason that a server
has to refuse the client, and warns of what is allowed but seldom meant. The exit status
is 1 if there is a reason.

The URL may also be the http://localhost client_id of a development client. Nothing is
fetched for it; check says what servers make of it.

A document that cannot be fetched at all, because its host cannot be reached or does not
answer before --timeout, is reported apart from what servers refuse; the exit status is 1
then too.

--allow-host is for documents that are not published yet: that host may have a private or
a loopback address, http and any port. client_id may then be another URL, the one that
the document is going to have. Its other hosts have to be public still.`,
		Example: `  atproto check https://app.example.com/client-metadata.json
  atproto check 'http://localhost?redirect_uri=http%3A%2F%2F127.0.0.1%2Fcallback&scope=atproto'
  atproto check --allow-host 127.0.0.1 http://127.0.0.1:8080/client-metadata.json`,
		Args: commandline.Args(1, 1, "say which client: give the URL of its metadata"),
	}
	allow := cmd.Flags().StringArray("allow-host", nil, "let this `host` have any address (repeatable)")
	asJSON := jsonFlag(cmd)
	timeout := timeoutFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		target, err := url.Parse(args[0])
		if err != nil || target.Scheme != "https" && target.Scheme != "http" || target.Host == "" {
			return commandline.Usage(fmt.Errorf("%q is not an https URL", args[0]), cmd)
		}
		hosts := make([]string, len(*allow))
		for i, host := range *allow {
			hosts[i] = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
			if hosts[i] == "" || strings.ContainsAny(host, "/@?# ") || strings.Count(host, ":") == 1 {
				return commandline.Usage(fmt.Errorf("--allow-host: %q is not a host without scheme and port", host), cmd)
			}
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), *timeout)
		defer cancel()
		c := &checker{
			http:    safehttp.New(safehttp.Options{AllowHosts: hosts, UnguardedTransport: p.roundTripper, Timeout: *timeout}),
			allowed: slices.ContainsFunc(hosts, func(host string) bool { return strings.EqualFold(host, target.Hostname()) }),
			report:  report{URL: args[0], Problems: []finding{}, Unfetched: []finding{}, Warnings: []finding{}},
		}
		c.check(ctx)
		if err := cmd.Context().Err(); err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		if *asJSON {
			err = writeJSON(p.stdout, &c.report)
		} else {
			c.report.print(p.stdout)
		}
		if err == nil && len(c.report.Problems)+len(c.report.Unfetched) > 0 {
			err = errFound
		}
		return err
	}
	return cmd
}

// A report is what check found.
type report struct {
	URL      string    `json:"url"`
	Client   string    `json:"client,omitempty"` // what sort of one it is
	Problems []finding `json:"problems"`         // that servers refuse
	// Unfetched are the documents that did not come: what servers make of them is not known.
	Unfetched []finding `json:"unfetched"`
	Warnings  []finding `json:"warnings"`
	// Document is the metadata as it was fetched, or as servers make it of an
	// http://localhost client_id; absent if it is not JSON, or holds a private key, which
	// has no business in a log too.
	Document json.RawMessage `json:"document,omitempty"`

	development bool
}

// A finding is about a field of a document, or all of it.
type finding struct {
	URL     string `json:"url"`
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
	Secret  bool   `json:"secret,omitempty"` // a private key is public
}

// A checker does the work of check for one client.
type checker struct {
	http    *safehttp.Client
	allowed bool // the URL is on a host of --allow-host
	report
}

func (c *checker) check(ctx context.Context) {
	if clientmetadata.IsLocalhost(c.URL) && !c.allowed {
		c.checkDevelopment()
		return
	}
	document := c.fetchDocument(ctx)
	if document == nil {
		if !c.allowed {
			c.refuse(c.URL, "client_id", clientmetadata.CheckClientID(c.URL))
		}
		return
	}
	c.Client = describe(document)
	problems := document.Check()
	if !slices.ContainsFunc(problems, func(p clientmetadata.Problem) bool { return p.Secret && p.Field == "client_id" }) {
		c.checkPlace(document) // which quotes client_id
	}
	c.add(c.URL, problems)
	if len(c.secrets(true)) > 0 {
		c.Document = nil
	}
	c.warn(document)
	if document.KeySetURI != "" && !slices.ContainsFunc(problems, func(p clientmetadata.Problem) bool { return p.Field == "jwks_uri" }) {
		c.checkKeys(ctx, document.KeySetURI)
	}
}

// checkDevelopment says what servers make of an http://localhost client_id.
func (c *checker) checkDevelopment() {
	document, err := clientmetadata.ParseLocalhost(c.URL)
	if err != nil {
		c.refuse(c.URL, "client_id", err)
		return
	}
	c.development = true
	c.Client = describe(document)
	var encoded bytes.Buffer
	if writeJSON(&encoded, document) == nil { // strings always encode
		c.Document = encoded.Bytes()
	}
	c.add(c.URL, document.Check())
	for i, uri := range document.RedirectURIs {
		if u, err := url.Parse(uri); err == nil && u.Port() != "" && u.Port() != "80" {
			c.note(c.URL, fmt.Sprintf("redirect_uris[%d]", i), "%q names a port: servers then take no other. Without one they take any", uri)
		}
	}
}

// fetchDocument gets the metadata, or says why a server would not.
func (c *checker) fetchDocument(ctx context.Context) *clientmetadata.Document {
	body := c.fetch(ctx, c.URL)
	if body == nil {
		return nil
	}
	document, err := clientmetadata.Parse(body)
	if err != nil {
		c.add(c.URL, clientmetadata.PrivateKeys(body))
		c.refuse(c.URL, "", fmt.Errorf("the document %w", err))
		return nil
	}
	c.Document = body
	return document
}

// fetch gets a document as a server does.
func (c *checker) fetch(ctx context.Context, target string) []byte {
	answer, err := c.http.Fetch(ctx, target, safehttp.Rules{Accept: []string{"application/json"}})
	if err != nil {
		if refused := refusal(err); refused != nil {
			c.refuse(target, "", refused)
		} else {
			c.Unfetched = append(c.Unfetched, finding{URL: target, Message: reason(err)})
		}
		return nil
	}
	if age := maxAge(answer.Header.Values("Cache-Control")); age > time.Hour {
		c.note(target, "", "the document may be kept for %s (Cache-Control: max-age): a new key or redirect URI may be seen only then", age)
	}
	return answer.Body
}

// refusal says why a server would not take what is under a URL, nil if err is about how it
// went this time.
func refusal(err error) error {
	e, ok := errors.AsType[*safehttp.Error](err)
	switch {
	case !ok:
		return nil
	case errors.Is(err, safehttp.ErrStatus):
		return fmt.Errorf("the answer has status %d: servers take 200 and nothing else", e.Status)
	case errors.Is(err, safehttp.ErrRedirect):
		return fmt.Errorf("the answer redirects (status %d): servers do not follow", e.Status)
	case errors.Is(err, safehttp.ErrContentType):
		return fmt.Errorf("the answer has the content type %q: servers take application/json and nothing else", e.Header.Get("Content-Type"))
	case errors.Is(err, safehttp.ErrTooLarge):
		return fmt.Errorf("the answer has more than %d KiB", safehttp.MaxDocument>>10)
	case errors.Is(err, safehttp.ErrBlocked):
		return fmt.Errorf("the URL does not lead to the public Internet by https, and servers go nowhere else (%w); see --allow-host", e.Err)
	}
	return nil
}

// reason is why a document did not come, without the URL.
func reason(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "its host did not answer in time"
	}
	if e, ok := errors.AsType[*safehttp.Error](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

// maxAge reads the max-age of Cache-Control (RFC 9111 §5.2.2.1), 0 if there is none.
func maxAge(header []string) time.Duration {
	for directive := range strings.SplitSeq(strings.Join(header, ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil && strings.EqualFold(name, "max-age") {
			return time.Duration(seconds) * time.Second
		}
	}
	return 0
}

// checkPlace compares client_id with the URL that the document is under.
func (c *checker) checkPlace(document *clientmetadata.Document) {
	switch {
	case document.ClientID == c.URL, document.ClientID == "": // the latter is a problem of the document
	case c.allowed:
		c.note(c.URL, "client_id", "is %q: that has to be the document's URL, byte by byte, once it is published", document.ClientID)
	default:
		c.refuse(c.URL, "client_id", fmt.Errorf("is %q and not the document's URL: servers compare them byte by byte", document.ClientID))
		c.refuse(c.URL, "", clientmetadata.CheckClientID(c.URL))
	}
}

// checkKeys fetches and checks the keys of a confidential client.
func (c *checker) checkKeys(ctx context.Context, target string) {
	body := c.fetch(ctx, target)
	if body == nil {
		return
	}
	c.add(target, clientmetadata.CheckKeySet(body))
}

// warn notes what servers take, and people seldom mean.
func (c *checker) warn(document *clientmetadata.Document) {
	if document.Name == "" {
		c.note(c.URL, "client_name", "is missing: users are shown the client_id instead")
	}
	if slices.Contains(document.GrantTypes, "authorization_code") && !slices.Contains(document.GrantTypes, "refresh_token") {
		c.note(c.URL, "grant_types", `lacks "refresh_token": sessions end with their first access token`)
	}
	if !document.Confidential() && (document.KeySet != nil || document.KeySetURI != "") {
		c.note(c.URL, "jwks", "or jwks_uri is there, and token_endpoint_auth_method is not private_key_jwt: the keys are not used")
	}
	id, err := url.Parse(document.ClientID)
	if err != nil || document.ApplicationType == clientmetadata.Native {
		return // native clients may not do what follows at all
	}
	for i, uri := range document.RedirectURIs {
		if u, err := url.Parse(uri); err == nil && u.Scheme == "https" && !strings.EqualFold(u.Host, id.Host) {
			c.note(c.URL, fmt.Sprintf("redirect_uris[%d]", i), "%q is on another host than client_id: servers may refuse that", uri)
		}
	}
}

func (c *checker) add(target string, problems []clientmetadata.Problem) {
	for _, p := range problems {
		c.Problems = append(c.Problems, finding{URL: target, Field: p.Field, Message: p.Rule, Secret: p.Secret})
	}
}

func (c *checker) refuse(target, field string, err error) {
	if err != nil {
		c.Problems = append(c.Problems, finding{URL: target, Field: field, Message: err.Error()})
	}
}

func (c *checker) note(target, field, format string, args ...any) {
	c.Warnings = append(c.Warnings, finding{URL: target, Field: field, Message: fmt.Sprintf(format, args...)})
}

// describe says what sort of client a document is of.
func describe(document *clientmetadata.Document) string {
	sort := "public"
	if document.Confidential() {
		sort = "confidential"
	}
	if document.ApplicationType == clientmetadata.Native {
		return sort + " native client"
	}
	return sort + " web client"
}

// print writes the report for people. Keys that have to be replaced come first.
func (r *report) print(w io.Writer) {
	fmt.Fprintln(w, r.URL)
	if r.development {
		fmt.Fprintln(w, `development client: nothing is fetched for it. Servers that support such clients, which
is up to them, make this of its client_id. Being public, its sessions end after two weeks.`)
		fmt.Fprintf(w, "\n%s", r.Document)
	} else if r.Client != "" {
		fmt.Fprintln(w, r.Client)
	}
	for _, part := range []struct {
		title string
		list  []finding
	}{
		{"A PRIVATE KEY IS PUBLIC:", r.secrets(true)},
		{"Servers refuse:", r.secrets(false)},
		{"Could not be fetched:", r.Unfetched},
		{"Worth a look:", r.Warnings},
	} {
		if len(part.list) > 0 {
			fmt.Fprintf(w, "\n%s\n", part.title)
		}
		for _, f := range part.list {
			fmt.Fprintln(w, "  "+f.line(r.URL))
		}
	}
	fmt.Fprintf(w, "\n%s, %s", count(len(r.Problems), "problem"), count(len(r.Warnings), "warning"))
	if n := len(r.Unfetched); n > 0 {
		fmt.Fprintf(w, ", %s could not be fetched", count(n, "document"))
	}
	fmt.Fprintln(w)
}

// secrets returns the problems that publish a private key, or all others.
func (r *report) secrets(secret bool) []finding {
	var list []finding
	for _, f := range r.Problems {
		if f.Secret == secret {
			list = append(list, f)
		}
	}
	return list
}

// line is the finding as a sentence, with the document's URL if that is not target.
func (f finding) line(target string) string {
	line := f.Message
	if f.Field != "" {
		line = f.Field + " " + line
	}
	if f.URL != target {
		line = f.URL + ": " + line
	}
	return printable(line)
}

func count(n int, what string) string {
	switch n {
	case 0:
		return "no " + what + "s"
	case 1:
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
