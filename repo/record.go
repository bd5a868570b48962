package repo

import (
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Record is a record of a repository, as it is stored there. Its CID is that of its CBOR.
type Record struct {
	// Collection and Key are as they stand in the tree; servers may write what is no valid NSID.
	Collection syntax.NSID
	Key        syntax.RecordKey
	CID        syntax.CID
	CBOR       []byte // the record in DAG-CBOR
}

// Path returns the collection and the key with a slash between them.
func (r *Record) Path() string { return string(r.Collection) + "/" + string(r.Key) }

// As decodes the record into v, such as an *appbsky.FeedPost, which refuses a record of another
// $type. Accounts may write anything into their repositories: the record need not be what its
// collection says. Errors are *Error around a *lex.Error; see lex.UnmarshalCBOR.
func (r *Record) As(v lex.Decodable) error {
	if err := lex.UnmarshalCBOR(r.CBOR, v); err != nil {
		e := failure(ErrRecord, "it is not what it was read into").about(r.Path()).because(err)
		e.Block = r.CID
		return e
	}
	return nil
}

// Value returns the record as it can be given to records.Put and the like, and read by its Decode
// where its type is not known beforehand. Errors are those of As.
func (r *Record) Value() (lex.Unknown, error) {
	var v lex.Unknown
	err := r.As(&v)
	return v, err
}

// newRecord returns the record at a path.
func newRecord(path string, id cid, block []byte) *Record {
	r := &Record{CID: id.text(), CBOR: block}
	r.Collection, r.Key = split(path)
	return r
}
