// Package house holds the tests that keep the module's plan: which package may
// import which, what exported names may mention, and that the README compiles. It
// has no code of its own.
package house
