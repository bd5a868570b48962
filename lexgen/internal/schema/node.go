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

func parseNode(data []byte, pos Pos) (node, error) {
	if !utf8.Valid(data) {
		return node{}, errors.New("not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	n, err := readNode(dec, pos, 0)
	if bad, ok := errors.AsType[*json.SyntaxError](err); ok && bad.Offset >= int64(len(data)) {
		err = io.ErrUnexpectedEOF // how a file that ends too early is told depends on the version of encoding/json
	}
	if err != nil {
		return node{}, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return node{}, errors.New("something follows the JSON value")
	}
	return n, nil
}

func readNode(dec *json.Decoder, pos Pos, depth int) (node, error) {
	if depth > maxDepth {
		return node{}, pos.Errorf("nested deeper than %d", maxDepth)
	}
	tok, err := dec.Token()
	if err != nil {
		return node{}, unexpectedEOF(err)
	}
	n := node{pos: pos}
	delim, ok := tok.(json.Delim)
	if !ok {
		n.value = tok
		return n, nil
	}
	if delim == '[' {
		items := []node{}
		for i := 0; dec.More(); i++ {
			at := pos
			at.Path = fmt.Sprintf("%s[%d]", pos.Path, i)
			item, err := readNode(dec, at, depth+1)
			if err != nil {
				return node{}, err
			}
			items = append(items, item)
		}
		n.value = items
	} else {
		n.object = true
		seen := map[string]bool{}
		for dec.More() {
			tok, err := dec.Token()
			if err != nil {
				return node{}, unexpectedEOF(err)
			}
			key, _ := tok.(string)
			at := pos
			at.Path = join(pos.Path, key)
			if seen[key] {
				return node{}, at.Errorf("appears twice")
			}
			seen[key] = true
			value, err := readNode(dec, at, depth+1)
			if err != nil {
				return node{}, err
			}
			n.members = append(n.members, member{key, value})
		}
	}
	_, err = dec.Token() // the closing bracket
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
	if strings.ContainsFunc(key, func(r rune) bool {
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
