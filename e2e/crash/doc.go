// Package crash stops processes in the midst of a refresh and looks what becomes of
// their sessions.
//
//	make crash N=500
package crash
