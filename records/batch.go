package records

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// MaxBatch is the maximum number of writes in a Batch. Servers refuse more.
const MaxBatch = 200

// A Batch collects writes to one repository that take effect together, or not at all
// (com.atproto.repo.applyWrites). Apply reports what is wrong with a write. It is not safe for
// concurrent use.
type Batch struct {
	account Account
	writes  []comatproto.RepoApplyWritesInputWritesUnion
	records []lex.Typed        // one for each of writes; nil for a deletion
	keys    []syntax.RecordKey // one for each of records
	err     error              // the first error

	last  time.Time
	clock uint16
}

// NewBatch returns an empty Batch.
func NewBatch(account Account) *Batch {
	return &Batch{account: account, clock: uint16(rand.N(1024))}
}

// Len returns the number of writes.
func (b *Batch) Len() int { return len(b.writes) }

// Create adds a new record and returns its future URI. Other records of the batch may refer to it.
// Its key is a TID of the current time, later than those before, or the only key that its lexicon
// allows, such as "self".
func (b *Batch) Create(record lex.Typed) syntax.ATURI {
	if only, ok := onlyKey(record); ok {
		return b.CreateAt(only, record)
	}
	now := time.Now().Truncate(time.Microsecond)
	if !now.After(b.last) {
		now = b.last.Add(time.Microsecond)
	}
	b.last = now
	return b.CreateAt(syntax.RecordKey(syntax.TIDOf(now, b.clock)), record)
}

// CreateAt is Create with a given key.
func (b *Batch) CreateAt(key syntax.RecordKey, record lex.Typed) syntax.ATURI {
	collection, err := collectionOf(record)
	b.fail(err)
	b.fail(key.Validate())
	b.add(comatproto.NewRepoApplyWritesInputWritesUnion(&comatproto.RepoApplyWritesCreate{Collection: collection, RKey: &key, Value: lex.Of(record)}), record, key)
	if err := checkAccount(b.account); err != nil {
		b.fail(err)
		return ""
	}
	return syntax.RecordURI(syntax.AtIdentifier(b.account.DID()), collection, key)
}

// Update adds a new version of an existing record.
func (b *Batch) Update(key syntax.RecordKey, record lex.Typed) {
	collection, err := collectionOf(record)
	b.fail(err)
	b.fail(key.Validate())
	b.add(comatproto.NewRepoApplyWritesInputWritesUnion(&comatproto.RepoApplyWritesUpdate{Collection: collection, RKey: key, Value: lex.Of(record)}), record, key)
}

// Delete adds the deletion of an existing record.
func (b *Batch) Delete(uri syntax.ATURI) {
	b.fail(own(b.account, uri))
	b.add(comatproto.NewRepoApplyWritesInputWritesUnion(&comatproto.RepoApplyWritesDelete{Collection: uri.Collection(), RKey: uri.RecordKey()}), nil, "")
}

func (b *Batch) add(w comatproto.RepoApplyWritesInputWritesUnion, record lex.Typed, key syntax.RecordKey) {
	b.writes, b.records, b.keys = append(b.writes, w), append(b.records, record), append(b.keys, key)
}

// fail keeps the first error, with the number of its write.
func (b *Batch) fail(err error) {
	if err != nil && b.err == nil {
		b.err = fmt.Errorf("records: write %d of the batch: %w", len(b.writes)+1, err)
	}
}

// Apply carries out the writes in their order, and returns the refs of the written records; for a
// deletion the ref is nil. The Batch is then empty. Options: WithSwapCommit, WithoutChecks,
// WithServerValidation, WithCall.
//
// Errors: a write that is not valid, or too many writes, before anything is sent; ErrChanged; ErrExists;
// otherwise those of any call. After an error the Batch is unchanged.
func (b *Batch) Apply(ctx context.Context, opts ...Option) ([]*Ref, error) {
	s, err := read(opts, "WithSwapCommit WithoutChecks WithServerValidation")
	switch {
	case err != nil:
		return nil, err
	case b.err != nil:
		return nil, b.err
	case len(b.writes) == 0:
		return nil, nil
	case len(b.writes) > MaxBatch:
		return nil, fmt.Errorf("records: the batch has %d writes; at most %d are allowed: split it", len(b.writes), MaxBatch)
	}
	for i, record := range b.records {
		if record == nil {
			continue
		}
		if err := cmp.Or(s.check(record), s.checkKey(record, b.keys[i])); err != nil {
			return nil, fmt.Errorf("records: write %d of the batch: %w", i+1, err)
		}
	}
	out, err := comatproto.NewClient(b.account).Repo.ApplyWrites(ctx, &comatproto.RepoApplyWritesInput{
		Repo: syntax.AtIdentifier(b.account.DID()), Validate: s.validate, Writes: b.writes, SwapCommit: s.swapCommit,
	}, s.calls...)
	if err != nil {
		return nil, said(err)
	}
	refs, err := refsOf(out, b.writes)
	b.writes, b.records, b.keys = nil, nil, nil
	return refs, err
}

// refsOf reads the results, one for each write. Servers from before 2024 return none, but the
// writes took effect.
func refsOf(out *comatproto.RepoApplyWritesOutput, writes []comatproto.RepoApplyWritesInputWritesUnion) ([]*Ref, error) {
	refs := make([]*Ref, len(writes))
	if len(out.Results) == 0 {
		return refs, nil
	}
	if len(out.Results) != len(writes) {
		return refs, errors.New("records: the writes were made, but the server returned the results of others")
	}
	for i, result := range out.Results {
		switch r := result.Value.(type) {
		case *comatproto.RepoApplyWritesCreateResult:
			refs[i] = &Ref{URI: r.URI, CID: r.CID}
		case *comatproto.RepoApplyWritesUpdateResult:
			refs[i] = &Ref{URI: r.URI, CID: r.CID}
		}
	}
	return refs, nil
}
