package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A node is a JSON value that has kept the order of its members.
type node struct {
	pos     Pos
	value   any // nil, bool, json.Number, string; []node for arrays
	members []member
	object  bool
}

type member struct {
	key   string
	value node
}

// maxDepth is far beyond any schema; it keeps a hostile file from exhausting the stack.
const maxDepth = 200

// A reader makes nodes of a file, and knows in which line it is.
type reader struct {
	dec  *json.Decoder
	data []byte
	line int
	at   int // the offset that line belongs to

	warnings []error
}

func parseNode(data []byte, pos Pos) (root node, warnings []error, err error) {
	pos.Line = 1
	if !utf8.Valid(data) {
		return node{}, nil, pos.Errorf("not UTF-8")
	}
	data = bytes.TrimPrefix(data, []byte("\uFEFF")) // what some editors put in front
	r := &reader{dec: json.NewDecoder(bytes.NewReader(data)), data: data, line: 1}
	r.dec.UseNumber()
	n, err := r.read(pos, 0)
	if err != nil {
		return node{}, nil, r.locate(err, pos)
	}
	if _, err := r.dec.Token(); err != io.EOF {
		return node{}, nil, r.here(pos).Errorf("something follows the JSON value")
	}
	return n, r.warnings, nil
}

// here is a place, with the line up to which has been read.
func (r *reader) here(pos Pos) Pos {
	to := min(int(r.dec.InputOffset()), len(r.data))
	r.line += bytes.Count(r.data[r.at:max(r.at, to)], []byte("\n"))
	r.at = max(r.at, to)
	pos.Line = r.line
	return pos
}

// locate says in which line an error of encoding/json is.
func (r *reader) locate(err error, pos Pos) error {
	if _, ok := errors.AsType[*placed](err); ok {
		return err
	}
	if bad, ok := errors.AsType[*json.SyntaxError](err); ok {
		if bad.Offset >= int64(len(r.data)) {
			err = io.ErrUnexpectedEOF // how a file that ends too early is told depends on the version of encoding/json
		}
		pos.Line = 1 + bytes.Count(r.data[:min(int(bad.Offset), len(r.data))], []byte("\n"))
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		pos.Line = 1 + bytes.Count(bytes.TrimRight(r.data, "\n"), []byte("\n"))
	}
	pos.Path = ""
	return pos.Errorf("not JSON: %w", err)
}

func (r *reader) read(pos Pos, depth int) (node, error) {
	if depth > maxDepth {
		pos.Path = "" // it is as long as the file
		return node{}, r.here(pos).Errorf("nested deeper than %d", maxDepth)
	}
	tok, err := r.dec.Token()
	if err != nil {
		return node{}, unexpectedEOF(err)
	}
	pos = r.here(pos)
	n := node{pos: pos}
	delim, ok := tok.(json.Delim)
	if !ok {
		n.value = tok
		return n, nil
	}
	if delim == '[' {
		items := []node{}
		for i := 0; r.dec.More(); i++ {
			at := pos
			at.Path = fmt.Sprintf("%s[%d]", pos.Path, i)
			item, err := r.read(at, depth+1)
			if err != nil {
				return node{}, err
			}
			items = append(items, item)
		}
		n.value = items
	} else {
		n.object = true
		seen := map[string]int{} // where its member is
		for r.dec.More() {
			tok, err := r.dec.Token()
			if err != nil {
				return node{}, unexpectedEOF(err)
			}
			key, _ := tok.(string)
			at := r.here(pos)
			at.Path = join(pos.Path, key)
			value, err := r.read(at, depth+1)
			if err != nil {
				return node{}, err
			}
			if i, again := seen[key]; again {
				// JavaScript and most others read it so. The member stays where it was first.
				r.warnings = append(r.warnings, at.Errorf("appears twice; the last one counts"))
				n.members[i].value = value
				continue
			}
			seen[key] = len(n.members)
			n.members = append(n.members, member{key, value})
		}
	}
	_, err = r.dec.Token() // the closing bracket
	return n, unexpectedEOF(err)
}

func unexpectedEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// join adds a key to a path. One that does not look like a name is quoted: paths are
// shown in errors, and keys are somebody else's text.
func join(path, key string) string {
	if key == "" || strings.ContainsFunc(key, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_$:", r)
	}) {
		key = strconv.QuoteToASCII(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// get returns the member of that name, nil if it is absent.
func (n *node) get(key string) *node {
	for i := range n.members {
		if n.members[i].key == key {
			return &n.members[i].value
		}
	}
	return nil
}
