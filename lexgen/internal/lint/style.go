package lint

import (
	"regexp"
	"slices"
	"strings"

	"github.com/gimucco/atproto-go/lexgen/internal/resolve"
	"github.com/gimucco/atproto-go/lexgen/internal/schema"
)

// A view is one lexicon, as a rule sees it.
type view struct {
	doc   *schema.Document
	set   *resolve.Set
	found func(at schema.Pos, format string, args ...any)
}

// A style is a rule of style.
type style struct {
	name, text string
	check      func(*view)
}

// A field is a property or a parameter, and where it is.
type field struct {
	schema.Property
	in      kind
	primary schema.Type // the record or method, nil in other definitions
}

// A kind is what a field is part of.
type kind int

const (
	inDefinition kind = iota // that others refer to
	inRecord
	inParameters
	inInput
	inOutput
	inMessage
)

// fields yields all properties and parameters, also those of objects in objects.
func (v *view) fields(yield func(field)) {
	var walk func(t schema.Type, in kind, primary schema.Type)
	list := func(properties []schema.Property, in kind, primary schema.Type) {
		for _, p := range properties {
			yield(field{p, in, primary})
			walk(p.Type, in, primary)
		}
	}
	walk = func(t schema.Type, in kind, primary schema.Type) {
		switch t := t.(type) {
		case *schema.Object:
			list(t.Properties, in, primary)
		case *schema.Array:
			walk(t.Items, in, primary)
		}
	}
	body := func(b *schema.Body, in kind, primary schema.Type) {
		if b != nil {
			walk(b.Schema, in, primary)
		}
	}
	params := func(p *schema.Params, primary schema.Type) {
		if p != nil {
			list(p.Properties, inParameters, primary)
		}
	}
	for _, def := range v.doc.Defs {
		switch t := def.Type.(type) {
		case *schema.Record:
			walk(t.Object, inRecord, t)
		case *schema.Method:
			params(t.Parameters, t)
			body(t.Input, inInput, t)
			body(t.Output, inOutput, t)
		case *schema.Subscription:
			params(t.Parameters, t)
			walk(t.Message, inMessage, t)
		default:
			walk(t, inDefinition, nil)
		}
	}
}

// strings yields all strings, with the kind of what they are part of.
func (v *view) strings(yield func(s *schema.String)) {
	for _, def := range v.doc.Defs {
		for t := range schema.All(def.Type) {
			if s, ok := t.(*schema.String); ok {
				yield(s)
			}
		}
	}
}

// main is the primary definition, nil if there is none.
func (v *view) main() schema.Type {
	if def := v.doc.Def("main"); def != nil {
		return def.Type
	}
	return nil
}

var (
	lowerCamel = regexp.MustCompile(`^[a-z][a-zA-Z0-9]*$`)
	upperCamel = regexp.MustCompile(`^[A-Z][a-zA-Z0-9]*$`)
	kebab      = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	word       = regexp.MustCompile(`^[A-Za-z0-9_ -]+$`)
	verbNoun   = regexp.MustCompile(`^[a-z]+[A-Z0-9]`)
)

// reserved are words that languages keep for themselves.
var reserved = strings.Fields(`break case catch class const constructor continue default def delete do else enum export extends
	false final finally for func function global go if implements import in interface let length map new null package private
	protected prototype public range return select self static struct super switch this throw true try type typeof var void
	while with yield`)

