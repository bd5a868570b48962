// Package install fetches lexicons from where their authorities publish them (https://atproto.com/specs/lexicon): the name
// of the authority in DNS leads to an account, and its repository has them as records, with a proof. It keeps a manifest
// that the TypeScript tool "lex install" reads and writes, too.
//
// A run finds all lexicons before it changes a file. What it finds wrong changes nothing.
package install
