package identity

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/gimucco/atproto-go/internal/safehttp"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// documentTypes are the content types of DID documents in the wild.
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

// resolvePLC asks the directories in order. One that does not know the DID may lag
// behind the next, so that only a document ends the search.
func (r *NetworkResolver) resolvePLC(ctx context.Context, did syntax.DID) (*Document, error) {
	if !validPLC(did.Identifier()) {
		return nil, failure(string(did), ErrInvalidDID, "a did:plc has 24 characters of a to z and 2 to 7")
	}
	var failed error
	for _, directory := range r.directories {
		doc, err := r.fetchDocument(ctx, strings.TrimSuffix(directory, "/")+"/"+string(did), did)
		if err == nil {
			return doc, nil
		}
		err = directoryError(err)
		// "Not found" stands only if no other directory failed to answer.
		if failed == nil || errors.Is(failed, ErrNotFound) {
			failed = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, failed
}

// directoryError keeps ErrNotFound for what a directory says about a DID. That the
// directory itself cannot be found says nothing.
func directoryError(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Kind != ErrNotFound {
		return err
	}
	said, ok := errors.AsType[*safehttp.Error](err)
	if ok && (said.Status == http.StatusNotFound || said.Status == http.StatusGone) {
		return err
	}
	return &Error{Subject: e.Subject, Kind: ErrUnreachable, Err: e.Err}
}

func validPLC(id string) bool {
	return len(id) == 24 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// resolveWeb fetches the document of a did:web. atproto allows host names only, no
// paths, and a port only for localhost.
func (r *NetworkResolver) resolveWeb(ctx context.Context, did syntax.DID) (*Document, error) {
	id := did.Identifier()
	if host, port, ok := strings.Cut(id, "%3A"); host == "localhost" && r.allowLoopback {
		if ok {
			if port == "" || strings.Trim(port, "0123456789") != "" {
				return nil, failure(string(did), ErrInvalidDID, "has no port after the colon")
			}
			host += ":" + port
		}
		return r.fetchDocument(ctx, "http://"+host+"/.well-known/did.json", did)
	}
	if err := syntax.Handle(id).Validate(); err != nil {
		return nil, failure(string(did), ErrInvalidDID, "a did:web is a host name without port and path")
	}
	return r.fetchDocument(ctx, "https://"+id+"/.well-known/did.json", did)
}

func (r *NetworkResolver) fetchDocument(ctx context.Context, url string, did syntax.DID) (*Document, error) {
	body, err := r.http.Get(ctx, url, safehttp.Rules{Accept: documentTypes})
	if err != nil {
		return nil, &Error{Subject: string(did), Kind: classify(err), Err: err}
	}
	return ParseDocument(body, did)
}
