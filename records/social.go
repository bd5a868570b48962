package records

import (
	"context"
	"errors"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// errNoSubject: a nil Ref.
var errNoSubject = errors.New("records: there is no subject: give the ref of a record")

// Like likes a record, such as a post; Delete with the URI of what it returns takes that back.
// Options and errors are those of Create. A like that is there already is not looked for.
func Like(ctx context.Context, account Account, subject *Ref, opts ...Option) (*Ref, error) {
	if subject == nil {
		return nil, errNoSubject
	}
	return Create(ctx, account, &appbsky.FeedLike{Subject: *subject, CreatedAt: syntax.Now()}, opts...)
}

// Repost reposts a post; Delete with the URI of what it returns takes that back. Options and
// errors are those of Create.
func Repost(ctx context.Context, account Account, subject *Ref, opts ...Option) (*Ref, error) {
	if subject == nil {
		return nil, errNoSubject
	}
	return Create(ctx, account, &appbsky.FeedRepost{Subject: *subject, CreatedAt: syntax.Now()}, opts...)
}

// Follow follows an account; Delete with the URI of what it returns takes that back. Options and
// errors are those of Create.
func Follow(ctx context.Context, account Account, subject syntax.DID, opts ...Option) (*Ref, error) {
	return Create(ctx, account, &appbsky.GraphFollow{Subject: subject, CreatedAt: syntax.Now()}, opts...)
}
