package lex

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/go-faster/jx"
)

// listing is a page of many small objects, as com.atproto.sync.listRepos gives.
type listing struct {
	Cursor *string
	Repos  []repo
	Extra  Extra
}

type repo struct {
	DID, Head, Rev string
	Active         *bool
	Status         *string
	Extra          Extra
}

func (s *listing) DecodeLex(d *Decoder) error {
	*s = listing{}
	var seen uint64
	for key := range d.Object {
		switch string(key) {
		case "cursor":
			d.Once(&seen, 1<<1)
			s.Cursor = d.OptionalString()
		case "repos":
			d.Once(&seen, 1<<0)
			s.Repos = DecodeSlice[repo](d)
		default:
			d.Extra(&s.Extra, key)
		}
	}
	if seen&0b1 != 0b1 {
		d.Missing(seen, "repos")
	}
	return d.Err()
}

func (s *listing) EncodeLex(e *Encoder) error {
	e.BeginObject()
	if s.Cursor != nil {
		e.Key("cursor").String(*s.Cursor)
	}
	EncodeSlice(e.Key("repos"), s.Repos)
	return e.EndObject(&s.Extra)
}

func (s *repo) DecodeLex(d *Decoder) error {
	*s = repo{}
	var seen uint64
	for key := range d.Object {
		switch string(key) {
		case "did":
			d.Once(&seen, 1<<0)
			s.DID = d.String()
		case "head":
			d.Once(&seen, 1<<1)
			s.Head = d.String()
		case "rev":
			d.Once(&seen, 1<<2)
			s.Rev = d.String()
		case "active":
			d.Once(&seen, 1<<3)
			s.Active = d.OptionalBool()
		case "status":
			d.Once(&seen, 1<<4)
			s.Status = d.OptionalString()
		default:
			d.Extra(&s.Extra, key)
		}
	}
	if seen&0b111 != 0b111 {
		d.Missing(seen, "did", "head", "rev")
	}
	return d.Err()
}

func (s *repo) EncodeLex(e *Encoder) error {
	e.BeginObject()
	e.Key("did").String(s.DID)
	e.Key("head").String(s.Head)
	e.Key("rev").String(s.Rev)
	if s.Active != nil {
		e.Key("active").Bool(*s.Active)
	}
	if s.Status != nil {
		e.Key("status").String(*s.Status)
	}
	return e.EndObject(&s.Extra)
}

// repos is a page of n repositories as a server sends it.
func repos(n int) []byte {
	var b strings.Builder
	b.WriteString(`{"cursor":"1717171717::bafyrei","repos":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"did":"did:plc:abcdefghijklmnop%08d","head":"bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5b%08d","rev":"3kabc%08d","active":true}`, i, i, i)
	}
	b.WriteString(`]}`)
	return []byte(b.String())
}

// thread is a small record with unions, an array and optional fields.
const thread = `{"$type":"com.example.node","name":"A post of usual length, with a word or two that makes it ünïcode, and a link.",` +
	`"children":[{"$type":"com.example.reference","uri":"at://did:plc:abcdefghijklmnopqrstuvwx/app.bsky.feed.post/3kabcdefghijk","cid":"bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a","count":12,"tags":["en","de"]}],` +
	`"link":{"uri":"at://did:plc:abcdefghijklmnopqrstuvwx/app.bsky.feed.post/3kabcdefghijk","cid":"bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a","seen":true}}`

func BenchmarkDecode(b *testing.B) {
	for _, doc := range []struct {
		name string
		data []byte
		into func() Decodable
	}{
		{"post", []byte(thread), func() Decodable { return new(node) }},
		{"repos", repos(1000), func() Decodable { return new(listing) }},
	} {
		b.Run(doc.name+"/lex", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(doc.data)))
			for b.Loop() {
				if err := UnmarshalJSON(doc.data, doc.into()); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(doc.name+"/json.Valid", func(b *testing.B) {
			b.SetBytes(int64(len(doc.data)))
			for b.Loop() {
				if !json.Valid(doc.data) {
					b.Fatal("not valid")
				}
			}
		})
		b.Run(doc.name+"/jx.Skip", func(b *testing.B) {
			b.SetBytes(int64(len(doc.data)))
			for b.Loop() {
				if err := jx.DecodeBytes(doc.data).Skip(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	var post node
	var page listing
	if err := UnmarshalJSON([]byte(thread), &post); err != nil {
		b.Fatal(err)
	}
	if err := UnmarshalJSON(repos(1000), &page); err != nil {
		b.Fatal(err)
	}
	for _, doc := range []struct {
		name string
		v    Encodable
	}{{"post", &post}, {"repos", &page}} {
		b.Run(doc.name+"/MarshalJSON", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := MarshalJSON(doc.v); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(doc.name+"/AppendJSON", func(b *testing.B) {
			b.ReportAllocs()
			buf := make([]byte, 0, 1<<20)
			for b.Loop() {
				if _, err := AppendJSON(buf, doc.v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
