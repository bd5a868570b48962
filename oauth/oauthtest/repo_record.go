package oauthtest

import (
	"encoding/json"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/chatbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/xrpc/lex"
)

// knownRecords are the records whose lexicons the sandbox knows, as the reference does. It accepts
// other records without a check.
var knownRecords = []lex.RecordSet{appbsky.Records, chatbsky.Records, comatproto.Records}

// newRecord makes a record from a write, with the CID that every server computes for it (P99).
func newRecord(w *write) (*record, *xrpcError) {
	if w.value == nil {
		return nil, fail("InvalidRequest", "Input must have the property \"record\"")
	}
	if kind, ok := w.value["$type"]; !ok {
		w.value["$type"] = w.collection
	} else if kind != w.collection {
		return nil, fail("InvalidRequest", "Invalid $type: expected %s, got %v", w.collection, kind)
	}
	value, err := lex.FromAny(w.value)
	if err != nil {
		return nil, fail("InvalidRequest", "Invalid record: %v", err)
	}
	status, failed := validate(w, value)
	if failed != nil {
		return nil, failed
	}
	cbor, err := lex.MarshalCBOR(&value)
	if err != nil {
		return nil, fail("InvalidRequest", "Invalid record: %v", err)
	}
	cid, err := lex.CID(&value)
	if err != nil {
		return nil, fail("InvalidRequest", "Invalid record: %v", err)
	}
	text, err := value.JSON()
	if err != nil {
		return nil, fail("InvalidRequest", "Invalid record: %v", err)
	}
	return &record{cid: string(cid), value: json.RawMessage(text), cbor: cbor, status: status}, nil
}

// validate checks a record by its lexicon, unless the caller did not want that, and returns the
// validation status.
func validate(w *write, value lex.Unknown) (status string, failed *xrpcError) {
	if w.validate != nil && !*w.validate {
		return "", nil
	}
	known, err := value.Decode(knownRecords...)
	if err != nil {
		return "", fail("InvalidRequest", "Invalid %s record: %v", w.collection, err)
	}
	checked, ok := known.(lex.Validatable)
	if _, unknown := known.(*lex.UnknownVariant); unknown || !ok {
		if w.validate != nil {
			return "", fail("InvalidRequest", "Unknown lexicon type: %s", w.collection)
		}
		return "unknown", nil
	}
	if err := lex.Validate(checked, lex.Strict); err != nil {
		return "", fail("InvalidRequest", "Invalid %s record: %v", w.collection, err)
	}
	return "valid", nil
}
