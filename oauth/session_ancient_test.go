package oauth_test

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
)

// A command that lives for seconds cannot watch a claim. One that its owner left behind long ago,
// by the clock of the server then and now, needs no watch.
func TestClaimsThatWereLeftLongAgo(t *testing.T) {
	for _, tt := range []struct {
		name          string
		server, ours  time.Duration // how far the clocks are ahead when the command runs
		without, over bool          // the claim has no date; the command gets new tokens
	}{
		{"an hour and more by both clocks", 61 * time.Minute, 61 * time.Minute, false, true},
		{"a moment ago by the server's clock, whatever ours says", time.Second, 100 * day, false, false},
		{"a moment ago by our clock, which is not asked alone", time.Second, time.Second, false, false},
		{"nobody knows when", 61 * time.Minute, 61 * time.Minute, true, false},
	} {
		t.Run("P117 "+tt.name, func(t *testing.T) {
			clock, ours := new(movableClock), new(movableClock)
			server, kept := sandbox(t, oauthtest.WithClock(clock.now)), new(store.Memory)
			dead, held := die(t, true)
			plain := sealing(kept, seal.Plaintext())
			s := login(t, server, newClient(t, server, plain, clock.configure, withHook(dead)))
			left, leave := context.WithCancel(t.Context())
			go s.Refresh(left)
			<-held
			leave()
			if tt.without {
				r, err := kept.Get(t.Context(), record(s.Key()))
				if err != nil {
					t.Fatal(err)
				}
				r.Revision, r.Data = r.Revision+1, regexp.MustCompile(`,"at":"[^"]*"`).ReplaceAll(r.Data, nil)
				if bytes.Contains(r.Data, []byte(`"at":`)) {
					t.Fatal("the claim has a date")
				}
				if err := kept.Put(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
			clock.setAhead(tt.server)
			ours.setAhead(tt.ours)
			command := resumed(t, newClient(t, server, plain, ours.configure), s.Key())
			wait := 500 * time.Millisecond // much longer than it takes to decide
			if tt.over {
				wait = 10 * time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), wait)
			defer cancel()
			err := command.Refresh(ctx)
			switch {
			case tt.over && err != nil:
				t.Error(err)
			case !tt.over && !errors.Is(err, context.DeadlineExceeded):
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestClaimsOfCommandsAreDated(t *testing.T) {
	t.Run("P117 also where nothing was asked of the server before", func(t *testing.T) {
		server, kept := sandbox(t, oauthtest.WithIssuer("issuer.test")), new(store.Memory)
		plain := sealing(kept, seal.Plaintext())
		key := login(t, server, newClient(t, server, plain)).Key()
		dead, held := die(t, true)
		command := resumed(t, newClient(t, server, plain, withHook(dead)), key)
		go command.Refresh(t.Context())
		<-held
		r, err := kept.Get(t.Context(), record(key))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(r.Data, []byte(`"at":"`)) {
			t.Error("the claim has no date")
		}
	})
}
