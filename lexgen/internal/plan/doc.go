// Package plan decides what Go is made of the lexicons: packages, files, names and
// types. It writes nothing; package emit renders the plan.
package plan
