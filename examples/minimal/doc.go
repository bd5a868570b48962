// Command minimal is the shortest whole program: it logs in, says whose account that is, and posts with a picture.
//
//	go run ./examples/minimal
//
// Write your own handle into main.go first, and put a picture beside it as cat.jpg. The browser opens once; the next time
// the session is resumed.
package main
