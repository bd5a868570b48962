package records

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
)

// lyingOnItsSide reports whether a JPEG is shown rotated by 90 degrees, so that width and height
// are exchanged (Exif 2.32, §4.6.4, tag Orientation). If this cannot be read, the image is shown
// unrotated.
func lyingOnItsSide(jpeg io.Reader) bool {
	const (
		start    = 0xd8 // of the image
		metadata = 0xe1 // APP1
		scan     = 0xda // the image data: no metadata follows
	)
	r := bufio.NewReader(jpeg)
	var marker [2]byte
	if _, err := io.ReadFull(r, marker[:]); err != nil || marker != [2]byte{0xff, start} {
		return false
	}
	for {
		var head [4]byte // marker and length; the length includes itself
		if _, err := io.ReadFull(r, head[:]); err != nil || head[0] != 0xff || head[1] == scan {
			return false
		}
		length := int(binary.BigEndian.Uint16(head[2:])) - 2
		if length < 0 {
			return false
		}
		segment := make([]byte, length)
		if _, err := io.ReadFull(r, segment); err != nil {
			return false
		}
		if tiff, ok := bytes.CutPrefix(segment, []byte("Exif\x00\x00")); ok && head[1] == metadata {
			orientation := orientationOf(tiff)
			return orientation >= 5 && orientation <= 8
		}
	}
}

// orientationOf reads the tag from the first directory of a TIFF structure. It returns 0 if there
// is none.
func orientationOf(tiff []byte) uint16 {
	const (
		tagOrientation = 0x0112
		typeShort      = 3
		entrySize      = 12
	)
	if len(tiff) < 8 {
		return 0
	}
	var order binary.ByteOrder
	switch string(tiff[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 0
	}
	at := uint64(order.Uint32(tiff[4:]))
	if at+2 > uint64(len(tiff)) {
		return 0
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < entrySize {
			return 0
		}
		if order.Uint16(entries) == tagOrientation && order.Uint16(entries[2:]) == typeShort {
			return order.Uint16(entries[8:])
		}
		entries = entries[entrySize:]
	}
	return 0
}
