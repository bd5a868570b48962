package repo

import "github.com/gimucco/atproto-go/xrpc/syntax"

// An Action is what an Operation does.
type Action string

// The actions there are.
const (
	Create Action = "create"
	Update Action = "update"
	Delete Action = "delete"
)

// known reports whether it is one of them.
func (a Action) known() bool { return a == Create || a == Update || a == Delete }

// An Operation is what happened to one record.
type Operation struct {
	Action     Action
	Collection syntax.NSID
	Key        syntax.RecordKey
	CID        syntax.CID // of the record now; "" after Delete
	Prev       syntax.CID // of the record before; "" at Create, and in events of servers older than Sync 1.1
	Record     *Record    // as it is now; nil after Delete
}

// Path returns the collection and the key with a slash between them.
func (o *Operation) Path() string { return string(o.Collection) + "/" + string(o.Key) }
