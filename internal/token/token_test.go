package token

import (
	"testing"
	"time"
)

func TestWhenTokensAreDue(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	after := func(d time.Duration) time.Time { return now.Add(d) }
	for name, tt := range map[string]struct {
		issued, expires time.Duration // from now
		want            bool
	}{
		"long before their end":        {-time.Hour, time.Hour, false},
		"shortly before their end":     {-time.Hour, 10 * time.Second, true},
		"after their end":              {-time.Hour, -time.Hour, true},
		"just given, and over":         {-time.Second, -time.Millisecond, false},
		"given a minute ago, and over": {-time.Minute, -59 * time.Second, true},
		"from a clock that is ahead":   {10 * time.Second, 11 * time.Second, false},
	} {
		t.Run("P61 P66 "+name, func(t *testing.T) {
			tokens := &Life{IssuedAt: after(tt.issued), ExpiresAt: after(tt.expires)}
			if got := tokens.IsDue(now, 1); got != tt.want {
				t.Errorf("due: %t", got)
			}
		})
	}
	for age, want := range map[time.Duration]bool{0: true, 59 * time.Second: true, time.Minute: false, -time.Second: false, -time.Hour: false} {
		t.Run("P61 P66 new are those given less than a minute ago: "+age.String(), func(t *testing.T) {
			if got := (&Life{IssuedAt: after(-age)}).IsNew(now); got != want {
				t.Errorf("new: %t", got)
			}
		})
	}
}
