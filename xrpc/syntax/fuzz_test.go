package syntax_test

import (
	"errors"
	"testing"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// fuzz checks a parser: it never panics, keeps what it accepts, agrees with
// Validate, and refuses with an *Error that is short.
func fuzz[T interface {
	~string
	Validate() error
}](f *testing.F, fixture string, parse func(string) (T, error), accessors func(T) []any) {
	for _, verdict := range []string{"valid", "invalid"} {
		for _, c := range readFixture(f, fixture+"_syntax_"+verdict+".txt") {
			f.Add(c)
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := parse(s)
		_ = accessors(T(s)) // whatever they return for what is not valid, they do return
		if (err == nil) != (T(s).Validate() == nil) {
			t.Fatalf("%q: Parse says %v, Validate says %v", s, err, T(s).Validate())
		}
		if err != nil {
			if e, ok := errors.AsType[*syntax.Error](err); !ok || len(e.Value) > 100 {
				t.Fatalf("%q: %T %v", s, err, err)
			}
			return
		}
		if string(v) != s {
			t.Fatalf("%q became %q", s, v)
		}
	})
}

func FuzzDID(f *testing.F) {
	fuzz(f, "did", syntax.ParseDID, func(d syntax.DID) []any { return []any{d.Method(), d.Identifier()} })
}

func FuzzHandle(f *testing.F) {
	fuzz(f, "handle", syntax.ParseHandle, func(h syntax.Handle) []any { return []any{h.Normalize(), h.TLD(), h.Reserved()} })
}

func FuzzAtIdentifier(f *testing.F) {
	fuzz(f, "atidentifier", syntax.ParseAtIdentifier, func(a syntax.AtIdentifier) []any {
		did, _ := a.DID()
		handle, _ := a.Handle()
		return []any{did, handle}
	})
}

func FuzzNSID(f *testing.F) {
	fuzz(f, "nsid", syntax.ParseNSID, func(n syntax.NSID) []any { return []any{n.Authority(), n.Name(), n.Segments()} })
}

func FuzzATURI(f *testing.F) {
	fuzz(f, "aturi", syntax.ParseATURI, func(u syntax.ATURI) []any { return []any{u.Authority(), u.Collection(), u.RecordKey()} })
}

func FuzzTID(f *testing.F) {
	fuzz(f, "tid", syntax.ParseTID, func(id syntax.TID) []any {
		if again := syntax.TIDOf(id.Time(), id.ClockID()); id.Validate() == nil && again != id {
			panic(string(id + " became " + again))
		}
		return nil
	})
}

func FuzzRecordKey(f *testing.F) {
	fuzz(f, "recordkey", syntax.ParseRecordKey, func(syntax.RecordKey) []any { return nil })
}

func FuzzDatetime(f *testing.F) {
	fuzz(f, "datetime", syntax.ParseDatetime, func(d syntax.Datetime) []any {
		at, err := d.Time()
		if lenient, lenientErr := d.LenientTime(); err == nil && (lenientErr != nil || !lenient.Equal(at)) {
			panic(string(d) + " is another moment to LenientTime")
		}
		return []any{at, err}
	})
}

func FuzzLanguage(f *testing.F) {
	fuzz(f, "language", syntax.ParseLanguage, func(syntax.Language) []any { return nil })
}

func FuzzCID(f *testing.F) {
	fuzz(f, "cid", syntax.ParseCID, func(syntax.CID) []any { return nil })
}

func FuzzURI(f *testing.F) {
	fuzz(f, "uri", syntax.ParseURI, func(u syntax.URI) []any { return []any{u.Scheme()} })
}
