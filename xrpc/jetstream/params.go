package jetstream

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// Params say which events the server should send. The zero value asks for all events from now on.
type Params struct {
	// Collections are the collections whose commits to send: at most 100 NSIDs, or prefixes such as
	// "app.bsky.feed.*". None means all. Events of other kinds are always sent.
	Collections []string
	// DIDs are the accounts whose events to send, at most 10,000. None means all.
	DIDs []syntax.DID
	// Kinds are the kinds of events to send. None means all. SubscribeEvents only.
	Kinds []Kind
	// MaxMessageSize leaves out larger events, in bytes before compression. 0 means no limit.
	MaxMessageSize int64

	// Cursor is the place to continue from: Stream.Cursor of the same server and the same function.
	// Nil means now. For Subscribe it is a time in microseconds since 1970, for SubscribeEvents a
	// sequence number.
	Cursor *int64
	// Since is where to begin without a Cursor: at the first event at or after this time that the
	// server still has. Zero means now. Servers keep events for about a day.
	Since time.Time

	// Dictionary, if set, asks for compressed events. It is the zstd dictionary of the server:
	// either published with its source code, or the result of FetchDictionary.
	Dictionary []byte
}

// A Kind is a kind of events.
type Kind string

// The kinds of events.
const (
	KindCommit   Kind = "commit"
	KindIdentity Kind = "identity"
	KindAccount  Kind = "account"
	KindSync     Kind = "sync" // SubscribeEvents only
)

// Limits of the servers.
const (
	maxCollections = 100
	maxDIDs        = 10_000
)

// check returns an error if p is not valid.
func (p *Params) check() error {
	if len(p.Collections) > maxCollections {
		return fmt.Errorf("Params.Collections: there are %d, at most %d are allowed", len(p.Collections), maxCollections)
	}
	for _, c := range p.Collections {
		pattern := c
		if prefix, ok := strings.CutSuffix(c, ".*"); ok {
			pattern = prefix + ".x" // an NSID that the pattern matches
			if !strings.Contains(prefix, ".") {
				pattern = prefix + ".x.x"
			}
		}
		if _, err := syntax.ParseNSID(pattern); err != nil {
			return fmt.Errorf("Params.Collections: %.100q is neither an NSID nor the beginning of one with \".*\"", c)
		}
	}
	if len(p.DIDs) > maxDIDs {
		return fmt.Errorf("Params.DIDs: there are %d, at most %d are allowed", len(p.DIDs), maxDIDs)
	}
	for _, did := range p.DIDs {
		if err := did.Validate(); err != nil {
			return fmt.Errorf("Params.DIDs: %w", err)
		}
	}
	switch {
	case p.MaxMessageSize < 0:
		return fmt.Errorf("Params.MaxMessageSize is %d, below zero", p.MaxMessageSize)
	case p.Cursor != nil && !p.Since.IsZero():
		return errors.New("Params.Cursor and Params.Since both say where to begin: set one of them")
	case p.Cursor != nil && *p.Cursor < 0:
		return fmt.Errorf("Params.Cursor is %d, below zero", *p.Cursor)
	}
	for _, kind := range p.Kinds {
		if !slices.Contains([]Kind{KindCommit, KindIdentity, KindAccount, KindSync}, kind) {
			return fmt.Errorf("Params.Kinds: %.40q is not one of the kinds of this package", string(kind))
		}
	}
	return nil
}

// longFilter is how many DIDs fit into a URL. More of them are sent over the connection.
const longFilter = 100

// timed are the parameters of /subscribe. Its cursor is a time.
type timed struct {
	*Params
	cursor *int64
	hello  bool
}

// EncodeQuery implements xrpc.Params.
func (p *timed) EncodeQuery(q *xrpc.Query) {
	if p.hello {
		q.Bool("requireHello", true)
	} else {
		xrpc.AddStrings(q, "wantedCollections", p.Collections)
		xrpc.AddStrings(q, "wantedDids", p.DIDs)
		if p.MaxMessageSize > 0 {
			q.Int("maxMessageSizeBytes", p.MaxMessageSize)
		}
	}
	if len(p.Dictionary) > 0 {
		q.Bool("compress", true)
	}
	if p.cursor != nil {
		q.Int("cursor", *p.cursor)
	}
}

// helloText is the message that sets the filters.
func (p *timed) helloText() (string, error) {
	if !p.hello {
		return "", nil
	}
	type payload struct {
		WantedCollections   []string     `json:"wantedCollections"`
		WantedDIDs          []syntax.DID `json:"wantedDids"`
		MaxMessageSizeBytes int64        `json:"maxMessageSizeBytes"`
	}
	text, err := json.Marshal(struct {
		Type    string  `json:"type"`
		Payload payload `json:"payload"`
	}{"options_update", payload{append([]string{}, p.Collections...), p.DIDs, p.MaxMessageSize}})
	return string(text), err
}

// sequenced are the parameters of subscribeEvents.
type sequenced struct {
	*Params
	dictionary uint32 // the dictionary's number; 0 for none
}

// EncodeQuery implements xrpc.Params.
func (p *sequenced) EncodeQuery(q *xrpc.Query) {
	xrpc.AddStrings(q, "kinds", p.Kinds)
	xrpc.AddStrings(q, "dids", p.DIDs)
	xrpc.AddStrings(q, "collections", p.Collections)
	q.Int("maxMessageSizeBytes", p.MaxMessageSize)
	if p.dictionary != 0 {
		q.Int("zstdDictionary", int64(p.dictionary))
	}
	if p.Cursor != nil {
		q.Int("cursor", *p.Cursor)
	}
}

// dictionaryMagic is the beginning of a zstd dictionary (RFC 8878 §5). The dictionary's number
// follows.
const dictionaryMagic = 0xEC30A437

// dictionaryID returns the number of a dictionary.
func dictionaryID(dictionary []byte) (uint32, error) {
	if len(dictionary) < 8 || binary.LittleEndian.Uint32(dictionary) != dictionaryMagic {
		return 0, errors.New("Params.Dictionary is not a zstd dictionary: it does not begin like one (RFC 8878, section 5)")
	}
	return binary.LittleEndian.Uint32(dictionary[4:]), nil
}
