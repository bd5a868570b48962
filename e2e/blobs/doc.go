// Package blobs moves large blobs to the real PDS and back: in bounded memory, over HTTP/1.1 and 2, while nonces
// rotate, and through a front that trickles.
package blobs
