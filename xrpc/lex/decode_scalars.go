package lex

import (
	"bytes"
	"math"
	"strconv"
)

// Null reads a null and reports whether there was one. It reads nothing else.
func (d *Decoder) Null() bool {
	if d.err != nil {
		return false
	}
	if d.cbor {
		if d.pos < len(d.data) && d.data[d.pos] == cborNull {
			d.pos++
			return true
		}
		return false
	}
	return d.peek() == 'n' && d.literal("null")
}

func (d *Decoder) literal(word string) bool {
	if !bytes.HasPrefix(d.data[d.pos:], []byte(word)) {
		d.fail(ErrSyntax, "want %s", word)
		return false
	}
	d.pos += len(word)
	return true
}

// Bool reads a boolean.
func (d *Decoder) Bool() bool {
	if d.err != nil {
		return false
	}
	if d.cbor {
		return d.cborBool()
	}
	switch d.peek() {
	case 't':
		return d.literal("true")
	case 'f':
		d.literal("false")
	default:
		d.unexpected("a boolean")
	}
	return false
}

// Int reads an integer. 123.0 and 1e3 are integers too, as in JSON. It refuses fractions, and
// numbers beyond 64 bits.
func (d *Decoder) Int() int64 {
	if d.err != nil {
		return 0
	}
	if d.cbor {
		return d.cborInt()
	}
	c := d.peek()
	if c != '-' && (c < '0' || c > '9') {
		d.unexpected("an integer")
		return 0
	}
	text := d.number()
	if d.err != nil {
		return 0
	}
	n, err := parseInteger(text)
	if err != "" {
		d.pos -= len(text)
		d.fail(ErrRange, "%.40s %s", text, err)
		return 0
	}
	return n
}

// number scans a number by JSON's grammar.
func (d *Decoder) number() []byte {
	start, data, i := d.pos, d.data, d.pos
	digits := func() bool {
		from := i
		for i < len(data) && '0' <= data[i] && data[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(data) && data[i] == '-' {
		i++
	}
	ok := true
	if i < len(data) && data[i] == '0' {
		i++
	} else {
		ok = digits()
	}
	if ok && i < len(data) && data[i] == '.' {
		i++
		ok = digits()
	}
	if ok && i < len(data) && (data[i] == 'e' || data[i] == 'E') {
		if i++; i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		ok = digits()
	}
	d.pos = i
	if !ok {
		d.fail(ErrSyntax, "malformed number")
		return nil
	}
	return data[start:i]
}

// parseDigits parses a number that has only a few digits, the most common case.
func parseDigits(text []byte) (n int64, ok bool) {
	digits := text
	if text[0] == '-' {
		digits = text[1:]
	}
	if len(digits) > 18 {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if text[0] == '-' {
		n = -n
	}
	return n, true
}

// parseInteger parses a JSON number exactly, in decimal. If it is not a 64-bit integer, wrong says
// why.
func parseInteger(text []byte) (n int64, wrong string) {
	if n, ok := parseDigits(text); ok {
		return n, ""
	}
	s := string(text)
	mantissa, exponent := s, int64(0)
	if i := bytes.IndexAny(text, "eE"); i >= 0 {
		mantissa = s[:i]
		// An exponent that does not fit becomes the largest or smallest that does. It is far
		// outside of any integer, and adding lengths to it cannot overflow.
		exponent, _ = strconv.ParseInt(s[i+1:], 10, 64)
		exponent = min(max(exponent, math.MinInt64/2), math.MaxInt64/2)
	}
	sign := ""
	if mantissa[0] == '-' {
		sign, mantissa = "-", mantissa[1:]
	}
	digits := mantissa
	if i := bytes.IndexByte([]byte(mantissa), '.'); i >= 0 {
		digits = mantissa[:i] + mantissa[i+1:]
		exponent -= int64(len(mantissa) - i - 1)
	}
	for len(digits) > 0 && digits[len(digits)-1] == '0' {
		digits = digits[:len(digits)-1]
		exponent++
	}
	for len(digits) > 0 && digits[0] == '0' {
		digits = digits[1:]
	}
	switch {
	case digits == "":
		return 0, ""
	case exponent < 0:
		return 0, "is not an integer"
	case exponent > 19-int64(len(digits)):
		return 0, "does not fit into 64 bits"
	}
	b := append([]byte(sign), digits...)
	for range exponent {
		b = append(b, '0')
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return 0, "does not fit into 64 bits"
	}
	return n, ""
}
