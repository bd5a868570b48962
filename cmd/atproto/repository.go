package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// resolve returns who knows handles and DIDs.
func (p *program) resolve() identity.Resolver {
	if p.resolver != nil {
		return p.resolver
	}
	return identity.NewResolver(identity.Config{UnguardedTransport: p.roundTripper, AllowLoopback: p.allowLoopback})
}

// locate finds an account and its server. "" is the account that commands act as.
func (p *program) locate(ctx context.Context, typed string) (*identity.Identity, *xrpc.Client, error) {
	if strings.TrimSpace(typed) == "" {
		b, err := p.readBook()
		if err != nil {
			return nil, nil, err
		}
		e, err := b.find(p.getenv("ATPROTO_ACCOUNT"))
		if err != nil {
			return nil, nil, err
		}
		typed = string(e.DID)
	}
	who, err := accountOf(typed)
	if err != nil {
		return nil, nil, err
	}
	found, err := identity.Lookup(ctx, p.resolve(), who)
	if err != nil {
		return nil, nil, fmt.Errorf("%s\n  %w", explain(err), err)
	}
	server, err := p.public(found.PDS)
	if err != nil {
		return nil, nil, fmt.Errorf("the server of %s cannot be asked\n  %w", who, err)
	}
	return found, server, nil
}

// accountOf reads what a person types for an account.
func accountOf(typed string) (syntax.AtIdentifier, error) {
	who, err := identity.ParseTyped(typed)
	if input, ok := errors.AsType[*identity.InputError](err); ok {
		return "", fmt.Errorf("\"%s\" %s: %s", input.Input, input.Reason, input.Advice)
	}
	if err != nil {
		return "", err
	}
	if who.Account == "" {
		return "", fmt.Errorf("%q is a server: give the handle or the DID of an account", typed)
	}
	return who.Account, nil
}

// A recordName is what a person calls a record, or a collection: then it has no key.
type recordName struct {
	repo       string // a handle or DID; "" is one's own
	collection syntax.NSID
	key        syntax.RecordKey
}

// webPaths are the pages of bsky.app that show a record.
var webPaths = map[string]syntax.NSID{
	"post": "app.bsky.feed.post", "feed": "app.bsky.feed.generator", "lists": "app.bsky.graph.list", "labeler": "app.bsky.labeler.service",
}

// parseRecord reads an at:// URI, the address of a page on bsky.app, or the collection and
// key of one's own record with a slash between them.
func parseRecord(typed string) (recordName, error) {
	typed = strings.TrimSpace(typed)
	if strings.HasPrefix(typed, "at://") {
		uri, err := syntax.ParseATURI(typed)
		if err != nil {
			return recordName{}, fmt.Errorf("%q is not the URI of a record: write it as at://alice.example.com/app.bsky.feed.post/3jt…: %w", typed, err)
		}
		return recordName{string(uri.Authority()), uri.Collection(), uri.RecordKey()}, nil
	}
	if u, err := url.Parse(typed); err == nil && u.Scheme == "https" && u.Host == "bsky.app" {
		parts := strings.Split(strings.Trim(u.Path, "/"), "/")
		if len(parts) == 4 && parts[0] == "profile" && webPaths[parts[2]] != "" {
			key, err := syntax.ParseRecordKey(parts[3])
			if _, bad := syntax.ParseAtIdentifier(parts[1]); err == nil && bad == nil {
				return recordName{parts[1], webPaths[parts[2]], key}, nil
			}
		}
		return recordName{}, fmt.Errorf("%q shows no record: copy the address of a post", typed)
	}
	collection, key, withKey := strings.Cut(typed, "/")
	nsid, err := syntax.ParseNSID(collection)
	if err != nil {
		return recordName{}, fmt.Errorf("%q names no record: write it as an at:// URI, or as app.bsky.feed.post/3jt… for one of yours", typed)
	}
	name := recordName{collection: nsid}
	if withKey {
		if name.key, err = syntax.ParseRecordKey(key); err != nil {
			return recordName{}, fmt.Errorf("%q is no key of a record: %w", key, err)
		}
	}
	return name, nil
}

// parseFullRecord is parseRecord for a name that has to have a collection and a key.
func parseFullRecord(typed string) (recordName, error) {
	name, err := parseRecord(typed)
	if err == nil && (name.collection == "" || name.key == "") {
		err = errors.New("this names no record: it has to have a collection and a key, such as app.bsky.feed.post/3jt…")
	}
	return name, err
}

// own makes sure that the record is the account's, which alone can write it.
func (n recordName) own(ctx context.Context, p *program, s session) error {
	if n.repo == "" || n.repo == string(s.DID()) || strings.EqualFold(n.repo, string(s.Handle())) {
		return nil
	}
	if found, _, err := p.locate(ctx, n.repo); err == nil && found.DID == s.DID() {
		return nil
	}
	return fmt.Errorf("the record is in the repository of %s, and you act as %s: give --account", n.repo, s.Handle())
}
