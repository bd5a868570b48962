package repo

import (
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Record is a record of a repository, as it is stored. Its CID is the CID of its CBOR.
type Record struct {
	// Collection and Key are as in the tree. Servers may write collections that are not valid
	// NSIDs.
	Collection syntax.NSID
	Key        syntax.RecordKey // the record's key: see Collection
	CID        syntax.CID       // the CID of CBOR
	CBOR       []byte           // the record in DAG-CBOR
}

// Path returns the collection and the key with a slash between them.
func (r *Record) Path() string { return string(r.Collection) + "/" + string(r.Key) }

// As decodes the record into v, such as an *appbsky.FeedPost. If v is a record, the $type must be
// the same. Accounts may write anything into their repositories, so the record may not follow its
// collection's lexicon. Errors are *Error around a *lex.Error; see lex.UnmarshalCBOR.
func (r *Record) As(v lex.Decodable) error {
	if err := lex.UnmarshalCBOR(r.CBOR, v); err != nil {
		e := failure(ErrRecord, "it cannot be decoded into this type").about(r.Path()).because(err)
		e.Block = r.CID
		return e
	}
	return nil
}

// Value returns the record as an Unknown, for example for records.Put. Use its Decode if you do not
// know the record's type. Errors are those of As.
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
