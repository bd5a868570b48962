package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/internal/commandline"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func (p *program) resolveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resolve HANDLE|DID|URL",
		Short: "Find an account and the server that it logs in at",
		Long: `resolve finds what a login needs to know before it begins: the account behind a handle
or a DID, verified both ways, its PDS, and the authorization server that speaks for that.
For the https URL of a PDS or of an authorization server it finds the latter. All of it
is checked as a login checks it.

--document prints the whole DID document of an account, as its directory has it. --history prints
what happened to a did:plc: every operation in the log of the PLC directory, with its handle, its
server and its keys. What was taken back since is marked. The log is printed as the directory
has it; its signatures are not checked here.`,
		Example: `  atproto resolve alice.example.com
  atproto resolve alice.example.com --document
  atproto resolve alice.example.com --history
  atproto resolve --json did:plc:ewvi7nxzyoun6zhxrhs64oiz
  atproto resolve https://pds.example.com`,
		Args: commandline.Args(1, 1, "say which account: give a handle or a DID, or the URL of a server"),
	}
	document := cmd.Flags().Bool("document", false, "print the whole DID document")
	history := cmd.Flags().Bool("history", false, "print the operations in the log of the PLC directory")
	asJSON := jsonFlag(cmd)
	timeout := timeoutFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if typed, err := identity.ParseTyped(args[0]); err == nil && typed == (identity.Typed{}) {
			return commandline.Usage(errors.New("there is neither a handle nor a DID nor a URL"), cmd)
		}
		if *document && *history {
			return commandline.Usage(errors.New("it is --document or --history: leave one of them out"), cmd)
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), *timeout)
		defer cancel()
		switch {
		case *document:
			return p.printDocument(ctx, args[0], *asJSON)
		case *history:
			return p.printHistory(ctx, args[0], *asJSON)
		}
		found, err := p.discover(ctx, args[0])
		if err != nil {
			return err
		}
		r := newResolution(found)
		if *asJSON {
			return writeJSON(p.stdout, r)
		}
		r.print(p.stdout)
		return nil
	}
	return cmd
}

// discover finds what a login would. The client that it asks by is of no account here.
func (p *program) discover(ctx context.Context, identifier string) (*oauth.Discovery, error) {
	config := oauth.Localhost("http://127.0.0.1/", "")
	config.UnguardedTransport, config.Resolver, config.AllowLoopback = p.roundTripper, p.resolver, p.allowLoopback
	client, err := oauth.NewClient(config)
	if err != nil {
		return nil, err
	}
	found, err := client.Discover(ctx, identifier)
	if input, ok := errors.AsType[*identity.InputError](err); ok {
		return nil, fmt.Errorf("\"%s\" is neither a handle nor a DID nor the https URL of a server: it %s\n  %s", input.Input, input.Reason, input.Advice)
	}
	if err != nil {
		return nil, fmt.Errorf("%s\n  %w", explain(err), cause(err))
	}
	return found, nil
}

// A resolution is what resolve found, as it is printed.
type resolution struct {
	Handle         syntax.Handle `json:"handle,omitempty"`
	DID            syntax.DID    `json:"did,omitempty"`
	PDS            string        `json:"pds,omitempty"`
	Issuer         string        `json:"issuer"`
	Authorization  string        `json:"authorization_endpoint"`
	PushedRequests string        `json:"pushed_authorization_request_endpoint"`
	Token          string        `json:"token_endpoint"`
	Revocation     string        `json:"revocation_endpoint,omitempty"`
	Prompts        []string      `json:"prompt_values_supported,omitempty"`
	Scopes         []string      `json:"scopes_supported"`

	claimed syntax.Handle // of the DID document, verified or not
}

func newResolution(found *oauth.Discovery) *resolution {
	r := &resolution{
		PDS:            found.PDS,
		Issuer:         found.Issuer,
		Authorization:  found.AuthorizationEndpoint,
		PushedRequests: found.PAREndpoint,
		Token:          found.TokenEndpoint,
		Revocation:     found.RevocationEndpoint,
		Prompts:        found.Prompts,
		Scopes:         found.Scopes,
	}
	if id := found.Identity; id != nil {
		r.Handle, r.DID = id.Handle, id.DID
		r.claimed, _ = id.Document.Handle()
	}
	return r
}

// print writes the resolution for people.
func (r *resolution) print(w io.Writer) {
	handle := string(r.Handle)
	switch {
	case r.DID == "":
	case r.Handle != syntax.HandleInvalid:
		handle += "  (verified both ways)"
	case r.claimed != "":
		handle += fmt.Sprintf("  (the account claims %s, which does not lead back to it now)", r.claimed)
	default:
		handle += "  (the account claims none)"
	}
	writeRows(w, []row{
		{"handle", handle},
		{"DID", string(r.DID)},
		{"PDS", r.PDS},
		{"issuer", r.Issuer},
		{"authorization", r.Authorization},
		{"pushed requests", r.PushedRequests},
		{"token", r.Token},
		{"revocation", r.Revocation},
		{"prompts", strings.Join(r.Prompts, " ")},
		{"scopes", strings.Join(r.Scopes, " ")},
	})
}

// explain says what a failed discovery means to whoever typed the identifier.
func explain(err error) string {
	for _, kind := range []struct {
		kind    error
		meaning string
	}{
		{context.DeadlineExceeded, "the servers did not answer in time"},
		{context.Canceled, "interrupted"},
		{identity.ErrNotFound, "there is no such account: the servers that would know say so"},
		{identity.ErrHandleMismatch, "the handle leads to an account that does not claim it; who asks by it may be misled"},
		{identity.ErrAmbiguous, "the handle leads to several accounts"},
		{identity.ErrReservedTLD, "no handle can end like that"},
		{identity.ErrInvalidHandle, "that is not a handle"},
		{identity.ErrUnsupportedMethod, "accounts have a did:plc or a did:web, and no other DID"},
		{identity.ErrInvalidDID, "that is not a DID"},
		{identity.ErrInvalidDocument, "the account's DID document is not in order"},
		{identity.ErrNoPDS, "the account has no server"},
		{identity.ErrBlocked, "the account leads to an address that is not on the public Internet"},
		{identity.ErrUnreachable, "the servers that would know could not be asked; try again later"},
		{oauth.ErrInvalidMetadata, "the server's documents are not in order, and logins would fail"},
		{oauth.ErrNetwork, "the server could not be reached; try again later"},
		{oauth.ErrUnresolved, "that is neither a handle nor a DID nor the https URL of a server"},
	} {
		if errors.Is(err, kind.kind) {
			if kind.kind == identity.ErrNotFound && nameIsMissing(err) {
				return "no such account is found: DNS does not know the name (is it written right, and does the network work for other names?)"
			}
			return kind.meaning
		}
	}
	return unexplained
}

// nameIsMissing reports whether DNS says that there is no such name as the handle. Networks
// without a way out say that of every name. That it has no record below it, _atproto, is usual.
func nameIsMissing(err error) bool {
	if dns, ok := err.(*net.DNSError); ok {
		return dns.IsNotFound && !strings.HasPrefix(dns.Name, "_atproto.")
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return nameIsMissing(e.Unwrap())
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(e.Unwrap(), nameIsMissing)
	}
	return false
}

// unexplained is what explain says of what it does not know.
const unexplained = "that did not work"
