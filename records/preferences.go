package records

import (
	"bytes"
	"context"
	"fmt"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/xrpc/lex"
)

// Preferences are what an account has set in the Bluesky app.
type Preferences = appbsky.ActorDefsPreferences

// Preference returns the first preference of a type, nil if there is none. What is changed in it,
// is changed in the list.
//
//	feeds := records.Preference[appbsky.ActorDefsSavedFeedsPrefV2](preferences)
func Preference[T any, P Record[T]](preferences Preferences) *T {
	for _, p := range preferences {
		if v, ok := p.Value.(P); ok {
			return (*T)(v)
		}
	}
	return nil
}

// UpdatePreferences changes the account's preferences: it reads them, has change change them, and writes
// the list that it returns. Preferences that are not changed stay, also those that are newer than this
// package. What change leaves as it is, is not written.
//
//	err := records.UpdatePreferences(ctx, session, func(p records.Preferences) (records.Preferences, error) {
//		if adult := records.Preference[appbsky.ActorDefsAdultContentPref](p); adult != nil {
//			adult.Enabled = false
//			return p, nil
//		}
//		return append(p, appbsky.NewActorDefsPreferencesUnion(&appbsky.ActorDefsAdultContentPref{})), nil
//	})
//
// Servers have no swap for preferences. So they are read again after they were written: where somebody
// else wrote at the same time, and the change is not among what is there, it is made again on that, five
// times in all. What others write between reading and writing can be lost all the same.
//
// The change may be called several times. Its error ends the update, and is returned as it is.
// Options: WithCall.
//
// Errors: ErrChanged when others wrote each time; else those of any call.
func UpdatePreferences(ctx context.Context, account Account, change func(Preferences) (Preferences, error), opts ...Option) error {
	s, err := read(opts, "")
	if err != nil {
		return err
	}
	actor := appbsky.NewClient(account).Actor
	var written []byte // what was put, nil before the first time
	for try := 0; ; try++ {
		out, err := actor.GetPreferences(ctx, s.calls...)
		if err != nil {
			return fmt.Errorf("records: preferences: %w", err)
		}
		before, err := preferencesJSON(out.Preferences)
		if err != nil {
			return err
		}
		if written != nil && bytes.Equal(before, written) {
			return nil
		}
		changed, err := change(out.Preferences)
		if err != nil {
			return err
		}
		after, err := preferencesJSON(changed)
		if err != nil {
			return err
		}
		if bytes.Equal(before, after) {
			return nil
		}
		if try == maxUpdates {
			return fmt.Errorf("records: preferences: %w, each time they were written", ErrChanged)
		}
		in := &appbsky.ActorPutPreferencesInput{Preferences: changed}
		if err := lex.Validate(in, lex.Strict); err != nil {
			return fmt.Errorf("records: preferences: %w", err)
		}
		if err := actor.PutPreferences(ctx, in, s.calls...); err != nil {
			return fmt.Errorf("records: preferences: %w", err)
		}
		written = after
	}
}

// preferencesJSON is a list as it is sent, to compare it.
func preferencesJSON(p Preferences) ([]byte, error) {
	if p == nil {
		p = Preferences{}
	}
	text, err := lex.MarshalJSON(&appbsky.ActorPutPreferencesInput{Preferences: p})
	if err != nil {
		return nil, fmt.Errorf("records: preferences: %w", err)
	}
	return text, nil
}
