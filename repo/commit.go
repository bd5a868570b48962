package repo

import (
	"fmt"

	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Commit is one state of a repository, signed by its account
// (https://atproto.com/specs/repository#commit-objects).
type Commit struct {
	CID       syntax.CID // of the commit itself
	DID       syntax.DID // the account
	Version   int64      // 3; 2 in repositories of 2023 and before
	Data      syntax.CID // the root of the tree of records
	Rev       syntax.TID // grows with each commit; "" in some of version 2
	Prev      syntax.CID // the commit before; "" in almost all
	Signature []byte     // of the commit without it

	// What is signed is made of the fields again, and has to be the same to the byte.
	hasPrev bool // prev is there, if only as null
	extra   lex.Extra
}

// A Key verifies signatures of an account: an *identity.PublicKey, by its Document.SigningKey.
type Key interface {
	// Verify fails unless the key has signed the message, with the smaller of the two s.
	Verify(message, signature []byte) error
}

// Verify makes sure that the commit is of an account and signed by its key. did is whose
// repository was asked for: without it, one of another account could be taken for it. A rev or
// anything else of the commit may be believed afterwards, and with it each record of the tree.
//
// Errors: ErrAccount, ErrSignature.
func (c *Commit) Verify(did syntax.DID, key Key) error {
	if c.DID != did {
		return failure(ErrAccount, "it is of %.200q, and %.200q was asked for", c.DID, did)
	}
	unsigned := *c
	unsigned.Signature = nil
	message, err := lex.MarshalCBOR(&unsigned)
	if err != nil {
		return failure(ErrCommit, "it cannot be written").because(err)
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

// EncodeLex implements lex.Encodable. A commit without a Signature is what is signed.
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

// readCommit reads the commit that is stored under id, and the root of its tree.
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
		return nil, cid{}, failure(ErrCommit, "its tree %.100q is no CID of one", c.Data).of(id)
	}
	return c, data, nil
}

func (c *Commit) check() error {
	if c.Version != 2 && c.Version != 3 {
		return fmt.Errorf("it is of version %d, and 2 and 3 are known", c.Version)
	}
	if err := c.DID.Validate(); err != nil {
		return err
	}
	if c.Version == 2 && c.Rev == "" {
		return nil
	}
	return c.Rev.Validate()
}
