// Package token has what is known of every access token, whatever protocol it comes from: when it
// may be sent, when it is to be renewed, and that it can be written into a header.
package token

import (
	"fmt"
	"time"
)

// A Life is when a token was given, and until when it is good. Which clock tells the time is for
// its user to say: it is ours, and may be wrong.
type Life struct {
	IssuedAt  time.Time `json:"issued_at"`
	ExpiresAt time.Time `json:"expires_at"` // zero: the server did not say
}

// Expired reports whether the time has run out. One that is not known has not: the server
// refuses the token when it has.
func (l *Life) Expired(now time.Time) bool {
	return !l.ExpiresAt.IsZero() && !now.Before(l.ExpiresAt)
}

// lastMoments is how long before its end a token is not sent any more, or a fortieth of a life that is
// short: see Spent. The refresh ahead of time has begun by then.
const lastMoments = 10 * time.Second

// Spent reports whether it is too late to send the token: its time has run out, or is about to.
// A request that is under way while its token runs out costs more than a refusal. The reference PDS looks at
// the token's time twice, and where it is in time for the first look only, it deletes an OAuth session. A busy
// server takes seconds from one look to the other.
func (l *Life) Spent(now time.Time) bool {
	return !l.ExpiresAt.IsZero() && !now.Before(l.ExpiresAt.Add(-min(lastMoments, l.length()/40)))
}

// length is how long the token lives in all. Its end must be known.
func (l *Life) length() time.Duration { return l.ExpiresAt.Sub(l.IssuedAt) }

// floor is how old tokens are at least that are renewed by our own clock, and not because
// the server has refused them: an odd lifetime must not make a refresh of every call (P61).
const floor = time.Minute

// IsDue reports whether the token will run out within a part of the span before its end in which it
// is renewed, and is old enough to be renewed for that.
func (l *Life) IsDue(now time.Time, part float64) bool {
	if l.ExpiresAt.IsZero() || l.IsNew(now) {
		return false
	}
	return l.ExpiresAt.Sub(now) <= time.Duration(part*float64(l.span()))
}

// IsNew reports whether the token was given less than a minute ago. One from the future is not:
// some clock is wrong.
func (l *Life) IsNew(now time.Time) bool {
	age := now.Sub(l.IssuedAt)
	return age >= 0 && age < floor
}

// IsDoubtful reports whether the server may well refuse the token: it is sent although its time
// has run out, or its time is not known and some of it has passed.
func (l *Life) IsDoubtful(now time.Time) bool {
	return l.Spent(now) || l.ExpiresAt.IsZero() && !l.IsNew(now)
}

// span is how long before the end of its life a token is renewed: a minute, or a tenth of a life that is
// shorter than ten minutes.
func (l *Life) span() time.Duration { return min(time.Minute, l.length()/10) }

// maxLength is how long a token may be that goes into a header.
const maxLength = 64 << 10

// Check makes sure that a token can be sent: it has the characters of one (RFC 6749, appendix
// A.12), and a header has room for it. The error completes a sentence about the token.
func Check(token string) error {
	if len(token) > maxLength {
		return fmt.Errorf("has %d bytes, more than %d", len(token), maxLength)
	}
	for i := range len(token) {
		if token[i] < 0x20 || token[i] > 0x7E {
			return fmt.Errorf("has the byte %#x, which no token has", token[i])
		}
	}
	return nil
}
