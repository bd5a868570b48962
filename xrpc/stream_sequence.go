package xrpc

import "fmt"

// maxSequence is the largest sequence number: what a number of JavaScript holds.
const maxSequence = 1<<53 - 1

// A SequenceError is a message out of order: sequence numbers grow, with gaps, from message to message of a
// connection, and from the cursor that it was opened with. It is found inside a *StreamError, whose connection is
// given up.
type SequenceError struct {
	Last int64 // of the message before, or the cursor
	Got  int64
}

// Error says which number came, and behind which.
func (e *SequenceError) Error() string {
	if e.Got < 1 || e.Got > maxSequence {
		return fmt.Sprintf("the sequence number %d is not one from 1 to %d", e.Got, int64(maxSequence))
	}
	return fmt.Sprintf("the sequence number %d comes behind %d: they have to grow", e.Got, e.Last)
}

// A place is where in its stream a connection is.
type place struct {
	last    int64 // 0: at the beginning
	resumed bool  // nothing has come since the connection was opened with last as its cursor
}

// move goes on to seq. A server may begin with the message that the cursor names, which was processed, and so
// comes again. With overlaps, any that are not behind the last one do.
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
