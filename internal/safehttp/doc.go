// Package safehttp makes the requests whose target somebody else can choose: the
// hosts of handles, DIDs, PDSes and authorization servers all come from documents
// that strangers write.
//
// A Client speaks https only, dials public addresses only, uses no proxy but one that it is
// given, and has a limit on time and on size. The address is checked at the moment of the connect
// and is the one that is connected to, so that a name that resolves differently the
// second time gains nothing.
package safehttp
