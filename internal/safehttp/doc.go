// Package safehttp makes requests whose target somebody else can choose. The hosts of handles,
// DIDs, PDSes and authorization servers all come from documents that strangers write.
//
// A Client uses only https, connects only to public addresses, uses only a proxy that it is given,
// and limits time and size. The address is checked at the moment of the connection, and is the one
// that is used. So an attacker gains nothing with a name that resolves differently the second time.
package safehttp
