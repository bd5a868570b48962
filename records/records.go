package records

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/internal/nilvalue"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// An Account is a Doer that knows its account, such as an *oauth.Session.
type Account interface {
	xrpc.Doer
	// DID returns the account.
	DID() syntax.DID
}

// A Record is a pointer to a record type, such as *appbsky.FeedPost.
type Record[T any] interface {
	*T
	lex.Typed
}

// A Ref identifies one version of a record: its URI and its CID.
type Ref = comatproto.RepoStrongRef

var (
	// ErrNotFound: there is no such record.
	ErrNotFound = errors.New("there is no such record")
	// ErrChanged: the record, or the repository, has another version than expected.
	ErrChanged = errors.New("it has been changed meanwhile")
	// ErrExists: there is a record with this key. After a lost answer, this can be your own one: then
	// the second try has shown that the first one succeeded.
	ErrExists = errors.New("there is a record with this key")
	// ErrNotARecord: the value is not a record, or is a record of another collection.
	ErrNotARecord = errors.New("not a record of this type")
	// ErrForeign: the record is in the repository of another account. Only that account can write
	// it.
	ErrForeign = errors.New("the record is another account's")
	// ErrKey: the record's lexicon does not allow the key. Programs would not find the record.
	ErrKey = errors.New("the lexicon wants another key")
)

// An Option is an option of one call. A call refuses options that it does not use.
type Option func(*settings)

type settings struct {
	calls      []xrpc.Option
	key        *syntax.RecordKey
	swap       lex.Nullable[syntax.CID]
	swapCommit *syntax.CID
	unchecked  bool
	validate   *bool
}

// WithKey creates the record with this key. Without it, the record gets the only key that its
// lexicon allows, such as "self", or else one that the server makes.
func WithKey(key syntax.RecordKey) Option { return func(s *settings) { s.key = &key } }

// WithSwap writes only if the record has this CID. Otherwise the call fails with ErrChanged.
func WithSwap(cid syntax.CID) Option {
	return func(s *settings) { s.swap = lex.Some(cid) }
}

// WithSwapCommit writes only if the repository is at this commit. Otherwise the call fails with
// ErrChanged.
func WithSwapCommit(cid syntax.CID) Option { return func(s *settings) { s.swapCommit = &cid } }

// WithoutChecks sends a record without checking it and its key by its lexicon. The server may still
// refuse it.
func WithoutChecks() Option { return func(s *settings) { s.unchecked = true } }

// WithServerValidation(true) makes the server refuse records that break their lexicon, or whose
// lexicon it does not know. WithServerValidation(false) makes it check none. Without this option,
// it checks records whose lexicon it knows.
func WithServerValidation(on bool) Option { return func(s *settings) { s.validate = &on } }

// WithCall passes options to the calls, such as xrpc.WithRetry.
func WithCall(opts ...xrpc.Option) Option {
	return func(s *settings) { s.calls = append(s.calls, opts...) }
}

// read applies options. allowed names the options, in addition to WithCall, that the call uses.
func read(opts []Option, allowed string) (*settings, error) {
	s := new(settings)
	for _, o := range opts {
		if o != nil {
			o(s)
		}
	}
	for name, used := range map[string]bool{
		"WithKey": s.key != nil, "WithSwap": !s.swap.IsAbsent(), "WithSwapCommit": s.swapCommit != nil,
		"WithoutChecks": s.unchecked, "WithServerValidation": s.validate != nil,
	} {
		if used && !strings.Contains(" "+allowed+" ", " "+name+" ") {
			return nil, fmt.Errorf("records: this call does not use %s: remove the option", name)
		}
	}
	return s, nil
}

// check checks a record by its lexicon.
func (s *settings) check(record lex.Typed) error {
	if s.unchecked {
		return nil
	}
	if v, ok := record.(lex.Validatable); ok {
		if err := lex.Validate(v, lex.Strict); err != nil {
			return fmt.Errorf("records: %s: %w", record.LexType(), err)
		}
	}
	return nil
}

// keyed is implemented by generated records. Code of older generators lacks it.
type keyed interface {
	LexKey() string
}

