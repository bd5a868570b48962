package oauth

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

const (
	// issuerFresh is how long a refresh trusts the authorization server that a PDS named. Thousands
	// of accounts share one PDS, and its document hardly ever changes.
	issuerFresh = 5 * time.Minute
	// handleFresh is how long a refresh trusts a verified handle.
	handleFresh = 24 * time.Hour
)

// An issuerCache holds which authorization servers PDSes named lately. The zero value is empty and
// ready to use. It is safe for concurrent use.
type issuerCache struct {
	mu    sync.Mutex
	named map[string]namedIssuer // by origin of the PDS
}

type namedIssuer struct {
	issuer string
	at     time.Time
}

func (c *issuerCache) get(pds string, now time.Time) (issuer string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, ok := c.named[pds]
	if age := now.Sub(known.at); !ok || age < 0 || age > issuerFresh {
		return "", false
	}
	return known.issuer, true
}

func (c *issuerCache) put(pds, issuer string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.named == nil {
		c.named = make(map[string]namedIssuer, 1)
	}
	if len(c.named) >= maxServers {
		clear(c.named) // all are asked again
	}
	c.named[pds] = namedIssuer{issuer, now}
}

// recentIssuerOfPDS is issuerOfPDS, but its answer may be some minutes old.
func (c *Client) recentIssuerOfPDS(ctx context.Context, pds string) (string, error) {
	now := c.now()
	if issuer, ok := c.issuers.get(pds, now); ok {
		return issuer, nil
	}
	issuer, err := c.issuerOfPDS(ctx, pds)
	if err == nil {
		c.issuers.put(pds, issuer, now)
	}
	return issuer, err
}

// A settledHandle resolves everything anew, except one handle that was verified a short time ago.
type settledHandle struct {
	identity.Resolver
	handle syntax.Handle
	did    syntax.DID
}

// ResolveHandle implements identity.Resolver.
func (r settledHandle) ResolveHandle(ctx context.Context, h syntax.Handle) (syntax.DID, error) {
	if h == r.handle {
		return r.did, nil
	}
	return r.Resolver.ResolveHandle(ctx, h)
}

// verifyAuthority resolves an account anew, and checks that its PDS names issuer as its
// authorization server. Without this check any server could log in as anybody (O79).
func (c *Client) verifyAuthority(ctx context.Context, did syntax.DID, issuer string) (*identity.Identity, error) {
	return c.authorityOf(ctx, did, issuer, c.fresh, c.issuerOfPDS)
}

// verifyAgain is verifyAuthority before a refresh (P107). It asks for the account's document each
// time, because that changes when an account moves. It takes the PDS's issuer and the handle from
// the caches.
func (c *Client) verifyAgain(ctx context.Context, did syntax.DID, state *sessionState) (*identity.Identity, error) {
	resolver := c.fresh
	if age := c.now().Sub(state.HandleAt); state.Handle != syntax.HandleInvalid && age >= 0 && age < handleFresh {
		resolver = settledHandle{c.fresh, state.Handle, did}
	}
	return c.authorityOf(ctx, did, state.Issuer, resolver, c.recentIssuerOfPDS)
}

func (c *Client) authorityOf(ctx context.Context, did syntax.DID, issuer string, resolver identity.Resolver,
	issuerOf func(context.Context, string) (string, error),
) (*identity.Identity, error) {
	account, err := c.lookup(ctx, resolver, syntax.AtIdentifier(did))
	if err != nil {
		return nil, err
	}
	current, err := issuerOf(ctx, account.PDS)
	if err != nil {
		return nil, err
	}
	if current != issuer {
		return nil, &Error{Kind: ErrIssuerChanged,
			Err: fmt.Errorf("%s is served by %q, not by %q", did, current, issuer)}
	}
	return account, nil
}
