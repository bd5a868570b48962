package identity

import (
	"context"
	"strings"

	"github.com/gimucco/atproto-go/internal/safehttp"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// documentTypes are the content types that servers use for DID documents.
var documentTypes = []string{"application/did+ld+json", "application/json", "application/did+json"}

// ResolveDID implements Resolver for did:plc and did:web.
//
// It fails with ErrInvalidDID, ErrUnsupportedMethod, ErrNotFound,
// ErrInvalidDocument, ErrBlocked or ErrUnreachable.
func (r *NetworkResolver) ResolveDID(ctx context.Context, did syntax.DID) (*Document, error) {
	if err := did.Validate(); err != nil {
		return nil, &Error{Subject: shorten(string(did)), Kind: ErrInvalidDID, Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	switch did.Method() {
	case "plc":
		return r.resolvePLC(ctx, did)
	case "web":
		return r.resolveWeb(ctx, did)
	}
	return nil, failure(string(did), ErrUnsupportedMethod, "%q is neither plc nor web", did.Method())
}

func (r *NetworkResolver) resolvePLC(ctx context.Context, did syntax.DID) (*Document, error) {
	if !validPLC(did.Identifier()) {
		return nil, failure(string(did), ErrInvalidDID, "a did:plc has 24 characters from a to z and 2 to 7")
	}
	return r.directories.resolve(ctx, r.http, did)
}

func validPLC(id string) bool {
	return len(id) == 24 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// resolveWeb fetches the document of a did:web. atproto allows only host names, without a path, and
// a port only for localhost.
func (r *NetworkResolver) resolveWeb(ctx context.Context, did syntax.DID) (*Document, error) {
	id := did.Identifier()
	if host, port, ok := strings.Cut(id, "%3A"); host == "localhost" && r.allowLoopback {
		if ok {
			if port == "" || strings.Trim(port, "0123456789") != "" {
				return nil, failure(string(did), ErrInvalidDID, "has no port after the colon")
			}
			host += ":" + port
		}
		return fetchDocument(ctx, r.http, "http://"+host+"/.well-known/did.json", did)
	}
	if err := syntax.Handle(id).Validate(); err != nil {
		return nil, failure(string(did), ErrInvalidDID, "a did:web is a host name without port and path")
	}
	return fetchDocument(ctx, r.http, "https://"+id+"/.well-known/did.json", did)
}

func fetchDocument(ctx context.Context, client *safehttp.Client, url string, did syntax.DID) (*Document, error) {
	body, err := client.Get(ctx, url, safehttp.Rules{Accept: documentTypes})
	if err != nil {
		return nil, &Error{Subject: string(did), Kind: classify(err), Err: err}
	}
	return ParseDocument(body, did)
}
