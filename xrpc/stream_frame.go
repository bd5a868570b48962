package xrpc

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gimucco/atproto-go/internal/said"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// Subprotocols of subscriptions: how a message is framed (proposal 0015).
const (
	subprotocolCBOR0 = "xrpc.v0.cbor" // two DAG-CBOR documents, header and payload; the default
	subprotocolCBOR1 = "xrpc.v1.cbor" // one DAG-CBOR document with the payload inside
	subprotocolJSON1 = "xrpc.v1.json" // the same in JSON
)

// A framing is how the messages of a connection are framed.
type framing int

const (
	framingHeader framing = iota // xrpc.v0.cbor
	framingCBOR                  // xrpc.v1.cbor
	framingJSON                  // xrpc.v1.json
	framingNone                  // Method.Unpack returns the message itself
)

// A format is the format of a payload.
type format int

const (
	formatCBOR format = iota
	formatJSON
)

// framingOf returns the framing of the agreed subprotocol, or that of the lexicon if none was
// agreed.
func framingOf(m Method, agreed string) (framing, error) {
	if m.Unpack != nil && m.Subprotocol == "" {
		return framingNone, nil
	}
	if agreed == "" {
		agreed = m.Subprotocol
	}
	switch strings.ToLower(agreed) {
	case "", subprotocolCBOR0:
		return framingHeader, nil
	case subprotocolCBOR1:
		return framingCBOR, nil
	case subprotocolJSON1:
		return framingJSON, nil
	}
	return 0, fmt.Errorf("the subprotocol %s is not known here: regenerate the client with a newer version of this library", said.Quote(agreed))
}

// A frame is the content of one WebSocket message: a payload, unless fault or unknown is set.
type frame struct {
	kind    string // the payload's $type; "" if only the payload contains it
	payload []byte
	format  format
	fault   *Error
	unknown *MessageError // the frame is left out
}

// parseFrame parses a WebSocket message. Its result refers to data. An error means that it is not a
// frame.
func parseFrame(m Method, how framing, o *options, text bool, data []byte) (frame, error) {
	if m.Unpack != nil {
		var err error
		if data, err = m.Unpack(data, text); err != nil {
			return frame{}, err
		}
		if int64(len(data)) > o.maxOutput {
			return frame{}, fmt.Errorf("%w: more than %d bytes", ErrOutputTooLarge, o.maxOutput)
		}
		if text = true; how == framingNone {
			return frame{payload: data, format: formatJSON}, nil
		}
	}
	if text != (how == framingJSON) {
		return frame{}, fmt.Errorf("it is a %s message, which %s does not use", kindOfMessage(text), [...]string{subprotocolCBOR0, subprotocolCBOR1, subprotocolJSON1}[how])
	}
	switch how {
	case framingHeader:
		return parseHeaderFrame(m, data)
	case framingCBOR:
		var e envelope
		if err := lex.UnmarshalCBOR(data, &e); err != nil {
			return frame{}, err
		}
		return e.frame(m.NSID)
	default:
		var e envelope
		if err := lex.UnmarshalJSON(data, &e, lex.MaxNesting(o.maxNesting)); err != nil {
			return frame{}, err
		}
		return e.frame(m.NSID)
	}
}

func kindOfMessage(text bool) string {
	if text {
		return "text"
	}
	return "binary"
}

// parseHeaderFrame parses a frame of two documents.
func parseHeaderFrame(m Method, data []byte) (frame, error) {
	var h frameHeader
	payload, err := lex.CutCBOR(data, &h)
	if err != nil {
		return frame{}, fmt.Errorf("header: %w", err)
	}
	switch h.op {
	case opMessage:
		if h.kind == "" {
			return frame{}, errors.New("header: a message without t")
		}
		if strings.HasPrefix(h.kind, "#") {
			h.kind = string(m.NSID) + h.kind
		}
		return frame{kind: h.kind, payload: payload, format: formatCBOR}, nil
	case opError:
		var e errorPayload
		if err := lex.UnmarshalCBOR(payload, &e); err != nil {
			return frame{}, fmt.Errorf("error: %w", err)
		}
		return e.frame(m.NSID)
	}
	return frame{unknown: &MessageError{Type: fmt.Sprintf("op %d", h.op)}}, nil
}

// Values of op in a header.
const (
	opMessage = 1
	opError   = -1
)

// A frameHeader is the first document of a frame.
type frameHeader struct {
	op   int64
	kind string
}

// DecodeLex implements lex.Decodable.
func (h *frameHeader) DecodeLex(d *lex.Decoder) error {
	var seen uint64
	for key := range d.Object {
		switch string(key) {
		case "op":
			d.Once(&seen, 1)
			h.op = d.Int()
		case "t":
			h.kind = d.String()
		default:
			d.Value(new(lex.Any))
		}
	}
	if seen != 1 {
		d.Missing(seen, "op")
	}
	return d.Err()
}

