package repo

import (
	"fmt"

	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Commit is one state of a repository, signed by its account
// (https://atproto.com/specs/repository#commit-objects).
type Commit struct {
	CID       syntax.CID // the CID of the commit itself
	DID       syntax.DID // the account
	Version   int64      // 3; 2 in repositories of 2023 and earlier
	Data      syntax.CID // the root of the tree of records
	Rev       syntax.TID // grows with each commit; "" in some of version 2
	Prev      syntax.CID // the commit before; "" in almost all
	Signature []byte     // signature of the commit without this field

	// The signed bytes are encoded again from the fields, and must be exactly the same.
	hasPrev bool // prev is present, possibly as null
	extra   lex.Extra
}

// A Key verifies signatures of an account. An *identity.PublicKey from Document.SigningKey is one.
type Key interface {
	// Verify fails unless the key has signed the message, with the smaller of the two possible s.
	Verify(message, signature []byte) error
}

// Verify checks that the commit belongs to an account and is signed by its key. did is the account
// whose repository you requested; without it, another account's repository could be passed off as
// this one. After Verify you can trust everything in the commit, such as its rev, and each record
// of the tree.
//
// Errors: ErrAccount, ErrSignature.
func (c *Commit) Verify(did syntax.DID, key Key) error {
	if c.DID != did {
		return failure(ErrAccount, "it is of %.200q, but %.200q was requested", c.DID, did)
	}
	unsigned := *c
	unsigned.Signature = nil
	message, err := lex.MarshalCBOR(&unsigned)
	if err != nil {
		return failure(ErrCommit, "it cannot be encoded").because(err)
	}
	if err := key.Verify(message, c.Signature); err != nil {
		e := failure(ErrSignature, "of %.200q", c.DID).because(err)
		e.Block = c.CID
		return e
	}
	return nil
}

// DecodeLex implements lex.Decodable.
func (c *Commit) DecodeLex(d *lex.Decoder) error {
	*c = Commit{}
	var seen uint64
	for key := range d.Object {
		switch string(key) {
		case "did":
			d.Once(&seen, 1<<0)
			c.DID = lex.StringOf[syntax.DID](d)
		case "version":
			d.Once(&seen, 1<<1)
			c.Version = d.Int()
		case "data":
			d.Once(&seen, 1<<2)
			c.Data = syntax.CID(d.CIDLink())
		case "sig":
			d.Once(&seen, 1<<3)
			c.Signature = d.Bytes()
		case "rev":
			d.Once(&seen, 1<<4)
			c.Rev = lex.StringOf[syntax.TID](d)
		case "prev":
			c.hasPrev = true
			if d.Nullable(&seen, 1<<5) {
				c.Prev = syntax.CID(d.CIDLink())
			}
		default:
			d.Extra(&c.extra, key)
		}
	}
	if d.Err() == nil && seen&0b1111 != 0b1111 {
		d.Missing(seen, "did", "version", "data", "sig")
	}
	return d.Err()
}

// EncodeLex implements lex.Encodable. A commit without a Signature has the signed form.
func (c *Commit) EncodeLex(e *lex.Encoder) error {
	e.BeginObject()
	e.Key("did").String(string(c.DID))
	e.Key("version").Int(c.Version)
	e.Key("data").CIDLink(lex.CIDLink(c.Data))
	if c.Rev != "" {
		e.Key("rev").String(string(c.Rev))
	}
	switch {
	case c.Prev != "":
		e.Key("prev").CIDLink(lex.CIDLink(c.Prev))
	case c.hasPrev:
		e.Key("prev").Null()
	}
	if c.Signature != nil {
		e.Key("sig").Bytes(c.Signature)
	}
	return e.EndObject(&c.extra)
}

// readCommit reads the commit with this CID, and the root of its tree.
func readCommit(id cid, block []byte) (*Commit, cid, error) {
	c := new(Commit)
	if err := lex.UnmarshalCBOR(block, c); err != nil {
		return nil, cid{}, failure(ErrCommit, "it cannot be read").of(id).because(err)
	}
	c.CID = id.text()
	if err := c.check(); err != nil {
		return nil, cid{}, failure(ErrCommit, "what it says").of(id).because(err)
	}
	data, err := parseText(c.Data)
	if err != nil || data.codec != codecDAGCBOR {
		return nil, cid{}, failure(ErrCommit, "its tree %.100q is not the CID of a tree", c.Data).of(id)
	}
	return c, data, nil
}

func (c *Commit) check() error {
	if c.Version != 2 && c.Version != 3 {
		return fmt.Errorf("it is of version %d, but only 2 and 3 are supported", c.Version)
	}
	if err := c.DID.Validate(); err != nil {
		return err
	}
	if c.Version == 2 && c.Rev == "" {
		return nil
	}
	return c.Rev.Validate()
}
