// Package schema reads lexicon documents into an ordered tree. It knows the shape of
// the language, not what references point at: that is package resolve's.
package schema