// An errorPayload is the payload of an error frame.
type errorPayload struct{ name, message string }

// DecodeLex implements lex.Decodable.
func (e *errorPayload) DecodeLex(d *lex.Decoder) error {
	for key := range d.Object {
		switch string(key) {
		case "error":
			e.name = d.String()
		case "message":
			if s := d.OptionalString(); s != nil {
				e.message = *s
			}
		default:
			d.Value(new(lex.Any))
		}
	}
	return d.Err()
}

// frame returns the error as a frame.
func (e *errorPayload) frame(nsid syntax.NSID) (frame, error) {
	if e.name == "" {
		return frame{}, errors.New("error: it has no name")
	}
	return frame{fault: e.asError(nsid)}, nil
}

func (e *errorPayload) asError(nsid syntax.NSID) *Error {
	return &Error{NSID: nsid, Name: ErrorName(e.name), Message: said.Cut(e.message, maxErrorBody), ResponseInfo: ResponseInfo{Status: http.StatusSwitchingProtocols}}
}

// An envelope is a frame of one document.
type envelope struct {
	kind    string
	payload lex.Unknown
	errorPayload
}

// DecodeLex implements lex.Decodable.
func (e *envelope) DecodeLex(d *lex.Decoder) error {
	var seen uint64
	for key := range d.Object {
		switch string(key) {
		case "$type":
			d.Once(&seen, 1)
			e.kind = d.String()
		case "payload":
			d.Once(&seen, 2)
			e.payload = d.Unknown()
		case "error":
			d.Once(&seen, 4)
			e.name = d.String()
		case "message":
			d.Once(&seen, 8)
			if s := d.OptionalString(); s != nil {
				e.message = *s
			}
		default:
			d.Value(new(lex.Any))
		}
	}
	if seen&1 == 0 {
		d.Missing(seen, "$type")
	}
	return d.Err()
}

func (e *envelope) frame(nsid syntax.NSID) (frame, error) {
	switch e.kind {
	case "message":
		json, err := e.payload.JSON()
		if err != nil || json == nil {
			return frame{}, errors.New("a message without a payload")
		}
		kind := e.payload.Type()
		if kind == "" {
			return frame{}, errors.New("a payload without a $type")
		}
		return frame{kind: kind, payload: json, format: formatJSON}, nil
	case "error":
		return e.errorPayload.frame(nsid)
	}
	return frame{unknown: &MessageError{Type: e.kind}}, nil
}

// options returns the options for decoding the payload.
func (f *frame) options(o *options) []lex.DecodeOption {
	opts := []lex.DecodeOption{lex.NullLists()}
	if f.format == formatJSON {
		opts = append(opts, lex.MaxNesting(o.maxNesting))
	}
	if f.kind != "" {
		opts = append(opts, lex.TypeIs(f.kind))
	}
	return opts
}

// malformed returns an error if a payload is not a document. A payload that only breaks its lexicon
// is no such error.
func (f *frame) malformed(o *options) error {
	var any lex.Unknown
	if f.format == formatCBOR {
		return lex.UnmarshalCBOR(f.payload, &any)
	}
	return lex.UnmarshalJSON(f.payload, &any, lex.MaxNesting(o.maxNesting))
}

// refused says why a payload that is a document is left out.
func (f *frame) refused(err error) *MessageError {
	if left, ok := errors.AsType[*MessageError](err); ok {
		return &MessageError{Type: cmp.Or(left.Type, f.kind), Err: left.Err}
	}
	if errors.Is(err, lex.ErrUnion) {
		if at, ok := errors.AsType[*lex.Error](err); !ok || at.Path() == "" {
			return &MessageError{Type: f.kind}
		}
	}
	return &MessageError{Type: f.kind, Err: err}
}

// notice returns the content of an #info message, or nil for any other message.
func (f *frame) notice(nsid syntax.NSID) *Error {
	if f.kind != string(nsid)+"#info" {
		return nil
	}
	var info infoPayload
	var err error
	if f.format == formatCBOR {
		err = lex.UnmarshalCBOR(f.payload, &info)
	} else {
		err = lex.UnmarshalJSON(f.payload, &info)
	}
	if err != nil || info.name == "" {
		return nil
	}
	return info.asError(nsid)
}

// An infoPayload is the payload of an #info message. Its name is in the same place as that of an
// error.
type infoPayload struct{ errorPayload }

// DecodeLex implements lex.Decodable.
func (i *infoPayload) DecodeLex(d *lex.Decoder) error {
	for key := range d.Object {
		switch string(key) {
		case "name":
			i.name = d.String()
		case "message":
			if s := d.OptionalString(); s != nil {
				i.message = *s
			}
		default:
			d.Value(new(lex.Any))
		}
	}
	return d.Err()
}