// onlyKey returns the key that all records of this type have, if there is one.
func onlyKey(record lex.Typed) (key syntax.RecordKey, ok bool) {
	k, ok := record.(keyed)
	if !ok {
		return "", false
	}
	text, ok := strings.CutPrefix(k.LexKey(), "literal:")
	return syntax.RecordKey(text), ok
}

// checkKey checks a record's key by its lexicon. An empty key is one that the server will make: a
// TID.
func (s *settings) checkKey(record lex.Typed, key syntax.RecordKey) error {
	k, ok := record.(keyed)
	if !ok || s.unchecked {
		return nil
	}
	var want string
	switch kind := k.LexKey(); kind {
	case "tid":
		if key != "" && syntax.TID(key).Validate() != nil {
			want = "a TID, such as one of a syntax.TIDClock"
		}
	case "nsid":
		if syntax.NSID(key).Validate() != nil {
			want = "an NSID, such as com.example.name"
		}
	default:
		if only, ok := strings.CutPrefix(kind, "literal:"); ok && string(key) != only {
			want = fmt.Sprintf("always %q", only)
		}
	}
	if want == "" {
		return nil
	}
	return fmt.Errorf("records: %w: %q is not a key of %s, whose key is %s", ErrKey, string(key), record.LexType(), want)
}

// collectionOf returns the collection of a record.
func collectionOf(record lex.Typed) (syntax.NSID, error) {
	if nilvalue.Is(record) {
		return "", fmt.Errorf("records: %w: it is a nil %T", ErrNotARecord, record)
	}
	collection := syntax.NSID(record.LexType())
	// An object that is the main definition of its lexicon has such a name too, but it has no
	// $type.
	text, err := lex.MarshalJSON(record)
	if err != nil {
		return "", fmt.Errorf("records: %s: %w", record.LexType(), err)
	}
	if collection.Validate() != nil || !bytes.HasPrefix(text, []byte(`{"$type":`)) {
		return "", fmt.Errorf("records: %w: %q is the type of an object, not of a record", ErrNotARecord, record.LexType())
	}
	return collection, nil
}

// checkAccount returns an error if there is no account.
func checkAccount(account Account) error {
	if nilvalue.Is(account) {
		return errors.New("records: the account is nil: pass a session")
	}
	return nil
}

// pointed returns the key, or "" for none.
func pointed(key *syntax.RecordKey) syntax.RecordKey {
	if key == nil {
		return ""
	}
	return *key
}

// said adds this package's errors to errors of servers.
func said(err error) error {
	var kind error
	switch e, ok := errors.AsType[*xrpc.Error](err); {
	case errors.Is(err, comatproto.ErrInvalidSwap):
		kind = ErrChanged
	case errors.Is(err, comatproto.ErrRecordNotFound),
		// Servers from before the error had a name say this.
		ok && e.Name == xrpc.ErrInvalidRequest && strings.HasPrefix(e.Message, "Could not locate record"):
		kind = ErrNotFound
	case ok && exists(e):
		kind = ErrExists
	case err == nil:
		return nil
	default:
		return fmt.Errorf("records: %w", err)
	}
	return fmt.Errorf("records: %w: %w", kind, err)
}

// exists reports whether a server says that a record is there already. No lexicon has a name for
// it.
func exists(e *xrpc.Error) bool {
	return e.Name == "RecordAlreadyExists" || e.Name == "RecordExists" || strings.HasPrefix(e.Message, "Record already exists")
}

