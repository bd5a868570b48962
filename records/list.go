package records

import (
	"context"
	"fmt"
	"iter"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// pageSize is how many records are requested at a time: the maximum of servers.
const pageSize = 100

// An Entry is one record of a list.
type Entry[T any] struct {
	// Ref is the URI and the CID of the record.
	Ref
	// Value is the record. It is nil if Err is set: anybody may write anything into a repository.
	Value *T
	// Err is ErrNotARecord with the reason, or nil.
	Err error
	// Raw is the value as it was sent.
	Raw lex.Unknown
}

// List returns all records of T's collection, newest first. If a value is not such a record, its
// Entry has an Err, and the list goes on. An error of the list itself comes last. Options:
// WithCall.
func List[T any, P Record[T]](ctx context.Context, doer xrpc.Doer, repo syntax.AtIdentifier, opts ...Option) iter.Seq2[*Entry[T], error] {
	return func(yield func(*Entry[T], error) bool) {
		s, err := read(opts, "")
		if err != nil {
			yield(nil, err)
			return
		}
		collection, err := collectionOf(P(new(T)))
		if err != nil {
			yield(nil, err)
			return
		}
		limit := int64(pageSize)
		params := &comatproto.RepoListRecordsParams{Repo: repo, Collection: collection, Limit: &limit}
		for r, err := range comatproto.NewClient(doer).Repo.ListRecordsAll(ctx, params, s.calls...) {
			if err != nil {
				yield(nil, said(err))
				return
			}
			entry := &Entry[T]{Ref: Ref{URI: r.URI, CID: r.CID}, Raw: r.Value}
			value := new(T)
			if err := r.Value.As(P(value)); err != nil {
				entry.Err = fmt.Errorf("records: %w: %s: %w", ErrNotARecord, r.URI, err)
			} else {
				entry.Value = value
			}
			if !yield(entry, nil) {
				return
			}
		}
	}
}
