//go:build tools

// This file pins the module whose lexicons folder and test fixtures `go generate` copies
// (see doc.go). Nothing of it is compiled into any package of this module.

package atproto

import _ "github.com/bluesky-social/indigo/atproto/syntax"
