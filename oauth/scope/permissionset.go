package scope

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A PermissionSet is a bundle of permissions. The author of lexicons publishes it under an NSID,
// with texts that users see when a client asks for it.
type PermissionSet struct {
	id      syntax.NSID
	title   localized
	detail  localized
	entries []map[string]json.RawMessage
}

// localized is a text with translations.
type localized struct {
	text         string
	translations map[string]string
}

// ParsePermissionSet reads a lexicon document of the type permission-set. Entries that it does not
// understand are not an error, because the grammar grows; Expand leaves them out.
func ParsePermissionSet(document []byte) (*PermissionSet, error) {
	var doc struct {
		ID   syntax.NSID `json:"id"`
		Defs struct {
			Main struct {
				Type        string            `json:"type"`
				Title       string            `json:"title"`
				Titles      map[string]string `json:"title:lang"`
				Detail      string            `json:"detail"`
				Details     map[string]string `json:"detail:lang"`
				Permissions []json.RawMessage `json:"permissions"`
			} `json:"main"`
		} `json:"defs"`
	}
	if err := json.Unmarshal(document, &doc); err != nil {
		return nil, fmt.Errorf("scope: permission set: %w", err)
	}
	if err := doc.ID.Validate(); err != nil {
		return nil, fmt.Errorf("scope: permission set: id: %w", err)
	}
	main := doc.Defs.Main
	if main.Type != "permission-set" {
		return nil, fmt.Errorf("scope: %s is not a permission set: its main definition has the type %q", doc.ID, main.Type)
	}
	set := &PermissionSet{
		id:     doc.ID,
		title:  localized{main.Title, main.Titles},
		detail: localized{main.Detail, main.Details},
	}
	for _, raw := range main.Permissions {
		var entry map[string]json.RawMessage
		if json.Unmarshal(raw, &entry) == nil {
			set.entries = append(set.entries, entry)
		}
	}
	return set, nil
}

// ID returns the NSID of the set.
func (s *PermissionSet) ID() syntax.NSID { return s.id }

// Title returns the set's name in the first of the given languages that it has. "pt-BR" also
// matches "pt", and "pt" also matches "pt-BR". If none matches, the result is in the author's own
// language.
func (s *PermissionSet) Title(languages ...syntax.Language) string { return s.title.in(languages) }

// Detail returns what the set allows an application to do, in a language chosen as in Title. It is
// "" if the author gave no text.
func (s *PermissionSet) Detail(languages ...syntax.Language) string { return s.detail.in(languages) }

// in looks a translation up (RFC 4647 §3.4). If that finds none, it accepts a more specific one.
func (t localized) in(languages []syntax.Language) string {
	tags := slices.Sorted(maps.Keys(t.translations))
	for _, language := range languages {
		wanted := string(language)
		for wanted != "" {
			for _, tag := range tags {
				if strings.EqualFold(tag, wanted) {
					return t.translations[tag]
				}
			}
			// A subtag of one character belongs to what follows it.
			wanted = wanted[:max(strings.LastIndexByte(wanted, '-'), 0)]
			if n := len(wanted); n > 2 && wanted[n-2] == '-' {
				wanted = wanted[:n-2]
			}
		}
		for _, tag := range tags {
			if prefix := string(language) + "-"; len(tag) > len(prefix) && strings.EqualFold(tag[:len(prefix)], prefix) {
				return t.translations[tag]
			}
		}
	}
	return t.text
}

// Expand returns the permissions that a server grants in place of include, in the order of the set.
// It is a preview, because servers fetch sets again, also when they refresh tokens. It leaves out
// everything that a set cannot grant: resources other than repo and rpc, wildcards, collections and
// methods outside the set's own group of NSIDs, audiences that the set chose itself, and entries
// with unknown parts.
//
// It fails if include asks for another set or is not valid.
func (s *PermissionSet) Expand(include IncludePermission) ([]Permission, error) {
	if err := include.Validate(); err != nil {
		return nil, err
	}
	if include.Set != s.id {
		return nil, tokenError(include.String(), 0, fmt.Errorf("asks for another permission set than %s", s.id))
	}
	var permissions []Permission
	for _, entry := range s.entries {
		if p := s.expand(entry, include.Audience); p != nil {
			permissions = append(permissions, p)
		}
	}
	return permissions, nil
}

// expand interprets one entry. It returns nil if the entry grants nothing.
func (s *PermissionSet) expand(entry map[string]json.RawMessage, audience string) Permission {
	p := parameters{values: make(map[string]value, len(entry))}
	for name, raw := range entry {
		p.values[name] = jsonValue(raw)
	}
	if kind := p.one("type"); kind != "permission" {
		return nil
	}
	switch p.one("resource") {
	case "repo":
		read, err := readRepo(&p)
		if err != nil || !s.governs(read.(RepoPermission).Collections) {
			return nil
		}
		return read
	case "rpc":
		return s.expandRPC(&p, audience)
	}
	return nil
}

// expandRPC interprets an entry for methods. Its audience is "*", or it takes the audience of the
// include.
func (s *PermissionSet) expandRPC(p *parameters, audience string) Permission {
	_, named := p.values["aud"]
	inherits := p.values["inheritAud"].yes && !named && audience != ""
	if inherits {
		delete(p.values, "inheritAud")
		p.values["aud"] = value{items: []string{audience}, one: true}
	}
	read, err := readRPC(p)
	if err != nil {
		return nil
	}
	rpc := read.(RPCPermission)
	if !inherits && rpc.Audience != Any || !s.governs(rpc.Methods) {
		return nil
	}
	return rpc
}

// jsonValue reads a string, a list of strings, or true. Anything else becomes a value that no
// parameter can have; servers treat false in the same way.
func jsonValue(raw json.RawMessage) value {
	var text string
	var list []*string
	switch {
	case string(raw) == "null":
	case string(raw) == "true":
		return value{yes: true}
	case json.Unmarshal(raw, &text) == nil:
		return value{items: []string{text}, one: true}
	case json.Unmarshal(raw, &list) == nil && !slices.Contains(list, nil):
		items := make([]string, len(list))
		for i, item := range list {
			items[i] = *item
		}
		return value{items: items, many: true}
	}
	return value{}
}

// governs reports whether all names are in the NSID group of the set or below it.
func (s *PermissionSet) governs(names []syntax.NSID) bool {
	group := s.id[:strings.LastIndexByte(string(s.id), '.')+1]
	return !slices.ContainsFunc(names, func(n syntax.NSID) bool { return !strings.HasPrefix(string(n), string(group)) })
}
