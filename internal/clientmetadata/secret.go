package clientmetadata

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// privateMembers are the members of a JWK that hold a private or shared key
// (RFC 7518 §6.2.2, §6.3.2, §6.4; RFC 8037 §2).
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// pemLabel ends the first line of every private key in PEM (RFC 7468 §10, §11).
const pemLabel = "PRIVATE KEY-----"

// PrivateKeys returns a problem, marked Secret, for every private key that data
// publishes, whatever data is: a JWK at any place of JSON, also of JSON that is not
// complete, and JSON or PEM in a string or instead of JSON. The Field of a problem is
// where the key is, "" for all of data.
func PrivateKeys(data []byte) []Problem { return privateKeys(data, false) }

// privateKeys is PrivateKeys. If keys is set, data is meant to hold keys and nothing
// else: then an object with a private member is one even if it does not say its kty.
func privateKeys(data []byte, keys bool) []Problem {
	s := search{keys: keys}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber() // no number is too large to be passed over
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

// A search goes through JSON token by token, so that it sees each of several members of
// one name too.
type search struct {
	keys  bool
	open  []level
	found problems
}

// A level is an object or a list that has not ended yet.
type level struct {
	list    bool
	index   int    // of the next value in a list
	name    string // of the member of an object whose value is next
	named   bool   // name has been read, its value has not
	kty     bool   // the object has one
	private string // a private member that it has
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

// end judges what data leaves open.
func (s *search) end() {
	for len(s.open) > 0 {
		s.judge()
		s.open = s.open[:len(s.open)-1]
	}
}

// meantForKeys reports whether keys and nothing else belong where so many levels enclose
// the place that the search is at.
func (s *search) meantForKeys(levels int) bool {
	return s.keys || levels > 0 && s.open[0].name == "jwks"
}

// path is where the search is: "jwks.keys[0].d".
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
