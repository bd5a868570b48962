package xrpc

import "fmt"

// maxSequence is the largest sequence number: the largest exact integer of JavaScript.
const maxSequence = 1<<53 - 1

// A SequenceError is a message out of order. Sequence numbers must grow from message to message of
// a connection, and from the cursor that opened it; gaps are allowed. It is inside a *StreamError,
// and its connection is closed.
type SequenceError struct {
	Last int64 // of the message before, or the cursor
	Got  int64 // the number of the message
}

// Error names the number and the one before it.
func (e *SequenceError) Error() string {
	if e.Got < 1 || e.Got > maxSequence {
		return fmt.Sprintf("the sequence number %d is not one from 1 to %d", e.Got, int64(maxSequence))
	}
	return fmt.Sprintf("the sequence number %d comes after %d: they must grow", e.Got, e.Last)
}

// A place is the position of a connection in its stream.
type place struct {
	last    int64 // 0: at the beginning
	resumed bool  // nothing has come since the connection was opened with the cursor last
}

// move moves on to seq. A server may begin with the message at the cursor, which was processed
// already, so it is a repetition. With overlaps, all messages up to the last one may be repeated.
func (p *place) move(seq int64, overlaps bool) (repeated bool, err error) {
	switch {
	case seq < 1 || seq > maxSequence:
		return false, &SequenceError{Last: p.last, Got: seq}
	case seq > p.last:
		p.last, p.resumed = seq, false
		return false, nil
	case overlaps || seq == p.last && p.resumed:
		p.resumed = false
		return true, nil
	}
	return false, &SequenceError{Last: p.last, Got: seq}
}
