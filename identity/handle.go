package identity

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/gimucco/atproto-go/internal/safehttp"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// maxHandleRedirects is how many redirects to a handle's well-known file are followed.
const maxHandleRedirects = 5

// maxHandleAnswer is enough for the longest DID and white space around it. A larger answer is the
// error page of a web server that answers everything with 200.
const maxHandleAnswer = 4 << 10

// An answer is the result of one method of handle resolution.
type answer struct {
	did  syntax.DID
	kind error // nil if there is a DID
	err  error
}

// ResolveHandle implements Resolver. It asks DNS and HTTPS at the same time
// (https://atproto.com/specs/handle#handle-resolution). The answer of DNS has priority.
//
// It fails with ErrInvalidHandle, ErrReservedTLD, ErrAmbiguous (DNS names several DIDs),
// ErrNotFound (both methods say so), ErrBlocked or ErrUnreachable.
func (r *NetworkResolver) ResolveHandle(ctx context.Context, h syntax.Handle) (syntax.DID, error) {
	h = h.Normalize()
	if err := checkHandle(h); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel() // ends the slower method
	web := make(chan answer, 1)
	go func() { web <- r.handleByHTTPS(ctx, h) }()

	dns := r.handleByDNS(ctx, h)
	switch dns.kind {
	case nil:
		return dns.did, nil
	case ErrAmbiguous:
		return "", &Error{Subject: string(h), Kind: ErrAmbiguous, Err: dns.err}
	}
	https := <-web
	if https.kind == nil {
		return https.did, nil
	}
	// Only both together can say that a handle does not exist. If one could not be asked, the
	// result is unknown.
	kind := https.kind
	if kind == ErrNotFound {
		kind = dns.kind
	}
	return "", failure(string(h), kind, "DNS: %w; HTTPS: %w", dns.err, https.err)
}

func (r *NetworkResolver) handleByDNS(ctx context.Context, h syntax.Handle) answer {
	name := "_atproto." + string(h)
	if len(name) > 253 {
		return answer{kind: ErrNotFound, err: errors.New("the name would be too long")}
	}
	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	records, err := r.lookupTXT(ctx, name)
	if err != nil {
		if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsNotFound {
			return answer{kind: ErrNotFound, err: err}
		}
		return answer{kind: ErrUnreachable, err: err}
	}
	var found syntax.DID
	for _, record := range records {
		value, ok := strings.CutPrefix(record, "did=")
		if !ok {
			continue
		}
		did, err := syntax.ParseDID(value)
		if err != nil {
			continue
		}
		if found != "" && found != did {
			return answer{kind: ErrAmbiguous, err: fmt.Errorf("DNS: TXT records for %s and %s", found, did)}
		}
		found = did
	}
	if found == "" {
		return answer{kind: ErrNotFound, err: fmt.Errorf("no TXT record of %s names a DID", name)}
	}
	return answer{did: found}
}

func (r *NetworkResolver) handleByHTTPS(ctx context.Context, h syntax.Handle) answer {
	body, err := r.http.Get(ctx, "https://"+string(h)+"/.well-known/atproto-did", safehttp.Rules{
		Redirects: maxHandleRedirects, DefaultPort: true, AnySuccess: true, MaxBytes: maxHandleAnswer,
	})
	if err != nil {
		kind := classify(err)
		switch {
		case kind == ErrInvalidDocument:
			kind = ErrNotFound // an answer, but without a DID
		case missingInDNS(err, string(h)):
			kind = ErrNotFound // a handle is a name in DNS, so without that name the handle does not exist
		}
		return answer{kind: kind, err: err}
	}
	did, err := syntax.ParseDID(strings.TrimSpace(string(body)))
	if err != nil {
		return answer{kind: ErrNotFound, err: err}
	}
	return answer{did: did}
}
