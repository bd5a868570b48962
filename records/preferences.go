package records

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/xrpc/lex"
)

// Preferences are the settings of an account in the Bluesky app.
type Preferences = appbsky.ActorDefsPreferences

// Preference returns the first preference of type T, or nil if there is none. A change to it
// changes the list.
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

// UpdatePreferences changes the account's preferences. It reads them, calls change, and writes the
// list that change returns. Preferences that change does not touch stay, also those that are newer
// than this package. If change changes nothing, nothing is written.
//
//	err := records.UpdatePreferences(ctx, session, func(p records.Preferences) (records.Preferences, error) {
//		if adult := records.Preference[appbsky.ActorDefsAdultContentPref](p); adult != nil {
//			adult.Enabled = false
//			return p, nil
//		}
//		return append(p, appbsky.NewActorDefsPreferencesUnion(&appbsky.ActorDefsAdultContentPref{})), nil
//	})
//
// Servers have no compare-and-swap for preferences. So UpdatePreferences reads them again after
// writing. If somebody else wrote at the same time and the change is lost, it makes the change
// again, up to five times in all. What others write between reading and writing can still be lost.
//
// change may be called several times. If it returns an error, the update ends and returns that
// error. Options: WithCall.
//
// Errors: ErrChanged if others wrote every time; otherwise those of any call.
func UpdatePreferences(ctx context.Context, account Account, change func(Preferences) (Preferences, error), opts ...Option) error {
	s, err := read(opts, "")
	if err != nil {
		return err
	}
	if change == nil {
		return errors.New("records: UpdatePreferences: the func is nil")
	}
	if err := checkAccount(account); err != nil {
		return err
	}
	actor := appbsky.NewClient(account).Actor
	var written []byte // the last written list; nil before the first write
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
			return fmt.Errorf("records: preferences: %w, every time they were written", ErrChanged)
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

// preferencesJSON returns a list in the form in which it is sent, for comparing.
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
