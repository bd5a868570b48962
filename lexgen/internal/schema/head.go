package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// A Head is what a file says of itself, before anything of it is parsed.
type Head struct {
	Lexicon bool   // it says that it is a lexicon
	ID      string // "" if it does not say
}

// HeadOf reads the head of a file. Of one that is not JSON it returns what stands before the error.
func HeadOf(data []byte) (Head, error) {
	var h Head
	dec := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(data, []byte("\uFEFF"))))
	tok, err := dec.Token()
	if err != nil || tok != json.Delim('{') {
		return h, unexpectedEOF(err)
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return h, unexpectedEOF(err)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return h, unexpectedEOF(err)
		}
		switch key {
		case "lexicon":
			h.Lexicon = true
		case "id":
			_ = json.Unmarshal(value, &h.ID) // what is no string is no NSID: Parse says so
		}
	}
	if _, err := dec.Token(); err != nil {
		return h, unexpectedEOF(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return h, errors.New("something follows the JSON value")
	}
	return h, nil
}
