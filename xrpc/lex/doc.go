// Package lex is the data model of the AT Protocol and how generated types are read
// and written: Decoder and Encoder, and the types that lexicons build on.
//
// Programs meet Unknown (the value of a record), Blob, Extra (fields newer than the
// lexicon) and Nullable; the rest is for generated code.
//
// What is read and written again is the same: unknown fields, unknown members of
// unions, the difference between absent, null and empty. What the data model does
// not have is refused with an *Error that says where.
//
// See https://atproto.com/specs/data-model.
package lex

// GeneratedCodeV1 is the version of the contract between generated code and this
// package. Generated files refer to it, so that code that is too new for the library
// does not compile.
const GeneratedCodeV1 = 1
