package clientmetadata

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// privateMembers are the members of a JWK that contain a private or shared key (RFC 7518 §6.2.2,
// §6.3.2, §6.4; RFC 8037 §2).
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// pemLabel is the end of the first line of every private key in PEM (RFC 7468 §10, §11).
const pemLabel = "PRIVATE KEY-----"

// PrivateKeys returns a problem, marked Secret, for every private key in data, whatever data is. It
// finds a JWK at any place of JSON, also if the JSON is incomplete, and JSON or PEM inside a string
// or instead of JSON. The Field of a problem says where the key is; "" means all of data.
func PrivateKeys(data []byte) []Problem { return privateKeys(data, false) }

// privateKeys does the work of PrivateKeys. If keys is set, data should contain only keys: then an
// object with a private member counts as a key even without a kty.
func privateKeys(data []byte, keys bool) []Problem {
	s := search{keys: keys}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber() // no number must be too large to be skipped
	for {
		token, err := d.Token()
		if err != nil {
			s.end()
			if err != io.EOF && len(s.found) == 0 && bytes.Contains(data, []byte(pemLabel)) {
				s.report("")
			}
			return s.found
		}
		s.see(token)
	}
}

// A search reads JSON token by token. So if several members have the same name, it sees each of
// them.
type search struct {
	keys  bool
	open  []level
	found problems
}

// A level is an open object or list.
type level struct {
	list    bool
	index   int    // index of the next value in a list
	name    string // name of the member whose value is next, in an object
	named   bool   // name has been read, but not its value
	kty     bool   // the object has one
	private string // a private member of the object
}

func (s *search) see(token json.Token) {
	if n := len(s.open); n > 0 && !s.open[n-1].list && !s.open[n-1].named {
		if name, ok := token.(string); ok {
			s.open[n-1].begin(name)
			return
		}
	}
	switch t := token.(type) {
	case json.Delim:
		switch t {
		case '{', '[':
			s.open = append(s.open, level{list: t == '['})
			return
		}
		s.judge()
		s.open = s.open[:len(s.open)-1]
	case string:
		inner := strings.TrimSpace(t)
		nested := strings.HasPrefix(inner, "{") || strings.HasPrefix(inner, "[")
		if strings.Contains(t, pemLabel) || nested && len(privateKeys([]byte(t), s.meantForKeys(len(s.open)))) > 0 {
			s.report(s.path())
		}
	}
	if n := len(s.open); n > 0 { // a value has ended
		s.open[n-1].named = false
		s.open[n-1].index++
	}
}

// begin notes the name of a member.
func (l *level) begin(name string) {
	l.name, l.named = name, true
	l.kty = l.kty || name == "kty"
	rank := slices.Index(privateMembers, name)
	if rank >= 0 && (l.private == "" || rank < slices.Index(privateMembers, l.private)) {
		l.private = name
	}
}

// judge reports the object that ends if it is a private key.
func (s *search) judge() {
	l := &s.open[len(s.open)-1]
	if l.private != "" && (l.kty || s.meantForKeys(len(s.open)-1)) {
		l.name = l.private
		s.report(s.path())
	}
}

// end judges the objects that are still open at the end of data.
func (s *search) end() {
	for len(s.open) > 0 {
		s.judge()
		s.open = s.open[:len(s.open)-1]
	}
}

// meantForKeys reports whether only keys belong at a place inside so many levels.
func (s *search) meantForKeys(levels int) bool {
	return s.keys || levels > 0 && s.open[0].name == "jwks"
}

// path returns the current place: "jwks.keys[0].d".
func (s *search) path() string {
	var b strings.Builder
	for _, l := range s.open {
		switch {
		case l.list:
			fmt.Fprintf(&b, "[%d]", l.index)
		case b.Len() > 0:
			b.WriteString("." + l.name)
		default:
			b.WriteString(l.name)
		}
	}
	return b.String()
}

func (s *search) report(field string) {
	s.found = append(s.found, Problem{Field: field, Secret: true, Rule: "publishes the PRIVATE key: whoever has read it " +
		"can act as this client. Make a new key at once, and publish only the public half of that"})
}
