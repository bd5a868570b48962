package dpop

import (
	"fmt"
	"maps"
	"testing"
	"time"
)

const (
	pds  = "https://pds.test"
	auth = "https://as.test"
)

// A clock stands still until a test moves it.
type clock struct{ at time.Time }

func newClock() *clock                { return &clock{time.Unix(1_000_000, 0)} }
func (c *clock) now() time.Time       { return c.at }
func (c *clock) pass(d time.Duration) { c.at = c.at.Add(d) }

// A server takes one nonce for everybody and gives it out with every answer.
type server struct {
	nonce    string
	requests int
}

// call does what a session does: it sends, and once more if it is told another nonce. It
// returns the nonce that was sent first.
func (s *server) call(t *testing.T, n *Nonces) string {
	t.Helper()
	first := n.Next(pds, "")
	s.requests++
	n.Learn(first, s.nonce)
	if first.Value == s.nonce {
		return first.Value
	}
	n.Refused(first)
	again := n.Next(pds, s.nonce)
	s.requests++
	n.Learn(again, s.nonce)
	if again.Value != s.nonce {
		t.Fatalf("the retry has nonce %q, want %q", again.Value, s.nonce)
	}
	return first.Value
}

func TestNonces(t *testing.T) {
	t.Run("O93 an origin that gave none has none", func(t *testing.T) {
		if u := NewPool(newClock().now).Session(nil).Next(pds, ""); u.Value != "" {
			t.Errorf("got %q", u.Value)
		}
	})
	t.Run("O93 every origin has its own", func(t *testing.T) {
		n := NewPool(newClock().now).Session(nil)
		n.Learn(n.Next(pds, ""), "one")
		n.Learn(n.Next(auth, ""), "two")
		if one, two := n.Next(pds, ""), n.Next(auth, ""); one.Value != "one" || two.Value != "two" {
			t.Errorf("got %q and %q", one.Value, two.Value)
		}
	})
	t.Run("O97 an older answer does not undo a newer nonce", func(t *testing.T) {
		n := NewPool(newClock().now).Session(nil)
		older, newer := n.Next(pds, ""), n.Next(pds, "")
		n.Learn(newer, "new")
		n.Learn(older, "old")
		if u := n.Next(pds, ""); u.Value != "new" {
			t.Errorf("got %q", u.Value)
		}
		if u := n.pool.Session(nil).Next(pds, ""); u.Value != "new" {
			t.Errorf("a session without one got %q", u.Value)
		}
	})
	t.Run("O97 an answer without a nonce changes nothing", func(t *testing.T) {
		n := NewPool(newClock().now).Session(nil)
		n.Learn(n.Next(pds, ""), "one")
		n.Learn(n.Next(pds, ""), "")
		if u := n.Next(pds, ""); u.Value != "one" {
			t.Errorf("got %q", u.Value)
		}
	})
	t.Run("O97 they are stored, and taken over where there are none yet", func(t *testing.T) {
		n := NewPool(newClock().now).Session(nil)
		if stored := n.Stored(); stored != nil {
			t.Errorf("none are stored as %v", stored)
		}
		n.Learn(n.Next(pds, ""), "new")
		n.Adopt(map[string]string{pds: "old", auth: "stored"})
		if stored := n.Stored(); !maps.Equal(stored, map[string]string{pds: "new", auth: "stored"}) {
			t.Errorf("stored as %v", stored)
		}
		if u := n.Next(auth, ""); u.Value != "stored" {
			t.Errorf("got %q", u.Value)
		}
	})
	t.Run("they do not grow for ever", func(t *testing.T) {
		n := NewPool(newClock().now).Session(nil)
		for i := range 2 * maxOrigins {
			n.Learn(n.Next(fmt.Sprintf("https://%d.test", i), ""), "x")
		}
		if len(n.values) != maxOrigins || len(n.pool.origins) != maxOrigins {
			t.Errorf("%d nonces, %d origins", len(n.values), len(n.pool.origins))
		}
	})
	t.Run("P102 a retry has the nonce of its challenge, whatever was learned since", func(t *testing.T) {
		n := NewPool(newClock().now).Session(nil)
		n.Learn(n.Next(pds, ""), "asked for")
		n.Learn(n.Next(pds, ""), "younger")
		if u := n.Next(pds, "asked for"); u.Value != "asked for" {
			t.Errorf("got %q", u.Value)
		}
	})
}

