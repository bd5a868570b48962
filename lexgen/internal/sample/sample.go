// Package sample makes documents that lexicons allow: at the least, with everything, at
// the limits, with what is newer than the lexicon. They show that generated code reads
// and writes what the lexicon says, whatever the generator believes it says.
package sample

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/gimucco/atproto-go/lexgen/internal/resolve"
	"github.com/gimucco/atproto-go/lexgen/internal/schema"
)

// A Sample is a document, and what is special about it.
type Sample struct {
	Name string
	JSON json.RawMessage
}

// A style is a way to make a document.
type style struct {
	name     string
	optional bool // with optional fields
	extra    bool // with fields that the lexicon does not have
	empty    bool // arrays are empty
	null     bool // what may be null is
	unknown  bool // members of open unions are unknown
	limit    limit
	pick     int // which member of a union, which value of an enum
}

type limit int

const (
	middle limit = iota
	low
	high
)

var styles = []style{
	{name: "required fields alone"},
	{name: "all fields", optional: true},
	{name: "empty arrays", optional: true, empty: true},
	{name: "nulls", optional: true, null: true},
	{name: "newer fields", extra: true},
	{name: "newer fields beside all", optional: true, extra: true},
	{name: "newer members of unions", optional: true, unknown: true},
	{name: "lower limits", optional: true, limit: low},
	{name: "upper limits", optional: true, limit: high},
}

// Of returns samples of an object, a record or a union, which has to be of set and to
// have been checked. A type of which every value is endless has none.
func Of(set *resolve.Set, t schema.Type) []Sample {
	var out []Sample
	seen := make(map[string]bool)
	add := func(s style) bool {
		m := maker{set: set, style: s}
		v := m.value(t, 0)
		if m.endless {
			return false
		}
		text, err := json.Marshal(v)
		if err != nil {
			panic(err) // made of maps, slices and strings alone
		}
		if !seen[string(text)] {
			seen[string(text)] = true
			out = append(out, Sample{Name: s.name, JSON: text})
		}
		return m.picked > s.pick+1
	}
	for _, s := range styles {
		add(s)
	}
	// As many as the largest union or enum has members.
	for pick := 1; pick < 100; pick++ {
		if !add(style{name: fmt.Sprintf("choice %d", pick+1), optional: true, pick: pick}) {
			break
		}
	}
	return out
}

// maker makes one document.
type maker struct {
	set *resolve.Set
	style
	picked  int // the most members that a union, or values that an enum, had
	endless bool
}

const (
	shallow = 4  // below it, what may be left out is
	deepest = 40 // below it, there is no end
	longest = 3_000
)

type object = map[string]any

// value makes a value of a type. In a union or as a record, an object gets its $type
// from whoever asked for it.
func (m *maker) value(t schema.Type, depth int) any {
	if depth > deepest {
		m.endless = true
		return nil
	}
	switch t := t.(type) {
	case *schema.Boolean:
		if t.Const != nil {
			return *t.Const
		}
		return m.limit != low
	case *schema.Integer:
		return m.integer(t)
	case *schema.String:
		return m.str(t)
	case *schema.Bytes:
		return object{"$bytes": base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("\xff\x00", 10_000)[:m.length(t.MinLength, t.MaxLength, 3, 20_000)]))}
	case *schema.CIDLink:
		return object{"$link": cid}
	case *schema.Blob:
		return m.blob(t)
	case *schema.Unknown, *schema.Missing:
		return object{"$type": "com.example.sample.any", "link": object{"$link": cid}, "bytes": object{"$bytes": "AAE"}, "list": []any{nil, true, "\u2028<&>", object{}}}
	case *schema.Array:
		most := int64(12)
		if depth > 2 {
			most = 2 // or documents would grow without end
		}
		n := m.length(t.MinLength, t.MaxLength, 2, most)
		if m.empty || depth > shallow {
			n = m.length(t.MinLength, t.MaxLength, 0, 0)
		}
		out := make([]any, n)
		for i := range out {
			out[i] = m.value(t.Items, depth+1)
		}
		return out
	case *schema.Object:
		return m.object(t, depth)
	case *schema.Record:
		out := m.object(t.Object, depth)
		out["$type"] = string(t.Pos.NSID)
		return out
	case *schema.Ref:
		id, def, err := m.set.Ref(t.Pos, t.Ref)
		if err != nil {
			panic(err) // the set has been checked
		}
		if _, ok := def.Type.(*schema.Token); ok {
			return id.String()
		}
		return m.value(def.Type, depth+1)
	case *schema.Union:
		return m.union(t, depth)
	}
	panic(fmt.Sprintf("%s: no value is of %T", t.At(), t))
}

