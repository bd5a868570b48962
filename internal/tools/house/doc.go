// Package house holds the tests that keep the module's plan: which package may
// import which, what exported names may mention, that the README compiles, and that
// generated code is documented. It has no code of its own.
package house