// Create writes a new record into the account's repository. Options: WithKey, WithSwapCommit,
// WithoutChecks, WithServerValidation, WithCall.
//
// Errors: *lex.ValidationError or ErrKey before anything is sent; ErrChanged; ErrExists if there is a
// record with the key; otherwise those of any call.
//
// After an *xrpc.SendError with SentMaybe the record may exist. With WithKey, a second try does not
// write it twice: it returns ErrExists if the first one succeeded.
//
//	_, err := records.Create(ctx, session, record, records.WithKey(key))
//	if send, ok := errors.AsType[*xrpc.SendError](err); ok && send.Sent == xrpc.SentMaybe {
//		if _, err = records.Create(ctx, session, record, records.WithKey(key)); errors.Is(err, records.ErrExists) {
//			err = nil // the first one succeeded
//		}
//	}
func Create(ctx context.Context, account Account, record lex.Typed, opts ...Option) (*Ref, error) {
	s, err := read(opts, "WithKey WithSwapCommit WithoutChecks WithServerValidation")
	if err != nil {
		return nil, err
	}
	collection, err := collectionOf(record)
	if err != nil {
		return nil, err
	}
	if err := s.check(record); err != nil {
		return nil, err
	}
	key := s.key
	if only, ok := onlyKey(record); ok && key == nil {
		key = &only
	}
	if err := s.checkKey(record, pointed(key)); err != nil {
		return nil, err
	}
	if err := checkAccount(account); err != nil {
		return nil, err
	}
	out, err := comatproto.NewClient(account).Repo.CreateRecord(ctx, &comatproto.RepoCreateRecordInput{
		Repo: syntax.AtIdentifier(account.DID()), Collection: collection, RKey: key, Validate: s.validate,
		Record: lex.Of(record), SwapCommit: s.swapCommit,
	}, s.calls...)
	if err != nil {
		if key != nil && isThere(ctx, account, collection, *key, err, s) {
			return nil, fmt.Errorf("records: %w: %w", ErrExists, err)
		}
		return nil, said(err)
	}
	return &Ref{URI: out.URI, CID: out.CID}, nil
}

// isThere reports whether a record is why the server failed to create one with its key. Many
// servers, such as some versions of the reference, answer a plain 500 then. So only a look can tell.
func isThere(ctx context.Context, account Account, collection syntax.NSID, key syntax.RecordKey, err error, s *settings) bool {
	if e, ok := errors.AsType[*xrpc.Error](err); !ok || e.Status != http.StatusInternalServerError {
		return false
	}
	_, err = comatproto.NewClient(account).Repo.GetRecord(ctx, &comatproto.RepoGetRecordParams{
		Repo: syntax.AtIdentifier(account.DID()), Collection: collection, RKey: key,
	}, s.calls...)
	return err == nil
}

// Put writes a record with this key into the account's repository, whether the record exists or
// not. If the lexicon allows only one key, such as "self", key may be empty. With WithSwap it writes
// only if the record has that version. Options: WithSwap, WithSwapCommit, WithoutChecks,
// WithServerValidation, WithCall. Errors are those of Create.
func Put(ctx context.Context, account Account, key syntax.RecordKey, record lex.Typed, opts ...Option) (*Ref, error) {
	s, err := read(opts, "WithSwap WithSwapCommit WithoutChecks WithServerValidation")
	if err != nil {
		return nil, err
	}
	if only, ok := onlyKey(record); ok && key == "" {
		key = only
	}
	return put(ctx, account, key, record, s)
}

func put(ctx context.Context, account Account, key syntax.RecordKey, record lex.Typed, s *settings) (*Ref, error) {
	collection, err := collectionOf(record)
	if err != nil {
		return nil, err
	}
	if err := s.check(record); err != nil {
		return nil, err
	}
	if key == "" {
		return nil, fmt.Errorf("records: the key of the %s is empty: pass one, or use Create", record.LexType())
	}
	if err := s.checkKey(record, key); err != nil {
		return nil, err
	}
	if err := checkAccount(account); err != nil {
		return nil, err
	}
	out, err := comatproto.NewClient(account).Repo.PutRecord(ctx, &comatproto.RepoPutRecordInput{
		Repo: syntax.AtIdentifier(account.DID()), Collection: collection, RKey: key, Validate: s.validate,
		Record: lex.Of(record), SwapRecord: s.swap, SwapCommit: s.swapCommit,
	}, s.calls...)
	if err != nil {
		return nil, said(err)
	}
	// If the same record exists already, the reference ignores the swap and makes no commit. Such
	// an answer has a validation status. Answers of older servers have neither.
	if expected, ok := s.swap.Get(); out.Commit == nil && out.ValidationStatus != nil && (s.swap.IsNull() || ok && expected != out.CID) {
		return nil, fmt.Errorf("records: %w: %s, by somebody who wrote the same content", ErrChanged, out.URI)
	}
	return &Ref{URI: out.URI, CID: out.CID}, nil
}

