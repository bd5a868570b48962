// Package e2e runs the module against what it was made for: a real PDS and a real
// browser. See README.md for what that needs; `make e2e` runs all of it.
package e2e
