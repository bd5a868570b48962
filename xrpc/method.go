package xrpc

import (
	"fmt"
	"net/http"

	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Kind is the kind of a method.
type Kind int

// The kinds of method.
const (
	KindQuery        Kind = iota // reads, by GET
	KindProcedure                // may change something, by POST
	KindSubscription             // a stream of messages, by WebSocket
)

// A Method is what a lexicon says of a method, as far as a call needs it.
// Generated code holds one per method.
type Method struct {
	NSID   syntax.NSID
	Kind   Kind
	Input  string // encoding of the input, "" if there is none
	Output string // encoding of the output, "" if there is none

	// Direct marks the PDS's own methods: a proxy and labelers given as defaults do
	// not apply to them.
	Direct bool

	// Cursor is the integer parameter that a subscription is resumed by, "" if it has none.
	Cursor string
	// Subprotocol is how the lexicon of a subscription says that its messages are framed: "xrpc.v1.json" is JSON
	// (proposal 0015). "" is "xrpc.v0.cbor".
	Subprotocol string
	// Unpack, if set, makes the text of a frame out of a WebSocket message, for streams that are compressed in a way of
	// their own. Without a Subprotocol, this text is the message itself, in JSON. It keeps nothing of data; an error
	// ends the connection. It is for streams that no lexicon describes.
	Unpack func(data []byte, text bool) (frame []byte, err error)
	// Hello is a text that is sent as soon as a connection stands; "" is none.
	Hello string
	// Overlaps says that a connection may begin before its cursor, as where this is a time: what comes again is
	// left out, however much it is.
	Overlaps bool

	stream bool // the output is a Download
}

// HTTPMethod is that of a call: POST for a procedure, else GET.
func (m Method) HTTPMethod() string {
	if m.Kind == KindProcedure {
		return http.MethodPost
	}
	return http.MethodGet
}

// An Input is the input of a procedure: JSON, Raw, or the zero value for none.
type Input struct {
	value lex.Encodable
	body  *Body
	err   error
}

// JSON is a typed input. A nil v makes the call fail before anything is sent.
func JSON[T any, P interface {
	*T
	lex.Encodable
}](v P) Input {
	if v == nil {
		return Input{err: fmt.Errorf("the input is a nil %T", v)}
	}
	return Input{value: v}
}

// Raw is an input of bytes. A nil body makes the call fail before anything is sent.
func Raw(body *Body) Input {
	if body == nil {
		return Input{err: fmt.Errorf("the input is a nil body")}
	}
	return Input{body: body}
}

// open returns the body to send and its content type, nil if there is none.
func (in Input) open(m Method) (body *Body, contentType string, err error) {
	switch {
	case in.err != nil:
		return nil, "", in.err
	case in.body != nil:
		contentType, err := contentTypeFor(m.Input, in.body.contentType)
		return in.body, contentType, err
	case in.value != nil:
		encoded, err := lex.MarshalJSON(in.value)
		return BytesBody(encoded, m.Input), m.Input, err
	}
	return nil, "", nil
}
