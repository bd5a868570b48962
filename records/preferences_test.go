package records_test

import (
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/records"
	"github.com/gimucco/atproto-go/xrpc"
)

func TestUpdatePreferences(t *testing.T) {
	const (
		get   = "app.bsky.actor.getPreferences"
		put   = "app.bsky.actor.putPreferences "
		newer = `{"$type":"app.bsky.actor.defs#newerPref","theme":{"dark":true}}`
		on    = `{"preferences":[` + newer + `,{"$type":"app.bsky.actor.defs#adultContentPref","enabled":true,"since":7}]}`
		off   = `{"preferences":[` + newer + `,{"$type":"app.bsky.actor.defs#adultContentPref","enabled":false,"since":7}]}`
		none  = `{"preferences":[]}`
		added = `{"preferences":[{"$type":"app.bsky.actor.defs#adultContentPref","enabled":false}]}`
	)
	turnOff := func(p records.Preferences) (records.Preferences, error) {
		if adult := records.Preference[appbsky.ActorDefsAdultContentPref](p); adult != nil {
			adult.Enabled = false
			return p, nil
		}
		return append(p, appbsky.NewActorDefsPreferencesUnion(&appbsky.ActorDefsAdultContentPref{})), nil
	}
	for _, tt := range []struct {
		name    string
		answers []string
		change  func(records.Preferences) (records.Preferences, error)
		calls   []string
		err     error
	}{
		{"P32 what others set stays, also what is newer", []string{on, `{}`, off}, turnOff, []string{get, put + off, get}, nil},
		{"the first one", []string{none, `{}`, added}, turnOff, []string{get, put + added, get}, nil},
		{"what is so already is not written", []string{off}, turnOff, []string{get}, nil},
		{"a change that others overwrote is made again", []string{none, `{}`, on, `{}`, off}, turnOff, []string{get, put + added, get, put + off, get}, nil},
		{"others who kept it are left alone", []string{none, `{}`, off}, turnOff, []string{get, put + added, get}, nil},
		{"others are faster each time", []string{on, `{}`, on, `{}`, on, `{}`, on, `{}`, on, `{}`, on}, turnOff,
			[]string{get, put + off, get, put + off, get, put + off, get, put + off, get, put + off, get}, records.ErrChanged},
		{"a change that fails writes nothing", []string{on}, func(records.Preferences) (records.Preferences, error) { return nil, io.ErrUnexpectedEOF }, []string{get}, io.ErrUnexpectedEOF},
		{"all of them are gone", []string{on, `{}`, none}, func(records.Preferences) (records.Preferences, error) { return nil, nil }, []string{get, put + none, get}, nil},
		{"what cannot be read is not overwritten", []string{`{"preferences":[{"$type":"app.bsky.actor.defs#adultContentPref","enabled":"no"}]}`}, turnOff, []string{get}, nil},
		{"a server that is down", []string{"503 UpstreamFailure down"}, turnOff, []string{get}, xrpc.ErrUpstreamFailure},
		{"a server that does not write", []string{on, "503 UpstreamFailure down"}, turnOff, []string{get, put + off}, xrpc.ErrUpstreamFailure},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &server{answers: tt.answers}
			err := records.UpdatePreferences(t.Context(), s, tt.change)
			if diff := cmp.Diff(tt.calls, s.calls, sameJSON); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if fails := tt.err != nil || len(tt.calls) == 1 && tt.name == "what cannot be read is not overwritten"; (err != nil) != fails || tt.err != nil && !errors.Is(err, tt.err) {
				t.Errorf("got %v, want %v", err, tt.err)
			}
		})
	}
}
