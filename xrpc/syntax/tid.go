package syntax

import (
	"crypto/rand"
	"encoding/binary"
	"strings"
	"sync"
	"time"
)

// A TID is a record key or a revision, made of a timestamp and the ID of the clock that made it.
// TIDs sort by time (https://atproto.com/specs/tid).
type TID string

const (
	tidLength   = 13
	tidAlphabet = "234567abcdefghijklmnopqrstuvwxyz"
	maxClockID  = 1<<10 - 1
)

// ParseTID checks s and returns it as a TID.
func ParseTID(s string) (TID, error) {
	t := TID(s)
	if err := t.Validate(); err != nil {
		return "", err
	}
	return t, nil
}

// TIDOf returns the TID of a time and a clock. Only the lowest ten bits of clock are used. Times
// before 1970 become 1970. Times from 2255 on set the highest bit; the syntax allows that, but the
// specification says that it should be 0.
func TIDOf(t time.Time, clock uint16) TID {
	return tidOf(t.UnixMicro(), clock)
}

func tidOf(micros int64, clock uint16) TID {
	v := uint64(min(max(micros, 0), 1<<54-1))<<10 | uint64(clock&maxClockID)
	var b [tidLength]byte
	for i := tidLength - 1; i >= 0; i-- {
		b[i] = tidAlphabet[v&31]
		v >>= 5
	}
	return TID(b[:])
}

// Validate checks the syntax.
func (t TID) Validate() error {
	s := string(t)
	if len(s) != tidLength {
		return invalid(KindTID, s, "is not 13 characters long")
	}
	for i := range tidLength {
		if c := s[i]; !isLower(c) && (c < '2' || c > '7') {
			return invalid(KindTID, s, "has a character other than 2 to 7 and a to z")
		}
	}
	if s[0] > 'j' {
		return invalid(KindTID, s, "starts with a character above j: it does not fit into 64 bits")
	}
	return nil
}

// Time returns when the TID was made, to the microsecond, by its maker's clock. It is the zero Time
// if the TID is not valid.
func (t TID) Time() time.Time {
	if t.Validate() != nil {
		return time.Time{}
	}
	return time.UnixMicro(int64(t.bits() >> 10)).UTC()
}

// ClockID returns the ID of the clock that made the TID, 0 to 1023. It is 0 if the TID is not
// valid.
func (t TID) ClockID() uint16 {
	if t.Validate() != nil {
		return 0
	}
	return uint16(t.bits() & maxClockID)
}

func (t TID) bits() uint64 {
	var v uint64
	for i := range tidLength {
		v = v<<5 | uint64(strings.IndexByte(tidAlphabet, t[i]))
	}
	return v
}

// A TIDClock makes TIDs that strictly increase. The zero value is ready to use: it reads time.Now
// and chooses a random clock ID. Several clocks, in one program or in several, have different IDs.
// It is safe for concurrent use. Do not copy it after its first use.
type TIDClock struct {
	now func() time.Time

	mu     sync.Mutex
	last   int64 // microseconds of the last TID
	id     uint16
	seeded bool
}

// NewTIDClock returns a TIDClock that reads now and has this ID, for programs with their own clock.
// Only the lowest ten bits of id are used.
func NewTIDClock(now func() time.Time, id uint16) *TIDClock {
	return &TIDClock{now: now, id: id, seeded: true}
}

// NewTID returns a TID that is later than every one before. If the clock stops or goes back, the
// TIDs run ahead of it.
func (c *TIDClock) NewTID() TID {
	now := time.Now
	if c.now != nil {
		now = c.now
	}
	micros := now().UnixMicro()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.seeded {
		var b [2]byte
		rand.Read(b[:]) // never fails
		c.id, c.seeded = binary.NativeEndian.Uint16(b[:]), true
	}
	c.last = max(micros, c.last+1)
	return tidOf(c.last, c.id)
}
