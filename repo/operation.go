package repo

import "github.com/gimucco/atproto-go/xrpc/syntax"

// An Action says what an Operation does.
type Action string

// The actions.
const (
	Create Action = "create"
	Update Action = "update"
	Delete Action = "delete"
)

// known reports whether a is one of the actions.
func (a Action) known() bool { return a == Create || a == Update || a == Delete }

// An Operation is a change of one record.
type Operation struct {
	Action     Action           // what happened
	Collection syntax.NSID      // the record's collection
	Key        syntax.RecordKey // the record's key
	CID        syntax.CID       // of the record now; "" for Delete
	Prev       syntax.CID       // of the record before; "" for Create, and in events of servers older than Sync 1.1
	Record     *Record          // the record now; nil for Delete
}

// Path returns the collection and the key with a slash between them.
func (o *Operation) Path() string { return string(o.Collection) + "/" + string(o.Key) }
