package schema

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Document is one lexicon file.
type Document struct {
	File        string // as given to Parse
	ID          syntax.NSID
	Description string
	Defs        []Def   // in the order of the file
	Faults      []Fault // definitions that cannot be used
	Warnings    []error // what was read otherwise than it is written
}

// A Fault is an entry of defs that is wrong, or of a kind that is not known here. The others can be used.
type Fault struct {
	Name string
	Err  error
}

// Err returns the faults as one error, nil if there is none.
func (d *Document) Err() error {
	var errs []error
	for _, f := range d.Faults {
		errs = append(errs, f.Err)
	}
	return errors.Join(errs...)
}

// Fault returns what is wrong with the definition of that name, nil if it can be used or is not there.
func (d *Document) Fault(name string) error {
	for _, f := range d.Faults {
		if f.Name == name {
			return f.Err
		}
	}
	return nil
}

// Def returns the definition of that name, nil if there is none.
func (d *Document) Def(name string) *Def {
	for i := range d.Defs {
		if d.Defs[i].Name == name {
			return &d.Defs[i]
		}
	}
	return nil
}

// A Def is one entry of defs.
type Def struct {
	Name string // "main" or a name of the document's own
	Type Type
}

// A Type is a schema: one of the pointers to the structs below.
type Type interface {
	At() Pos
	Doc() string
}

// A Pos says where a schema stands: its file, the line, and the JSON path in it.
type Pos struct {
	File string
	Line int // from 1 on; 0 if it is not known
	NSID syntax.NSID
	Path string // "defs.main.input.schema.properties.repo"
}

// String is "file:line: NSID: path", without what is not known.
func (p Pos) String() string {
	s := p.File
	if p.Line > 0 {
		s += ":" + strconv.Itoa(p.Line)
	}
	for _, more := range []string{string(p.NSID), p.Path} {
		if more != "" {
			s += ": " + more
		}
	}
	return s
}

// Errorf is an error of that place.
func (p Pos) Errorf(format string, args ...any) error {
	return &placed{p, fmt.Errorf(format, args...)}
}

// placed is an error that says where it is.
type placed struct {
	at  Pos
	err error
}

func (e *placed) Error() string { return e.at.String() + ": " + e.err.Error() }
func (e *placed) Unwrap() error { return e.err }

// Placed takes an error apart that says where it is: into the place, and what is wrong there.
func Placed(err error) (at Pos, cause error, ok bool) {
	e, ok := errors.AsType[*placed](err)
	if !ok {
		return Pos{}, err, false
	}
	return e.at, e.err, true
}

// Base is what all schemas have.
type Base struct {
	Pos         Pos
	Description string
}

// At returns where the schema stands.
func (b *Base) At() Pos { return b.Pos }

// Doc returns the schema's description.
func (b *Base) Doc() string { return b.Description }

// The types of data.
type (
	// Boolean is a boolean.
	Boolean struct {
		Base
		Default, Const *bool
	}
	// Integer is an integer.
	Integer struct {
		Base
		Default, Const, Minimum, Maximum *int64
		Enum                             []int64
	}
	// String is a string.
	String struct {
		Base
		Format                                           string
		Default, Const                                   *string
		Enum, KnownValues                                []string
		MinLength, MaxLength, MinGraphemes, MaxGraphemes *int64
	}
	// Bytes is a byte string.
	Bytes struct {
		Base
		MinLength, MaxLength *int64
	}
	// CIDLink is a link to data by its CID.
	CIDLink struct{ Base }
	// Blob is a reference to a file.
	Blob struct {
		Base
		Accept  []string
		MaxSize *int64
	}
	// Unknown is any object.
	Unknown struct{ Base }
	// Missing stands for what a reference to a lexicon that is not there means. No
	// document has it; see package resolve.
	Missing struct{ Base }
	// Token is a name without data.
	Token struct{ Base }
	// Array is a list.
	Array struct {
		Base
		Items                Type
		MinLength, MaxLength *int64
	}
	// Object is a set of named properties.
	Object struct {
		Base
		Properties []Property // in the order of the file
	}
	// Ref names a schema that stands elsewhere.
	Ref struct {
		Base
		Ref string // as written
	}
	// Union is one of several objects, told apart by $type.
	Union struct {
		Base
		Refs   []string // as written
		Closed bool
	}
)

// A Property is one property of an object or one parameter.
type Property struct {
	Name     string
	Type     Type
	Required bool
	Nullable bool
}

// The primary types.
type (
	// Record is a record of a repository.
	Record struct {
		Base
		Key    string // "tid", "nsid", "any" or "literal:…"
		Object *Object
	}
	// Method is a query or a procedure.
	Method struct {
		Base
		Procedure  bool
		Parameters *Params // nil: none
		Input      *Body   // nil: none
		Output     *Body   // nil: none
		Errors     []Error
	}
	// Subscription is a stream of messages.
	Subscription struct {
		Base
		Parameters  *Params
		Message     Type // nil: none
		Errors      []Error
		Subprotocol string // how messages are framed, "" if the lexicon does not say
	}
	// PermissionSet is a named set of scopes. Its permissions are not generated from.
	PermissionSet struct {
		Base
		Title, Detail string
		Permissions   []string // each as one line, which is the same for the same permission
		NSIDs         []string // the methods and collections in them, as written
	}
)

// Params are the parameters of a method.
type Params struct {
	Base
	Properties []Property
}

// A Body is the input or output of a method.
type Body struct {
	Base
	Encoding string
	Schema   Type // *Object, *Ref, *Union, or nil
}

// An Error is an error a method declares.
type Error struct{ Name, Description string }