// Get reads a record. Options: WithCall.
//
// Errors: ErrNotFound; ErrNotARecord if the URI is in another collection, or if the value does not
// follow its collection's lexicon; otherwise those of any call.
func Get[T any, P Record[T]](ctx context.Context, doer xrpc.Doer, uri syntax.ATURI, opts ...Option) (*T, *Ref, error) {
	s, err := read(opts, "")
	if err != nil {
		return nil, nil, err
	}
	record := P(new(T))
	collection, err := collectionOf(record)
	if err != nil {
		return nil, nil, err
	}
	if err := uri.Validate(); err != nil {
		return nil, nil, fmt.Errorf("records: %w", err)
	}
	if uri.RecordKey() == "" || uri.Collection() != collection {
		return nil, nil, fmt.Errorf("records: %w: %s is not the URI of a record in %s", ErrNotARecord, uri, collection)
	}
	return get[T, P](ctx, doer, uri.Authority(), collection, uri.RecordKey(), s)
}

func get[T any, P Record[T]](ctx context.Context, doer xrpc.Doer, repo syntax.AtIdentifier, collection syntax.NSID, key syntax.RecordKey, s *settings) (*T, *Ref, error) {
	out, err := comatproto.NewClient(doer).Repo.GetRecord(ctx, &comatproto.RepoGetRecordParams{Repo: repo, Collection: collection, RKey: key}, s.calls...)
	if err != nil {
		return nil, nil, said(err)
	}
	record := new(T)
	if err := out.Value.As(P(record)); err != nil {
		return nil, nil, fmt.Errorf("records: %w: %s: %w", ErrNotARecord, out.URI, err)
	}
	ref := &Ref{URI: out.URI}
	if out.CID != nil {
		ref.CID = *out.CID
	}
	return record, ref, nil
}

// Delete deletes a record of the account's repository. If the record does not exist, there is no
// error. The URI may have the handle of a session's account instead of the DID. Options: WithSwap,
// WithSwapCommit, WithCall.
//
// Errors: ErrForeign; ErrChanged; otherwise those of any call.
func Delete(ctx context.Context, account Account, uri syntax.ATURI, opts ...Option) error {
	s, err := read(opts, "WithSwap WithSwapCommit")
	if err != nil {
		return err
	}
	if err := own(account, uri); err != nil {
		return err
	}
	in := &comatproto.RepoDeleteRecordInput{
		Repo: syntax.AtIdentifier(account.DID()), Collection: uri.Collection(), RKey: uri.RecordKey(), SwapCommit: s.swapCommit,
	}
	if cid, ok := s.swap.Get(); ok {
		in.SwapRecord = &cid
	}
	_, err = comatproto.NewClient(account).Repo.DeleteRecord(ctx, in, s.calls...)
	return said(err)
}

// isHandleOf reports whether the account knows that this is its handle, as sessions do. The request
// names the DID in any case.
func isHandleOf(account Account, authority syntax.AtIdentifier) bool {
	a, ok := account.(interface{ Handle() syntax.Handle })
	return ok && authority != "" && authority != syntax.AtIdentifier(syntax.HandleInvalid) && strings.EqualFold(string(authority), string(a.Handle()))
}

// own returns an error if the account cannot write the record at uri.
func own(account Account, uri syntax.ATURI) error {
	if err := checkAccount(account); err != nil {
		return err
	}
	if err := uri.Validate(); err != nil {
		return fmt.Errorf("records: %w", err)
	}
	if uri.RecordKey() == "" {
		return fmt.Errorf("records: %w: %s is not the URI of a record", ErrNotARecord, uri)
	}
	if uri.Authority() != syntax.AtIdentifier(account.DID()) && !isHandleOf(account, uri.Authority()) {
		err := fmt.Errorf("records: %w: %s, but the account is %s", ErrForeign, uri, account.DID())
		if _, ok := uri.Authority().Handle(); ok {
			err = fmt.Errorf("%w: if the handle is its own, write the DID instead", err)
		}
		return err
	}
	return nil
}
