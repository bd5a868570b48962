package xrpc

import (
	"bytes"
	"net/url"
	"strconv"
	"strings"
)

// Params are the parameters of a method. Generated types implement it.
type Params interface {
	// EncodeQuery adds the parameters to q.
	EncodeQuery(q *Query)
}

// A Query collects the parameters of one call, in the order in which they are added. An array
// repeats its name for each element. The zero value is empty and ready to use. It is not safe for
// concurrent use.
type Query struct{ encoded []byte }

// String adds a string.
func (q *Query) String(name, value string) {
	if len(q.encoded) > 0 {
		q.encoded = append(q.encoded, '&')
	}
	q.encoded = append(q.encoded, url.QueryEscape(name)...)
	q.encoded = append(q.encoded, '=')
	q.encoded = append(q.encoded, url.QueryEscape(value)...)
}

// Int adds an integer.
func (q *Query) Int(name string, value int64) { q.String(name, strconv.FormatInt(value, 10)) }

// Bool adds a boolean.
func (q *Query) Bool(name string, value bool) { q.String(name, strconv.FormatBool(value)) }

// Ints adds an array of integers.
func (q *Query) Ints(name string, values []int64) {
	for _, v := range values {
		q.Int(name, v)
	}
}

// Bools adds an array of booleans.
func (q *Query) Bools(name string, values []bool) {
	for _, v := range values {
		q.Bool(name, v)
	}
}

// AddStrings adds an array of strings to q.
func AddStrings[S ~string](q *Query, name string, values []S) {
	for _, v := range values {
		q.String(name, string(v))
	}
}

// Encode returns the query without "?".
func (q *Query) Encode() string { return string(q.encoded) }

// has reports whether a parameter was added.
func (q *Query) has(name string) bool {
	start := []byte(url.QueryEscape(name) + "=")
	return bytes.HasPrefix(q.encoded, start) || bytes.Contains(q.encoded, append([]byte{'&'}, start...))
}

// integer returns the value of a parameter, or nil if it is missing or not an integer.
func (q *Query) integer(name string) *int64 {
	values, err := url.ParseQuery(q.Encode())
	if name == "" || err != nil {
		return nil
	}
	n, err := strconv.ParseInt(values.Get(name), 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

// withInteger replaces all values of a parameter in an encoded query by one.
func withInteger(encoded, name string, value int64) string {
	start := url.QueryEscape(name) + "="
	var q Query
	for pair := range strings.SplitSeq(encoded, "&") {
		if pair != "" && !strings.HasPrefix(pair, start) {
			if len(q.encoded) > 0 {
				q.encoded = append(q.encoded, '&')
			}
			q.encoded = append(q.encoded, pair...)
		}
	}
	q.Int(name, value)
	return q.Encode()
}
