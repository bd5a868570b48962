package xrpc

import (
	"fmt"
	"net/http"

	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Kind is the kind of a method.
type Kind int

// The kinds of methods.
const (
	KindQuery        Kind = iota // reads, by GET
	KindProcedure                // may change something, by POST
	KindSubscription             // a stream of messages, by WebSocket
)

// A Method is the part of a lexicon that a call needs. Generated code has one for each method.
type Method struct {
	NSID   syntax.NSID // the name of the method
	Kind   Kind        // query, procedure or subscription
	Input  string      // encoding of the input; "" if there is none
	Output string      // encoding of the output; "" if there is none

	// Direct marks the PDS's own methods: the default proxy and the default labelers do not apply
	// to them.
	Direct bool

	// Cursor is the integer parameter that resumes a subscription. It is "" if there is none.
	Cursor string
	// Subprotocol says how the messages of a subscription are framed, according to its lexicon.
	// "xrpc.v1.json" is JSON (proposal 0015). "" means "xrpc.v0.cbor".
	Subprotocol string
	// Unpack, if set, converts a WebSocket message to the text of a frame, for streams with their
	// own compression. Without a Subprotocol, this text is the message itself, in JSON. Unpack must
	// not keep data. An error ends the connection. It is for streams that no lexicon describes.
	Unpack func(data []byte, text bool) (frame []byte, err error)
	// Hello is a text that is sent as soon as a connection is open. "" means none.
	Hello string
	// Overlaps says that a connection may begin before its cursor, for example if the cursor is a
	// time. All repeated messages are left out.
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

// JSON returns a typed input. If v is nil, the call fails before anything is sent.
func JSON[T any, P interface {
	*T
	lex.Encodable
}](v P) Input {
	if v == nil {
		return Input{err: fmt.Errorf("the input is a nil %T", v)}
	}
	return Input{value: v}
}

// Raw returns an input of bytes. If body is nil, or was made of nil, the call fails before anything
// is sent.
func Raw(body *Body) Input {
	if body == nil {
		return Input{err: fmt.Errorf("the input is a nil body")}
	}
	return Input{body: body, err: body.wrong}
}

// open returns the body to send and its content type. The body is nil if there is none.
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
