package records

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

const (
	// maxUpdates is how often one Update reads and writes if others write too.
	maxUpdates = 5
	// updatePause is the longest pause before the second attempt; it doubles each time.
	updatePause = 100 * time.Millisecond
)

// Update changes a record of the account's repository without losing the writes of others. It reads
// the record, calls change, and writes the record if nobody else has changed it. If somebody has,
// it begins again, five times at most. If there is no record, change gets an empty one. If change
// changes nothing, nothing is written. Fields that are not in the record's lexicon stay.
//
//	_, err := records.Update(ctx, session, "self", func(p *appbsky.ActorProfile) error {
//		p.DisplayName = &name
//		return nil
//	})
//
// change may be called several times, so it must do nothing but change the record. If it returns an
// error, the update ends and returns that error. Options: WithoutChecks, WithServerValidation,
// WithCall.
//
// Errors: ErrChanged if others were faster every time; ErrNotARecord if the existing record cannot
// be read; otherwise those of Put.
func Update[T any, P Record[T]](ctx context.Context, account Account, key syntax.RecordKey, change func(record *T) error, opts ...Option) (*Ref, error) {
	s, err := read(opts, "WithoutChecks WithServerValidation")
	if err != nil {
		return nil, err
	}
	if change == nil {
		return nil, errors.New("records: Update: the func is nil")
	}
	if err := checkAccount(account); err != nil {
		return nil, err
	}
	collection, err := collectionOf(P(new(T)))
	if err != nil {
		return nil, err
	}
	if only, ok := onlyKey(P(new(T))); ok && key == "" {
		key = only
	}
	if err := key.Validate(); err != nil {
		return nil, fmt.Errorf("records: %w", err)
	}
	if err := s.checkKey(P(new(T)), key); err != nil {
		return nil, err
	}
	for try, pause := 1, updatePause; ; try, pause = try+1, 2*pause {
		record, ref, err := get[T, P](ctx, account, syntax.AtIdentifier(account.DID()), collection, key, s)
		var before []byte
		switch {
		case errors.Is(err, ErrNotFound):
			record, s.swap = new(T), lex.Null[syntax.CID]()
		case err != nil:
			return nil, err
		case ref.CID == "":
			return nil, fmt.Errorf("records: the server does not return the CID of %s, so it cannot be updated safely", ref.URI)
		default:
			s.swap = lex.Some(ref.CID)
			if before, err = lex.MarshalJSON(P(record)); err != nil {
				return nil, fmt.Errorf("records: %w", err)
			}
		}
		if err := change(record); err != nil {
			return nil, err
		}
		if before != nil {
			after, err := lex.MarshalJSON(P(record))
			if err == nil && bytes.Equal(before, after) {
				return ref, nil
			}
		}
		written, err := put(ctx, account, key, P(record), s)
		if !errors.Is(err, ErrChanged) || try == maxUpdates {
			return written, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("records: %w", context.Cause(ctx))
		case <-time.After(rand.N(pause)):
		}
	}
}
