package lex

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gimucco/atproto-go/internal/said"
)

// Extra holds the fields of an object that are not in the lexicon of the generated type. It keeps
// their order and writes them again, so that an older program does not destroy data of a newer one.
// It also remembers which fields were null although the lexicon does not allow that. The zero value
// is empty.
//
// Values are JSON. An Extra is not safe for concurrent use while it is changed.
type Extra struct{ fields *extraFields }

type extraFields struct {
	names  []string
	values [][]byte
	places map[string]int // only if there are many fields
	nulls  []string       // fields of the lexicon that were null, although that is not allowed
}

// manyFields is the number of fields from which on a map finds them: a document of only unknown
// fields must not take quadratic time.
const manyFields = 8

func (f *extraFields) find(name string) int {
	if f == nil {
		return -1
	}
	if f.places != nil {
		if i, ok := f.places[name]; ok {
			return i
		}
		return -1
	}
	return slices.Index(f.names, name)
}

func (f *extraFields) add(name string, value []byte) {
	f.names = append(f.names, name)
	f.values = append(f.values, value)
	switch {
	case f.places != nil:
		f.places[name] = len(f.names) - 1
	case len(f.names) > manyFields:
		f.places = make(map[string]int, 2*manyFields)
		for i, n := range f.names {
			f.places[n] = i
		}
	}
}

// Len returns the number of fields.
func (x Extra) Len() int { return len(x.Names()) }

// Names returns the names of the fields in their original order. Do not change the slice.
func (x Extra) Names() []string {
	if x.fields == nil {
		return nil
	}
	return x.fields.names
}

// Get returns a field's value as JSON, and whether there is one. Do not change the value.
func (x Extra) Get(name string) (json []byte, ok bool) {
	i := x.fields.find(name)
	if i < 0 {
		return nil, false
	}
	return x.fields.values[i], true
}

// Set sets a field to JSON, to send a field that is newer than the lexicon. It fails if the JSON is
// not a value of the data model. Fields that the lexicon has belong in the struct; setting them
// here sends them twice.
func (x *Extra) Set(name string, json []byte) error {
	var v checked
	if err := UnmarshalJSON(json, &v); err != nil {
		return err
	}
	x.own()
	if i := x.fields.find(name); i >= 0 {
		x.fields.values[i] = v.json
		return nil
	}
	x.fields.add(name, v.json)
	return nil
}

// Delete removes a field.
func (x *Extra) Delete(name string) {
	if x.fields.find(name) < 0 {
		return
	}
	kept := new(extraFields)
	for i, n := range x.fields.names {
		if n != name {
			kept.add(n, x.fields.values[i])
		}
	}
	kept.nulls = x.fields.nulls
	if x.fields = kept; len(kept.names) == 0 && len(kept.nulls) == 0 {
		x.fields = nil
	}
}

// own makes sure that x shares its fields with no copy.
func (x *Extra) own() {
	kept := new(extraFields)
	if x.fields != nil {
		for i, n := range x.fields.names {
			kept.add(n, x.fields.values[i])
		}
		kept.nulls = slices.Clone(x.fields.nulls)
	}
	x.fields = kept
}

// Format implements fmt.Formatter. It prints the names of the fields, whatever the verb is. It
// prints no values: nobody knows whether they are secret.
func (x Extra) Format(f fmt.State, _ rune) {
	names := make([]string, 0, x.Len())
	for _, name := range x.Names() {
		names = append(names, said.Word(name))
	}
	io.WriteString(f, "{"+said.Cut(strings.Join(names, " "), maxPrinted)+"}")
}

// Equal reports whether both hold the same fields with the same text, in any order.
func (x Extra) Equal(y Extra) bool {
	if x.Len() != y.Len() || !slices.Equal(x.nulls(), y.nulls()) {
		return false
	}
	for _, name := range x.Names() {
		a, _ := x.Get(name)
		b, ok := y.Get(name)
		if !ok || !bytes.Equal(a, b) {
			return false
		}
	}
	return true
}

// nulls returns the fields of the lexicon that were null, although that is not allowed. They mean
// the same as missing fields, and are written again as they came.
func (x Extra) nulls() []string {
	if x.fields == nil {
		return nil
	}
	return x.fields.nulls
}

// Extra reads the value of a key that is not in the lexicon, and keeps it.
//
// A $type comes here only if no union has read it. It is kept too, so that a record that is read
// and written again keeps its CID.
func (d *Decoder) Extra(x *Extra, key []byte) {
	if d.err != nil {
		return
	}
	name := d.keep(key)
	if x.fields == nil {
		x.fields = new(extraFields)
	}
	if x.fields.find(name) >= 0 {
		d.fail(ErrDuplicate, "key comes twice")
		return
	}
	if value := d.raw(); d.err == nil {
		x.fields.add(name, value)
	}
}
