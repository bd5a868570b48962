// Package lex is the data model of the AT Protocol. It has the Decoder and the Encoder that read
// and write generated types, and the types that lexicons build on.
//
//	record := lex.Of(&appbsky.FeedPost{Text: "hello", CreatedAt: syntax.Now()})
//	…
//	post, err := lex.As[appbsky.FeedPost](record)
//
// Programs use Unknown (the value of a record), Blob, Extra (fields that are newer than the
// lexicon) and Nullable. The rest is for generated code.
//
// A value that is read and written again stays the same: unknown fields, unknown members of unions,
// and the difference between absent, null and empty are kept. What is not in the data model is
// refused with an *Error that says where it is.
//
// See https://atproto.com/specs/data-model.
package lex

// GeneratedCodeV1 is the version of the contract between generated code and this package. Generated
// files refer to it, so code that is too new for this library does not compile.
const GeneratedCodeV1 = 1