func TestNoncesOfManySessions(t *testing.T) {
	const many = 100
	crowd := func(t *testing.T, p *Pool, s *server, stored map[string]string) []*Nonces {
		t.Helper()
		var sessions []*Nonces
		for range many {
			n := p.Session(stored)
			if stored == nil {
				s.call(t, n)
			}
			sessions = append(sessions, n)
		}
		s.requests = 0
		return sessions
	}
	for name, idle := range map[string]time.Duration{"that are busy": 0, "that were idle": time.Hour} {
		t.Run("P103 O96 one change costs sessions "+name+" one request", func(t *testing.T) {
			clock, s := newClock(), &server{nonce: "first"}
			sessions := crowd(t, NewPool(clock.now), s, nil)
			clock.pass(idle)
			s.nonce = "second"
			for range 2 {
				for _, n := range sessions {
					s.call(t, n)
				}
			}
			if s.requests != 2*many+1 {
				t.Errorf("%d requests for %d calls", s.requests, 2*many)
			}
		})
	}
	t.Run("P103 O96 and those that were resumed, too", func(t *testing.T) {
		s := &server{nonce: "second"}
		for _, n := range crowd(t, NewPool(newClock().now), s, map[string]string{pds: "first"}) {
			s.call(t, n)
		}
		if s.requests != many+1 {
			t.Errorf("%d requests for %d calls", s.requests, many)
		}
	})
	t.Run("P103 O96 sessions that hold the last nonce and the one before cost one request each", func(t *testing.T) {
		clock, s := newClock(), &server{nonce: "first"}
		pool := NewPool(clock.now)
		sessions := crowd(t, pool, s, nil)
		s.nonce = "second"
		for _, n := range sessions[many/2:] { // the others do not call, and keep the first
			n.Learn(n.Next(pds, ""), s.nonce)
		}
		s.nonce = "third"
		for i := range many / 2 {
			s.call(t, sessions[i])
			s.call(t, sessions[many/2+i])
		}
		if s.requests != many+2 {
			t.Errorf("%d requests for %d calls", s.requests, many)
		}
	})
	t.Run("O96 a session keeps its own while it was given it within a minute", func(t *testing.T) {
		clock := newClock()
		pool := NewPool(clock.now)
		one, two := pool.Session(nil), pool.Session(nil)
		one.Learn(one.Next(pds, ""), "of one")
		two.Learn(two.Next(pds, ""), "of two")
		for _, step := range []struct {
			pass time.Duration
			want string
		}{{0, "of one"}, {nonceAge - 1, "of one"}, {1, "of two"}} {
			clock.pass(step.pass)
			if u := one.Next(pds, ""); u.Value != step.want || one.Fresh(pds) != (step.want == "of one") {
				t.Errorf("after %s: got %q, fresh %v", step.pass, u.Value, one.Fresh(pds))
			}
		}
	})
	t.Run("O96 a clock that is set back makes no nonce recent for ever", func(t *testing.T) {
		clock := newClock()
		pool := NewPool(clock.now)
		one, two := pool.Session(nil), pool.Session(nil)
		one.Learn(one.Next(pds, ""), "of one")
		clock.pass(-time.Hour)
		two.Learn(two.Next(pds, ""), "of two")
		if u := one.Next(pds, ""); u.Value != "of two" {
			t.Errorf("got %q", u.Value)
		}
	})
	t.Run("O96 at a server with a nonce for every session a wrong guess is made once", func(t *testing.T) {
		pool := NewPool(newClock().now)
		one, two := pool.Session(nil), pool.Session(nil)
		ones, twos := &server{nonce: "of one"}, &server{nonce: "of two"}
		ones.call(t, one)
		if guess := twos.call(t, two); guess != "of one" {
			t.Errorf("a new session tries %q", guess)
		}
		ones.requests, twos.requests = 0, 0
		for range 5 {
			ones.call(t, one)
			twos.call(t, two)
		}
		if ones.requests != 5 || twos.requests != 5 {
			t.Errorf("%d and %d requests for 5 calls each", ones.requests, twos.requests)
		}
	})
	t.Run("O96 a nonce that is given out again is good again", func(t *testing.T) {
		pool := NewPool(newClock().now)
		n, other, s := pool.Session(nil), pool.Session(nil), &server{nonce: "first"}
		s.call(t, n)
		s.call(t, other)
		for _, s.nonce = range []string{"second", "first"} {
			s.call(t, n)
		}
		n.Learn(n.Next(pds, ""), "third") // the newest, where first is not refused
		if u := other.Next(pds, ""); u.Value != "first" {
			t.Errorf("got %q", u.Value)
		}
	})
	t.Run("O96 what is known to be refused has a bound", func(t *testing.T) {
		n, s := NewPool(newClock().now).Session(nil), new(server)
		for i := range 5 * maxRefused {
			s.nonce = fmt.Sprint(i)
			s.call(t, n)
		}
		if got := len(n.pool.origins[pds].refused); got != maxRefused {
			t.Errorf("%d are kept", got)
		}
	})
	t.Run("O99 a nonce that was refused to another session is not fresh", func(t *testing.T) {
		pool := NewPool(newClock().now)
		n, other, s := pool.Session(nil), pool.Session(nil), &server{nonce: "first"}
		s.call(t, n)
		s.call(t, other)
		if !n.Fresh(pds) {
			t.Error("it is not fresh to begin with")
		}
		s.nonce = "second"
		s.call(t, other)
		if n.Fresh(pds) {
			t.Error("it is taken for fresh")
		}
	})
	t.Run("O99 nor is one from the store", func(t *testing.T) {
		if NewPool(newClock().now).Session(map[string]string{pds: "stored"}).Fresh(pds) {
			t.Error("it is taken for fresh")
		}
	})
}

func TestServersThatGiveNoNonces(t *testing.T) {
	c := newClock()
	pool := NewPool(c.now)
	one, other := pool.Session(nil), pool.Session(nil)
	t.Run("P54 one session's finding is all sessions'", func(t *testing.T) {
		if one.Fresh(pds) {
			t.Error("before anybody asked")
		}
		one.Without(one.Next(pds, ""))
		if !one.Fresh(pds) || !other.Fresh(pds) || other.Fresh(auth) {
			t.Errorf("%t %t %t", one.Fresh(pds), other.Fresh(pds), other.Fresh(auth))
		}
	})
	t.Run("P54 it is remembered for an hour", func(t *testing.T) {
		if c.pass(59 * time.Minute); !one.Fresh(pds) {
			t.Error("it was forgotten")
		}
		if c.pass(2 * time.Minute); one.Fresh(pds) {
			t.Error("it was not forgotten")
		}
	})
	t.Run("P54 a nonce undoes it", func(t *testing.T) {
		one.Without(one.Next(pds, ""))
		other.Learn(other.Next(pds, ""), "new")
		if one.Fresh(pds) || !other.Fresh(pds) {
			t.Errorf("%t %t", one.Fresh(pds), other.Fresh(pds))
		}
	})
}
