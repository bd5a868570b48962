package site

import (
	"context"
	"errors"
	"strings"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/records"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A profile is what an account says of itself.
type profile struct {
	Name, About string
	Avatar      syntax.CID // of a picture in its repository; "": none
}

// readProfile reads the record that the Bluesky app writes. It is in the account's own repository, so
// that no other service is needed. An account need not have one.
func readProfile(ctx context.Context, session *oauth.Session) (profile, error) {
	uri := syntax.RecordURI(syntax.AtIdentifier(session.DID()), appbsky.ActorProfileNSID, "self")
	record, _, err := records.Get[appbsky.ActorProfile](ctx, session, uri)
	switch {
	case errors.Is(err, records.ErrNotFound), errors.Is(err, records.ErrNotARecord):
		return profile{}, nil
	case err != nil:
		return profile{}, err
	}
	var p profile
	if record.DisplayName != nil {
		p.Name = strings.TrimSpace(*record.DisplayName)
	}
	if record.Description != nil {
		p.About = strings.TrimSpace(*record.Description)
	}
	if record.Avatar != nil {
		p.Avatar = syntax.CID(record.Avatar.Ref)
	}
	return p, nil
}

// Title is what the page calls the account.
func (v *view) Title() string {
	if v.Profile.Name != "" {
		return v.Profile.Name
	}
	return string(v.Session.Handle())
}

// Initial stands in for a picture.
func (v *view) Initial() string {
	for _, r := range v.Title() {
		return strings.ToUpper(string(r))
	}
	return ""
}
