package service

import (
	"strings"

	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
)

// Subprotocols of streams (proposal 0015). The first is the default.
const (
	subprotocolCBOR0 = "xrpc.v0.cbor"
	subprotocolCBOR1 = "xrpc.v1.cbor"
	subprotocolJSON1 = "xrpc.v1.json"
)

// A framing is the format of messages.
type framing struct {
	method      xrpc.Method
	subprotocol string
}

// isText reports whether the WebSocket messages are text.
func (f framing) isText() bool { return f.subprotocol == subprotocolJSON1 }

// message returns the frame of a message: the union, and its member.
func (f framing) message(union lex.Encodable, member lex.Typed) ([]byte, error) {
	if f.subprotocol == subprotocolCBOR0 {
		kind := member.LexType()
		if short, ours := strings.CutPrefix(kind, string(f.method.NSID)+"#"); ours {
			kind = "#" + short
		}
		return f.documents(header{op: 1, kind: kind}, member)
	}
	return f.document(envelope{kind: "message", payload: union})
}

// fault returns the frame of an error, the last frame of a stream.
func (f framing) fault(body answerBody) ([]byte, error) {
	if f.subprotocol == subprotocolCBOR0 {
		return f.documents(header{op: -1}, body)
	}
	return f.document(envelope{kind: "error", fault: body})
}

func (f framing) documents(h header, body lex.Encodable) ([]byte, error) {
	first, err := lex.MarshalCBOR(h)
	if err != nil {
		return nil, err
	}
	second, err := lex.MarshalCBOR(body)
	return append(first, second...), err
}

func (f framing) document(e envelope) ([]byte, error) {
	if f.isText() {
		return lex.MarshalJSON(e)
	}
	return lex.MarshalCBOR(e)
}

// A header is the first document of a frame with two documents.
type header struct {
	op   int64
	kind string
}

// EncodeLex implements lex.Encodable.
func (h header) EncodeLex(e *lex.Encoder) error {
	e.BeginObject()
	if h.kind != "" {
		e.Field("t").String(h.kind)
	}
	e.Field("op").Int(h.op)
	return e.EndObject(nil)
}

// EncodeLex implements lex.Encodable.
func (b answerBody) EncodeLex(e *lex.Encoder) error {
	e.BeginObject()
	b.fields(e)
	return e.EndObject(nil)
}

func (b answerBody) fields(e *lex.Encoder) {
	e.Field("error").String(b.Error)
	if b.Message != "" {
		e.Field("message").String(b.Message)
	}
}

// An envelope is a frame of one document.
type envelope struct {
	kind    string
	payload lex.Encodable // for a message
	fault   answerBody    // for an error
}

// EncodeLex implements lex.Encodable.
func (v envelope) EncodeLex(e *lex.Encoder) error {
	e.BeginObject()
	e.Field("$type").String(v.kind)
	if v.payload != nil {
		e.Field("payload").Value(v.payload)
	} else {
		v.fault.fields(e)
	}
	return e.EndObject(nil)
}
