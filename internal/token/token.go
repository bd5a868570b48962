// Package token holds what is common to all access tokens of all protocols: when they may be sent,
// when they should be refreshed, and whether they can be written into a header.
package token

import (
	"fmt"
	"time"
)

// A Life is when a token was issued, and until when it is valid, by our clock, which may be wrong.
type Life struct {
	IssuedAt  time.Time `json:"issued_at"`
	ExpiresAt time.Time `json:"expires_at"` // zero if the server did not say
}

// Expired reports whether the time has passed. If the time is unknown, it has not: the server will
// refuse the token when it has expired.
func (l *Life) Expired(now time.Time) bool {
	return !l.ExpiresAt.IsZero() && !now.Before(l.ExpiresAt)
}

// lastMoments is how long before its end a token is no longer sent. For a short life it is a
// fortieth of the life; see Spent. An early refresh has begun by then.
const lastMoments = 10 * time.Second

// Spent reports whether it is too late to send the token, because it has expired or will expire in
// a moment. A request whose token expires on the way costs more than a refusal. The reference PDS
// checks a token's time twice; if only the first check is in time, it deletes an OAuth session. On
// a busy server there are seconds between the two checks.
func (l *Life) Spent(now time.Time) bool {
	return !l.ExpiresAt.IsZero() && !now.Before(l.ExpiresAt.Add(-min(lastMoments, l.length()/40)))
}

// length returns how long the token lives in all. Its end must be known.
func (l *Life) length() time.Duration { return l.ExpiresAt.Sub(l.IssuedAt) }

// floor is the minimum age of a token for a refresh by our own clock, that is, without a refusal by
// the server. It keeps a strange lifetime from causing a refresh for every call (P61).
const floor = time.Minute

// IsDue reports whether the token should be refreshed: it will expire within part of its refresh
// span, and is old enough.
func (l *Life) IsDue(now time.Time, part float64) bool {
	if l.ExpiresAt.IsZero() || l.IsNew(now) {
		return false
	}
	return l.ExpiresAt.Sub(now) <= time.Duration(part*float64(l.span()))
}

// IsNew reports whether the token was issued less than a minute ago. A token from the future is not
// new, because a clock is wrong.
func (l *Life) IsNew(now time.Time) bool {
	age := now.Sub(l.IssuedAt)
	return age >= 0 && age < floor
}

// IsDoubtful reports whether the server may refuse the token: its time has passed, or its time is
// unknown and some time has passed since it was issued.
func (l *Life) IsDoubtful(now time.Time) bool {
	return l.Spent(now) || l.ExpiresAt.IsZero() && !l.IsNew(now)
}

// span returns how long before its end a token is refreshed: a minute, or a tenth of a life that is
// shorter than ten minutes.
func (l *Life) span() time.Duration { return min(time.Minute, l.length()/10) }

// maxLength is the maximum length of a token in a header.
const maxLength = 64 << 10

// Check checks that a token can be sent: it has only valid characters (RFC 6749, appendix A.12),
// and fits into a header. The error completes a sentence about the token.
func Check(token string) error {
	if len(token) > maxLength {
		return fmt.Errorf("has %d bytes, more than %d", len(token), maxLength)
	}
	for i := range len(token) {
		if token[i] < 0x20 || token[i] > 0x7E {
			return fmt.Errorf("has the byte %#x, which no token may have", token[i])
		}
	}
	return nil
}