var styles = []style{
	{"camel-case", "names of lexicons, definitions and properties are in lowerCamelCase, and names of errors in UpperCamelCase", func(v *view) {
		at := schema.Pos{File: v.doc.File, NSID: v.doc.ID}
		if !lowerCamel.MatchString(v.doc.ID.Name()) {
			v.found(at, "the name %q is not in lowerCamelCase", v.doc.ID.Name())
		}
		for _, def := range v.doc.Defs {
			if !lowerCamel.MatchString(def.Name) {
				v.found(def.Type.At(), "the name %q is not in lowerCamelCase", def.Name)
			}
			for _, e := range errorsOf(def.Type) {
				if !upperCamel.MatchString(e.Name) {
					v.found(def.Type.At(), "the error %q is not in UpperCamelCase", e.Name)
				}
			}
		}
		v.fields(func(f field) {
			if !lowerCamel.MatchString(f.Name) {
				v.found(f.Type.At(), "the name %q is not in lowerCamelCase", f.Name)
			}
		})
	}},
	{"reserved-name", "names of lexicons and definitions are no words that programming languages keep for themselves", func(v *view) {
		if slices.Contains(reserved, v.doc.ID.Name()) {
			v.found(schema.Pos{File: v.doc.File, NSID: v.doc.ID}, "%q is a word that programming languages keep for themselves", v.doc.ID.Name())
		}
		for _, def := range v.doc.Defs {
			if slices.Contains(reserved, def.Name) {
				v.found(def.Type.At(), "%q is a word that programming languages keep for themselves", def.Name)
			}
		}
	}},
	{"kebab-case", "fixed strings are in kebab-case", func(v *view) {
		v.strings(func(s *schema.String) {
			if s.Format != "" {
				return
			}
			for _, value := range slices.Concat(s.KnownValues, s.Enum) {
				if word.MatchString(value) && !kebab.MatchString(value) {
					v.found(s.Pos, "the value %q is not in kebab-case", value)
					return // the others are alike
				}
			}
		})
	}},
	{"record-name", "a record is named by a noun in the singular", func(v *view) {
		name := v.doc.ID.Name()
		if r, ok := v.main().(*schema.Record); ok && plural(name) {
			v.found(r.Pos, "the record %q is named in the plural: name it by what one of them is", name)
		}
	}},
	{"method-name", "a query or procedure is named by a verb and a noun; a subscription begins with \"subscribe\"", func(v *view) {
		name := v.doc.ID.Name()
		switch t := v.main().(type) {
		case *schema.Method:
			verb := ""
			if i := strings.IndexFunc(name, func(r rune) bool { return r < 'a' || r > 'z' }); i > 0 {
				verb = name[:i]
			}
			switch {
			case !verbNoun.MatchString(name):
				v.found(t.Pos, "%q is not a verb and a noun, such as getPost", name)
			case t.Procedure && slices.Contains([]string{"get", "list", "search", "query"}, verb):
				v.found(t.Pos, "%q sounds like a query, and is a procedure", name)
			case !t.Procedure && slices.Contains([]string{"create", "update", "delete", "upsert", "put"}, verb):
				v.found(t.Pos, "%q sounds like a procedure, and is a query", name)
			}
		case *schema.Subscription:
			if !strings.HasPrefix(name, "subscribe") {
				v.found(t.Pos, "the subscription %q does not begin with \"subscribe\"", name)
			}
		}
	}},
	{"name-clash", "no lexicon is a group of others, too, and none has the name of a definition", func(v *view) {
		at := schema.Pos{File: v.doc.File, NSID: v.doc.ID}
		for _, other := range v.set.Documents() {
			name, below := strings.CutPrefix(string(other.ID), string(v.doc.ID)+".")
			switch {
			case !below:
			case v.doc.Def(name) != nil:
				v.found(at, "%s#%s and %s are easily taken for each other", v.doc.ID, name, other.ID)
			default:
				v.found(at, "%s is a lexicon and, for %s, a group", v.doc.ID, other.ID)
				return
			}
		}
	}},
	{"main-data", "what others refer to stands in the lexicon \"defs\" of the group, and main is a record, a method or a permission set", func(v *view) {
		switch t := v.main().(type) {
		case nil, *schema.Record, *schema.Method, *schema.Subscription, *schema.PermissionSet:
		default:
			segments := v.doc.ID.Segments()
			v.found(t.At(), "main is a type of data, which nothing stores or calls: a definition of %s.defs stays when this lexicon goes", strings.Join(segments[:len(segments)-1], "."))
		}
	}},
	{"description", "records, methods, subscriptions and permission sets say what they are for", func(v *view) {
		var said string
		switch t := v.main().(type) {
		case *schema.Record:
			said = t.Description + t.Object.Description
		case *schema.Method, *schema.Subscription:
			said = t.Doc()
		case *schema.PermissionSet:
			said = t.Description + t.Title + t.Detail
		default:
			return
		}
		if said == "" && v.doc.Description == "" {
			v.found(v.main().At(), "there is no description")
		}
	}},
	{"vague-field", "fields with names such as uri or cid have a description: of what?", func(v *view) {
		v.fields(func(f field) {
			if slices.Contains([]string{"uri", "url", "cid", "id", "key", "value", "data", "name", "type"}, f.Name) && f.Type.Doc() == "" && f.in != inDefinition {
				v.found(f.Type.At(), "%q of what? There is no description", f.Name)
			}
		})
	}},
	{"max-length", "strings, bytes and lists in records have a limit", func(v *view) {
		v.fields(func(f field) {
			if f.in != inRecord {
				return
			}
			t := f.Type
			for {
				switch inner := t.(type) {
				case *schema.String:
					if inner.Format == "" && inner.MaxLength == nil && len(inner.Enum) == 0 && inner.Const == nil {
						v.found(inner.Pos, "a string in a record without maxLength")
					}
				case *schema.Bytes:
					if inner.MaxLength == nil {
						v.found(inner.Pos, "bytes in a record without maxLength")
					}
				case *schema.Blob:
					if inner.MaxSize == nil {
						v.found(inner.Pos, "a blob in a record without maxSize")
					}
				case *schema.Array:
					if inner.MaxLength == nil {
						v.found(inner.Pos, "a list in a record without maxLength")
					}
					t = inner.Items
					continue
				}
				return
			}
		})
	}},
	{"format-and-length", "a string has a format or limits of its length", func(v *view) {
		v.strings(func(s *schema.String) {
			if s.Format != "" && (s.MinLength != nil || s.MaxLength != nil || s.MinGraphemes != nil || s.MaxGraphemes != nil) {
				v.found(s.Pos, "the format %q limits the length already", s.Format)
			}
		})
	}},
	{"graphemes", "a limit in graphemes goes with one in bytes, ten to twenty times as high", func(v *view) {
		v.strings(func(s *schema.String) {
			switch {
			case s.MaxGraphemes == nil:
			case s.MaxLength == nil:
				v.found(s.Pos, "maxGraphemes without maxLength: a grapheme can have any number of bytes")
			case *s.MaxGraphemes > 0 && (*s.MaxLength / *s.MaxGraphemes < 10 || (*s.MaxLength-1) / *s.MaxGraphemes >= 20):
				v.found(s.Pos, "maxLength %d is not ten to twenty times maxGraphemes %d", *s.MaxLength, *s.MaxGraphemes)
			}
		})
	}},
	{"missing-format", "strings that are times, URIs or identifiers have their format", func(v *view) {
		v.fields(func(f field) {
			s, ok := f.Type.(*schema.String)
			if !ok || s.Format != "" || len(s.Enum)+len(s.KnownValues) > 0 {
				return
			}
			name := f.Name
			formats := map[string]string{"uri": "uri or at-uri", "url": "uri", "did": "did", "handle": "handle", "cid": "cid", "nsid": "nsid", "lang": "language"}
			want := formats[name]
			if strings.HasSuffix(name, "At") && len(name) > 2 {
				want = "datetime"
			}
			if want != "" {
				v.found(s.Pos, "%q has no format: is it %s?", name, want)
			}
		})
	}},
	{"closed-enum", "knownValues, which can grow, in the place of enum, which never can", func(v *view) {
		for _, def := range v.doc.Defs {
			for t := range schema.All(def.Type) {
				switch t := t.(type) {
				case *schema.String:
					if len(t.Enum) > 0 {
						v.found(t.Pos, "an enum can never get another value: knownValues can")
					}
				case *schema.Integer:
					if len(t.Enum) > 0 {
						v.found(t.Pos, "an enum can never get another value: a string with knownValues can")
					}
				}
			}
		}
	}},
	{"closed-union", "unions are open", func(v *view) {
		for _, def := range v.doc.Defs {
			for t := range schema.All(def.Type) {
				if u, ok := t.(*schema.Union); ok && u.Closed {
					v.found(u.Pos, "a closed union can never get another member")
				}
			}
		}
	}},
	{"required-default", "what is required has no default", func(v *view) {
		v.fields(func(f field) {
			if f.Required && hasDefault(f.Type) {
				v.found(f.Type.At(), "%q is required, and its default is for when it is left out", f.Name)
			}
		})
	}},
	{"default-true", "what is optional and boolean is false by default", func(v *view) {
		v.fields(func(f field) {
			if b, ok := f.Type.(*schema.Boolean); ok && !f.Required && b.Default != nil && *b.Default {
				v.found(b.Pos, "%q is true by default: name it by its opposite, such as exclude…", f.Name)
			}
		})
	}},
	{"account-parameter", "methods take accounts as at-identifier", func(v *view) {
		v.fields(func(f field) {
			t := f.Type
			if a, ok := t.(*schema.Array); ok {
				t = a.Items
			}
			if s, ok := t.(*schema.String); ok && f.in == inParameters && (s.Format == "handle" || s.Format == "did") {
				v.found(s.Pos, "%q takes a %s only: with the format at-identifier nobody has to resolve handles first", f.Name, s.Format)
			}
		})
	}},
	{"handle-in-record", "records name accounts by their DIDs", func(v *view) {
		v.fields(func(f field) {
			t := f.Type
			if a, ok := t.(*schema.Array); ok {
				t = a.Items
			}
			if s, ok := t.(*schema.String); ok && f.in == inRecord && (s.Format == "handle" || s.Format == "at-identifier") {
				v.found(s.Pos, "%q may be a handle, which changes hands: a record needs a did", f.Name)
			}
		})
	}},
	{"cid-link", "records name others by strings of the format cid", func(v *view) {
		v.fields(func(f field) {
			if f.in == inRecord {
				if t, ok := f.Type.(*schema.CIDLink); ok {
					v.found(t.Pos, "%q is a cid-link: a string of the format cid is easier on everybody", f.Name)
				}
			}
		})
	}},
	{"no-output", "queries and procedures have an output, if only an empty object", func(v *view) {
		if m, ok := v.main().(*schema.Method); ok && m.Output == nil {
			v.found(m.Pos, "there is no output: an object without properties can get some later")
		}
	}},
	{"list-of-values", "lists in outputs are of objects", func(v *view) {
		v.fields(func(f field) {
			a, ok := f.Type.(*schema.Array)
			if !ok || f.in != inOutput {
				return
			}
			switch a.Items.(type) {
			case *schema.String, *schema.Integer, *schema.Boolean, *schema.Bytes, *schema.CIDLink:
				v.found(a.Pos, "%q is a list of bare values: objects with one property can get more later", f.Name)
			}
		})
	}},
	{"pagination", "limit is an optional integer with a highest value, cursor an optional string in parameters and output, beside one required list", pagination},
}

