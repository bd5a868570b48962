package lex

// The types of these tests look like generated ones.

type reference struct {
	URI   string
	CID   string
	Note  *string
	Count *int64
	Seen  *bool
	Tags  []string
	Extra Extra
}

func (*reference) LexType() string { return "com.example.reference" }

func (s *reference) DecodeLex(d *Decoder) error {
	*s = reference{}
	var seen uint64
	for key := range d.Object {
		switch string(key) {
		case "uri":
			d.Once(&seen, 1<<0)
			s.URI = d.String()
		case "cid":
			d.Once(&seen, 1<<1)
			s.CID = d.String()
		case "note":
			d.Once(&seen, 1<<2)
			s.Note = d.OptionalString()
		case "count":
			d.Once(&seen, 1<<3)
			s.Count = d.OptionalInt()
		case "seen":
			d.Once(&seen, 1<<4)
			s.Seen = d.OptionalBool()
		case "tags":
			if d.Optional(&seen, 1<<5) {
				s.Tags = DecodeStrings[string](d)
			}
		default:
			d.Extra(&s.Extra, key)
		}
	}
	if seen&0b11 != 0b11 {
		d.Missing(seen, "uri", "cid")
	}
	return d.End(&s.Extra)
}

func (s *reference) EncodeLex(e *Encoder) error {
	e.BeginObject()
	e.Key("uri").String(s.URI)
	e.Key("cid").String(s.CID)
	if s.Note != nil {
		e.Key("note").String(*s.Note)
	}
	if s.Count != nil {
		e.Key("count").Int(*s.Count)
	}
	if s.Seen != nil {
		e.Key("seen").Bool(*s.Seen)
	}
	if s.Tags != nil {
		EncodeStrings(e.Key("tags"), s.Tags)
	}
	return e.EndObject(&s.Extra)
}

// node is a record that nests: by arrays of unions, and a union by value.
type node struct {
	Name     string
	Children []childUnion
	Parent   childUnion
	Link     *reference
	Swap     Nullable[string]
	Value    Unknown
	Extra    Extra
}

func (*node) LexType() string { return "com.example.node" }

func (s *node) DecodeLex(d *Decoder) error {
	*s = node{}
	var seen uint64
	for key := range d.Object {
		switch string(key) {
		case "name":
			d.Once(&seen, 1<<0)
			s.Name = d.String()
		case "children":
			d.Once(&seen, 1<<1)
			s.Children = DecodeSlice[childUnion](d)
		case "parent":
			if d.Optional(&seen, 1<<2) {
				d.Value(&s.Parent)
			}
		case "link":
			if d.Optional(&seen, 1<<3) {
				s.Link = DecodePointer[reference](d)
			}
		case "swap":
			d.Once(&seen, 1<<4)
			s.Swap = DecodeNullable(d, StringOf[string])
		case "value":
			if d.Optional(&seen, 1<<5) {
				s.Value = d.Unknown()
			}
		case "$type":
			d.Record("com.example.node")
		default:
			d.Extra(&s.Extra, key)
		}
	}
	if seen&0b11 != 0b11 {
		d.Missing(seen, "name", "children")
	}
	return d.End(&s.Extra)
}

func (s *node) EncodeLex(e *Encoder) error {
	e.BeginRecord("com.example.node")
	e.Key("name").String(s.Name)
	EncodeSlice(e.Key("children"), s.Children)
	if s.Parent.Value != nil {
		e.Key("parent").Value(&s.Parent)
	}
	if s.Link != nil {
		e.Key("link").Value(s.Link)
	}
	if !s.Swap.IsAbsent() {
		EncodeNullable(e.Key("swap"), s.Swap, PutString[string])
	}
	if !s.Value.IsZero() {
		e.Key("value").Unknown(s.Value)
	}
	return e.EndObject(&s.Extra)
}

// childUnion is an open union of node and reference.
type childUnion struct{ Value Typed }

func (u *childUnion) DecodeLex(d *Decoder) error {
	switch d.Type() {
	case "com.example.node":
		u.Value = DecodeVariant[node](d)
	case "com.example.reference":
		u.Value = DecodeVariant[reference](d)
	default:
		u.Value = d.UnknownVariant()
	}
	return d.Err()
}

func (u *childUnion) EncodeLex(e *Encoder) error { return e.Variant(u.Value) }

// closedUnion is a closed union of reference alone.
type closedUnion struct{ Value Typed }

func (u *closedUnion) DecodeLex(d *Decoder) error {
	switch d.Type() {
	case "com.example.reference":
		u.Value = DecodeVariant[reference](d)
	default:
		d.ClosedUnion()
	}
	return d.Err()
}

func (u *closedUnion) EncodeLex(e *Encoder) error { return e.Variant(u.Value) }
