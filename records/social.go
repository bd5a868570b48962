package records

import (
	"context"
	"errors"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// errNoSubject: the Ref is nil.
var errNoSubject = errors.New("records: the subject is nil: pass the Ref of a record")

// Like likes a record, such as a post. To undo it, use Delete with the URI of the returned Ref.
// Options and errors are those of Create. Like does not check for an existing like.
func Like(ctx context.Context, account Account, subject *Ref, opts ...Option) (*Ref, error) {
	if subject == nil {
		return nil, errNoSubject
	}
	return Create(ctx, account, &appbsky.FeedLike{Subject: *subject, CreatedAt: syntax.Now()}, opts...)
}

// Repost reposts a post. To undo it, use Delete with the URI of the returned Ref. Options and
// errors are those of Create.
func Repost(ctx context.Context, account Account, subject *Ref, opts ...Option) (*Ref, error) {
	if subject == nil {
		return nil, errNoSubject
	}
	return Create(ctx, account, &appbsky.FeedRepost{Subject: *subject, CreatedAt: syntax.Now()}, opts...)
}

// Follow follows an account. To undo it, use Delete with the URI of the returned Ref. Options and
// errors are those of Create.
func Follow(ctx context.Context, account Account, subject syntax.DID, opts ...Option) (*Ref, error) {
	return Create(ctx, account, &appbsky.GraphFollow{Subject: subject, CreatedAt: syntax.Now()}, opts...)
}