func (m *maker) object(t *schema.Object, depth int) object {
	out := make(object)
	for _, p := range t.Properties {
		switch {
		case p.Nullable && (m.null || p.Required && depth > shallow):
			out[p.Name] = nil
		case p.Required || m.optional && depth <= shallow:
			out[p.Name] = m.value(p.Type, depth+1)
		}
	}
	if m.extra {
		out["zzNewer"] = object{"z": []any{1, object{"deep": nil}}, "a": "é"}
		out["aNewer"] = nil
	}
	return out
}

func (m *maker) union(t *schema.Union, depth int) any {
	if !t.Closed {
		m.picked = max(m.picked, len(t.Refs))
		if m.unknown || len(t.Refs) == 0 || depth > 2*shallow {
			return object{"$type": "com.example.sample.newer", "z": object{"a": []any{}}, "text": "x"}
		}
	}
	// Deep inside of a closed union, each member gets its turn: one of them ends.
	pick := m.pick
	if depth > 2*shallow {
		pick = depth
	}
	m.picked = max(m.picked, len(t.Refs))
	id, def, err := m.set.Ref(t.Pos, t.Refs[pick%len(t.Refs)])
	if err != nil {
		panic(err)
	}
	out, ok := m.value(def.Type, depth+1).(object)
	if !ok {
		return nil // endless
	}
	out["$type"] = id.String()
	return out
}

// maxInteger is the largest integer that servers take: it has 53 bits.
const maxInteger = 1<<53 - 1

func (m *maker) integer(t *schema.Integer) int64 {
	if t.Const != nil {
		return *t.Const
	}
	if n := len(t.Enum); n > 0 {
		m.picked = max(m.picked, n)
		return t.Enum[m.pick%n]
	}
	lowest, highest := int64(-maxInteger), int64(maxInteger)
	if t.Minimum != nil {
		lowest = *t.Minimum
	}
	if t.Maximum != nil {
		highest = *t.Maximum
	}
	switch m.limit {
	case low:
		return lowest
	case high:
		return highest
	}
	return max(lowest, min(highest, 7))
}

// length is a length within limits.
func (m *maker) length(lo, hi *int64, usual, most int64) int {
	least := int64(0)
	if lo != nil {
		least = *lo
	}
	if hi != nil {
		most = min(most, *hi)
	}
	switch m.limit {
	case low:
		return int(least)
	case high:
		return int(max(least, most))
	}
	return int(max(least, min(usual, most)))
}

func (m *maker) blob(t *schema.Blob) any {
	mimeType := "application/octet-stream"
	if len(t.Accept) > 0 {
		mimeType = strings.Replace(t.Accept[0], "*/*", mimeType, 1)
		mimeType = strings.Replace(mimeType, "*", "x-sample", 1)
	}
	size := int64(m.length(nil, t.MaxSize, 1, maxInteger))
	return object{"$type": "blob", "ref": object{"$link": rawCID}, "mimeType": mimeType, "size": size}
}

const (
	cid    = "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"
	rawCID = "bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity"
)

// formats has a value of each format. A format that is not known takes any string.
var formats = map[string]string{
	"at-identifier": "did:plc:z72i7hdynmk6r22z27h6tvur", "at-uri": "at://alice.example.com/com.example.sample/self", "cid": cid,
	"datetime": "2026-11-24T12:00:00.123Z", "did": "did:web:alice.example.com", "handle": "alice.example.com", "language": "zh-Hant-TW",
	"nsid": "com.example.sample", "record-key": "self", "tid": "3jzfcijpj2z2a", "uri": "https://example.com/a?b=c#d",
}

func (m *maker) str(t *schema.String) string {
	if t.Const != nil {
		return *t.Const
	}
	for _, values := range [][]string{t.Enum, t.KnownValues} {
		if n := len(values); n > 0 {
			m.picked = max(m.picked, n)
			return values[m.pick%n]
		}
	}
	if v, ok := formats[t.Format]; ok {
		return v
	}
	shortest, longer := bound(t.MinLength, t.MinGraphemes, 0, func(a, b int64) int64 { return max(a, b) }), bound(t.MaxLength, t.MaxGraphemes, longest, func(a, b int64) int64 { return min(a, b) })
	switch m.limit {
	case low:
		return strings.Repeat("a", int(shortest))
	case high:
		return strings.Repeat("z", int(max(shortest, min(longer, longest))))
	}
	const usual = "é\n\"👩‍👩‍👧‍👧\u2028"
	if shortest <= 5 && longer >= int64(len(usual)) {
		return usual
	}
	return strings.Repeat("m", int(max(shortest, min(longer, 10))))
}

// bound puts the limits of a string together: of ASCII, a byte is a grapheme.
func bound(length, graphemes *int64, none int64, pick func(a, b int64) int64) int64 {
	out := none
	for _, v := range []*int64{length, graphemes} {
		if v != nil {
			out = pick(out, *v)
		}
	}
	return out
}
