package jetstream

import (
	"time"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// An Event is something that happened to an account. Exactly one of Commit, Identity, Account, Sync
// and Info is set.
type Event struct {
	DID syntax.DID // the account; "" for an Info
	// Time is when the server saw the event, if it says so.
	Time time.Time
	// Cursor is the place in the stream: see Params. It is 0 for an Info.
	Cursor int64

	Commit   *Commit                                // a record was created, changed or deleted
	Identity *comatproto.SyncSubscribeReposIdentity // a handle or document may have changed; seq and time come from the relay
	Account  *comatproto.SyncSubscribeReposAccount  // the account was activated, suspended, deleted and so on; seq and time come from the relay
	Sync     *comatproto.SyncSubscribeReposSync     // its repository must be read again; seq and time come from the relay; SubscribeEvents only
	Info     *Info                                  // a notice about the stream itself; SubscribeEvents only
}

// A Commit says that a record was created, changed or deleted.
type Commit struct {
	Rev        syntax.TID       // the repository's revision
	Operation  Operation        // what happened to the record
	Collection syntax.NSID      // the record's collection
	RecordKey  syntax.RecordKey // the record's key
	Record     lex.Unknown      // absent if the record was deleted; read it with As
	CID        syntax.CID       // of the record; "" if it was deleted
}

// An Operation says what happened to a record. Servers may use other values in the future.
type Operation string

// The operations.
const (
	Create Operation = "create"
	Update Operation = "update"
	Delete Operation = "delete"
)

// An Info is a notice of the server.
type Info struct {
	Name    string // for example OutdatedCursor
	Message string // text for people; may be empty
}

// URI returns the URI of a Commit's record, or "" for other events.
func (e *Event) URI() syntax.ATURI {
	if e.Commit == nil {
		return ""
	}
	return syntax.ATURI("at://" + string(e.DID) + "/" + string(e.Commit.Collection) + "/" + string(e.Commit.RecordKey))
}

// Sequence implements xrpc.Sequenced. It returns Cursor.
func (e *Event) Sequence() (seq int64, ok bool) { return e.Cursor, e.Info == nil }

var _ xrpc.Sequenced = (*Event)(nil)

// DecodeLex implements lex.Decodable. It decodes both forms. In the form of /subscribe, the commit
// is an object of its own and time_us is the cursor. In the form of subscribeEvents, the commit's
// fields belong to the event and seq is the cursor.
func (e *Event) DecodeLex(d *lex.Decoder) error {
	*e = Event{}
	var seen uint64
	var flat Commit // in the form of subscribeEvents
	var kind string
	var info Info
	var at, witnessed syntax.Datetime
	for key := range d.Object {
		switch string(key) {
		case "did":
			d.Once(&seen, 1<<0)
			e.DID = syntax.DID(d.String())
		case "time_us", "seq":
			d.Once(&seen, 1<<1)
			e.Cursor = d.Int()
			if string(key) == "time_us" {
				e.Time = time.UnixMicro(e.Cursor)
			}
		case "kind":
			d.Once(&seen, 1<<2)
			kind = d.String()
		case "commit":
			d.Once(&seen, 1<<3)
			e.Commit = lex.DecodePointer[Commit](d)
		case "identity":
			d.Once(&seen, 1<<4)
			e.Identity = lex.DecodePointer[comatproto.SyncSubscribeReposIdentity](d)
		case "account":
			d.Once(&seen, 1<<5)
			e.Account = lex.DecodePointer[comatproto.SyncSubscribeReposAccount](d)
		case "sync":
			d.Once(&seen, 1<<6)
			e.Sync = lex.DecodePointer[comatproto.SyncSubscribeReposSync](d)
		case "time":
			d.Once(&seen, 1<<7)
			at = syntax.Datetime(d.String())
		case "witnessedAt":
			d.Once(&seen, 1<<8)
			witnessed = syntax.Datetime(d.String())
		case "name":
			d.Once(&seen, 1<<9)
			info.Name = d.String()
		case "message":
			info.Message = optional(d)
		default:
			if !flat.field(d, string(key)) {
				d.Value(new(lex.Any))
			}
		}
	}
	if d.Err() != nil {
		return d.Err()
	}
	if seen&(1<<1) == 0 && info.Name != "" {
		e.Info = &info
		return nil
	}
	if seen&0b11 != 0b11 {
		d.Missing(seen, "did", "time_us")
		return d.Err()
	}
	if flat.Operation != "" {
		if e.Commit = &flat; flat.complete(d) != nil {
			return d.Err()
		}
	}
	if t, err := witnessed.Time(); err == nil {
		e.Time = t
	} else if t, err := at.Time(); err == nil {
		e.Time = t
	}
	if e.Commit == nil && e.Identity == nil && e.Account == nil && e.Sync == nil {
		return &xrpc.MessageError{Type: kind}
	}
	return nil
}

// DecodeLex implements lex.Decodable.
func (c *Commit) DecodeLex(d *lex.Decoder) error {
	*c = Commit{}
	for key := range d.Object {
		if !c.field(d, string(key)) {
			d.Value(new(lex.Any))
		}
	}
	if d.Err() != nil {
		return d.Err()
	}
	return c.complete(d)
}

// complete fails if a field is missing.
func (c *Commit) complete(d *lex.Decoder) error {
	var seen uint64
	for i, field := range []string{string(c.Operation), string(c.Collection), string(c.RecordKey)} {
		if field != "" {
			seen |= 1 << i
		}
	}
	if seen != 0b111 {
		d.Missing(seen, "operation", "collection", "rkey")
	}
	return d.Err()
}

// field decodes a field of a commit. It returns false if key is not one.
func (c *Commit) field(d *lex.Decoder, key string) bool {
	switch key {
	case "rev":
		c.Rev = syntax.TID(d.String())
	case "operation":
		c.Operation = Operation(d.String())
	case "collection":
		c.Collection = syntax.NSID(d.String())
	case "rkey":
		c.RecordKey = syntax.RecordKey(d.String())
	case "record":
		if !d.Null() {
			c.Record = d.Unknown()
		}
	case "cid":
		c.CID = syntax.CID(optional(d))
	default:
		return false
	}
	return true
}

// optional decodes a string that may be null.
func optional(d *lex.Decoder) string {
	if s := d.OptionalString(); s != nil {
		return *s
	}
	return ""
}