func pagination(v *view) {
	switch m := v.main().(type) {
	case *schema.Subscription:
		if cursor := parameter(m.Parameters, "cursor"); cursor != nil {
			if _, ok := cursor.Type.(*schema.Integer); !ok || cursor.Required {
				v.found(cursor.Type.At(), "the cursor of a subscription is an optional integer")
			}
		}
	case *schema.Method:
		if m.Procedure {
			return
		}
		if limit := parameter(m.Parameters, "limit"); limit != nil {
			switch t, ok := limit.Type.(*schema.Integer); {
			case !ok || limit.Required:
				v.found(limit.Type.At(), "limit is an optional integer")
			case t.Maximum == nil:
				v.found(limit.Type.At(), "limit has no maximum")
			}
		}
		in := parameter(m.Parameters, "cursor")
		if in != nil {
			if _, ok := in.Type.(*schema.String); !ok || in.Required {
				v.found(in.Type.At(), "the cursor of a query is an optional string")
			}
		}
		out := outputOf(v, m)
		if out == nil {
			return
		}
		i := slices.IndexFunc(out.Properties, func(p schema.Property) bool { return p.Name == "cursor" })
		switch {
		case in != nil && i < 0:
			v.found(out.Pos, "there is a cursor in the parameters, and none in the output to send there")
		case in == nil && i >= 0:
			v.found(out.Pos, "there is a cursor in the output, and none in the parameters to send it by")
		case i >= 0 && out.Properties[i].Required:
			v.found(out.Properties[i].Type.At(), "the cursor is required: that there is none is how an answer says that it is the last")
		}
		if in != nil && !slices.ContainsFunc(out.Properties, func(p schema.Property) bool { return p.Required && isList(v, p.Type) }) {
			v.found(out.Pos, "there is a cursor, and no required list that it goes on with")
		}
	}
}

