package plan

import (
	"slices"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Program is everything to be generated.
type Program struct {
	Packages []*Package
	Warnings []string // what was generated in a simpler form than the lexicon asks for
}

// A Package is one Go package.
type Package struct {
	Name, Path, Dir string
	Prefixes        []string  // of NSIDs
	Files           []*File   // sorted by name
	Groups          []*Group  // services, sorted by name
	Methods         []*Method // methods of the client itself
	Endpoints       []*Method // all methods, sorted by the names of their endpoints
	Errors          []Error   // sorted by Go name
	Records         []Record  // sorted by NSID
	Docs            PackageDocs
	Manifest        Manifest
	TypeParameter   string // of the functions that make unions: no type is called so
}

// A Manifest is what a package calls schemas that others may refer to: Go names by "nsid:path".
type Manifest map[string]string

// PackageDocs are the comments of what a package has whatever its lexicons say.
type PackageDocs struct {
	Package   Doc
	Example   []string // lines of code behind the first paragraph of Package
	Client    Doc
	NewClient Doc
	Errors    Doc
	Records   Doc
}

// A File is what is made of one lexicon document.
type File struct {
	Name  string // without directory
	Codec string // the file of what the runtime asks of its types
	NSID  syntax.NSID
	Decls []Decl // in the order of the document
}

// A Decl is one of the pointers below.
type Decl interface{ decl() }

// A Struct is an object or a record.
type Struct struct {
	Name    string
	Doc     Doc
	LexType string // its $type, "" for an object without a name
	Record  bool   // always writes $type
	NSID    string // name of the constant of a record's NSID, else ""
	NSIDDoc Doc
	Key     string // the keys of a record: "tid", "nsid", "any" or "literal:…"; else ""
	Fields  []Field
}

// A Union is one of several objects.
type Union struct {
	Name    string
	Doc     Doc
	New     string // the function that makes one of a member
	AnyType bool   // New takes any type: there are too many members for a constraint
	NewDoc  Doc
	Holds   Doc // of the field that holds the member
	Members []Member
	Closed  bool
	Message string // the NSID of the subscription whose messages these are, else ""
}

// IsSequenced reports whether some member has a sequence number.
func (u *Union) IsSequenced() bool {
	return slices.ContainsFunc(u.Members, func(m Member) bool { return m.Seq != "" })
}

// A Member is a variant of a union.
type Member struct {
	LexType string
	Go      Name
	Seq     string // of a message: the field of its sequence number, "" if it has none
	SeqMay  bool   // it may be absent
}

// A Strings is a named string type, or constants without one.
type Strings struct {
	Name      string // "" if there is no type, only constants
	Doc       Doc    // of the type
	ValuesDoc Doc    // of the constants together
	Values    []Constant
}

// An Alias is a named type that is another one: a named array, integer, ….
type Alias struct {
	Name string
	Doc  Doc
	Type *Type
}

// A Constant is a string constant.
type Constant struct {
	Name, Value string
	Doc         Doc
}

// Params are the parameters of a method.
type Params struct {
	Name   string
	Doc    Doc
	Fields []Field
}

// A Method is a query, a procedure or a subscription.
type Method struct {
	Name    string
	Doc     Doc
	Service string // type of the receiver

	Endpoint    string // name of the value for those who serve it
	EndpointDoc Doc

	NSID   string
	Query  bool
	Direct bool
	Errors []string // Go names

	Params        *Params
	InputEncoding string
	Input         *Type // nil with an encoding: a body of bytes
	OutEncoding   string
	Output        *Type // nil with an encoding: a stream

	Message     *Type  // of a subscription, else nil
	Cursor      string // of a subscription: the integer parameter that it is resumed by, "" if there is none
	Subprotocol string // of a subscription

	Pager *Pager // of a query that goes on by a cursor, else nil
}

// A Pager is what a query gets that goes on by a cursor.
type Pager struct {
	Pages    string // name of the method that yields pages
	PagesDoc Doc
	Lists    []string // Go names of the output's arrays
	All      string   // name of the method that yields the items of one array, "" if there is none
	AllDoc   Doc
	Items    *Field // that array
}

// A Group is a service: the methods that share all of their NSID but the last
// segment.
type Group struct {
	Field, Type string // Repo, RepoService
	Doc         Doc
	NSID        string // com.atproto.repo
	Methods     []*Method
}

// An Error is an error that methods of the package declare.
type Error struct {
	Name, Value string
	Doc         Doc
	NSID        syntax.NSID // of the first method that declares it
}

// A Record is an entry of Records.
type Record struct{ NSID, Go string }

// A Doc is a doc comment: paragraphs, cleaned, not wrapped.
type Doc []string

func (*Struct) decl()  {}
func (*Union) decl()   {}
func (*Strings) decl() {}
func (*Alias) decl()   {}
func (*Params) decl()  {}
func (*Method) decl()  {}

// A Name is a Go name; Path is the import path, "" for the package itself and for
// predeclared names.
type Name struct{ Path, Name string }

// A Kind says how a type is encoded.
type Kind int

// The kinds of type.
const (
	Boolean Kind = iota
	Integer
	String
	Bytes
	CIDLink
	Blob
	Unknown
	Object // a struct with a codec
	UnionOf
	Array
)

// A Type is the type of a field.
type Type struct {
	Kind   Kind
	Go     Name  // of strings, objects, unions, and of aliases; zero: the kind's own type
	Elem   *Type // of arrays
	Format Name  // of strings: the type that checks its format, often Go itself; zero: there is nothing to check
	Limits Limits
	Known  []string // the constants of a string's known values, if they have no type of their own
	Listed Listing  // of a string whose type has constants
	Union  *Union   // that which is declared for this place, nil if it is declared elsewhere
}

// A Listing says what the constants of a type are.
type Listing int

// The listings.
const (
	ListsNone Listing = iota // there are none
	ListsSome                // known values
	ListsAll                 // all values
)

// Limits are what a schema says of a value besides its type. Nil is no limit.
type Limits struct {
	MinLength, MaxLength       *int64 // of strings in bytes, of bytes, of arrays
	MinGraphemes, MaxGraphemes *int64
	Minimum, Maximum           *int64
	Values                     []string // enum, or a constant
	Integers                   []int64  // likewise
	Boolean                    *bool    // a constant
	Accept                     []string // of blobs
	MaxSize                    *int64
}

// A Presence says whether a field may be missing or null.
type Presence int

// The presences.
const (
	Required Presence = iota
	Optional
	RequiredNullable
	OptionalNullable
)

// A Form says how Go holds what may be absent.
type Form int

// The forms.
const (
	Value    Form = iota // itself: what is required, and what has a zero value that is no value
	Pointer              // nil is absent, or null
	Nullable             // a lex.Nullable tells absent from null
)

// formOf is the form of a type's field. Arrays and bytes have nil, unions and unknowns their zero
// value, which is none of their values.
func formOf(t *Type, p Presence) Form {
	switch p {
	case Required:
		return Value
	case OptionalNullable:
		return Nullable
	}
	switch t.Kind {
	case Boolean, Integer, String, CIDLink, Blob, Object:
		return Pointer
	}
	return Value
}

// A Field is a property or a parameter.
type Field struct {
	JSON, Go  string
	Doc       Doc
	Type      *Type
	Presence  Presence
	Form      Form
	Default   string // of parameters, and of properties that must be there: a Go literal, "" if there is none
	Limits    string // of blobs: the name of the function that returns what the schema says of them, "" if it says nothing
	LimitsDoc Doc
}

// MayBeLeftOut reports whether a document need not have the field. A property with a default need not: servers leave
// out defaults. It is written all the same (P88).
func (f *Field) MayBeLeftOut() bool {
	return f.Default != "" || f.Presence == Optional || f.Presence == OptionalNullable
}

// BlobLimits returns what a schema says of the blobs that a type holds, nil if it says nothing.
func (t *Type) BlobLimits() *Limits {
	for t.Kind == Array {
		t = t.Elem
	}
	if t.Kind != Blob || t.Limits.MaxSize == nil && len(t.Limits.Accept) == 0 {
		return nil
	}
	return &t.Limits
}
