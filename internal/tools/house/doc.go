// Package house holds the tests that check the module's plan: which package may import which, what
// exported names may mention, that every exported name has a comment, also in generated code, and
// that the README compiles. It has no code of its own.
package house