// isList reports whether a type is an array, or refers to one.
func isList(v *view, t schema.Type) bool {
	switch t := t.(type) {
	case *schema.Array:
		return true
	case *schema.Ref:
		if _, def, err := v.set.Ref(t.Pos, t.Ref); err == nil && def != nil {
			_, ok := def.Type.(*schema.Array)
			return ok
		}
	}
	return false
}

// outputOf is the object that a method answers with, nil if it is no object.
func outputOf(v *view, m *schema.Method) *schema.Object {
	if m.Output == nil {
		return nil
	}
	switch t := m.Output.Schema.(type) {
	case *schema.Object:
		return t
	case *schema.Ref:
		if _, def, err := v.set.Ref(t.Pos, t.Ref); err == nil && def != nil {
			object, _ := def.Type.(*schema.Object)
			return object
		}
	}
	return nil
}

func parameter(p *schema.Params, name string) *schema.Property {
	if p == nil {
		return nil
	}
	for i := range p.Properties {
		if p.Properties[i].Name == name {
			return &p.Properties[i]
		}
	}
	return nil
}

func errorsOf(t schema.Type) []schema.Error {
	switch t := t.(type) {
	case *schema.Method:
		return t.Errors
	case *schema.Subscription:
		return t.Errors
	}
	return nil
}

func hasDefault(t schema.Type) bool {
	switch t := t.(type) {
	case *schema.Boolean:
		return t.Default != nil
	case *schema.Integer:
		return t.Default != nil
	case *schema.String:
		return t.Default != nil
	}
	return false
}

// plural reports whether an English noun looks like several.
func plural(name string) bool {
	for _, ending := range []string{"ss", "us", "is", "news", "series"} {
		if strings.HasSuffix(name, ending) {
			return false
		}
	}
	return len(name) > 3 && strings.HasSuffix(name, "s")
}
