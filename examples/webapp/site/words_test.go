package site

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAgo(t *testing.T) {
	now := time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC)
	for at, want := range map[string]string{
		"2026-03-05T12:00:30Z":      "just now",
		"2026-03-05T11:59:30Z":      "just now",
		"2026-03-05T11:58:59Z":      "1 minute ago",
		"2026-03-05T11:00:01Z":      "59 minutes ago",
		"2026-03-05T11:00:00Z":      "1 hour ago",
		"2026-03-05T00:00:00Z":      "12 hours ago",
		"2026-03-04T23:59:59Z":      "yesterday",
		"2026-03-05T01:30:00+03:00": "yesterday",
		"2026-03-04T00:00:00Z":      "yesterday",
		"2026-03-03T23:00:00Z":      "2 days ago",
		"2026-02-26T13:00:00Z":      "7 days ago",
		"2026-02-26T12:00:00Z":      "on 26 February",
		"2025-12-31T12:00:00Z":      "on 31 December 2025",
		"2026-03-05T13:00:00Z":      "on 5 March 2026",
	} {
		then, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := ago(now, then); got != want {
			t.Errorf("%s: %q, want %q", at, got, want)
		}
	}
	if got := ago(now.Add(-9*time.Hour), now.Add(-14*time.Hour)); got != "5 hours ago" { // before midnight, but not long ago
		t.Error(got)
	}
}

func TestPermissionsInWords(t *testing.T) {
	for scope, want := range map[string][]string{
		Scope():                                                    {"know which account is yours", "write posts", "upload pictures", "delete posts"},
		"atproto repo:app.bsky.feed.post":                          {"know which account is yours", "write, change and delete posts"},
		"repo:*?action=create":                                     {"write anything"},
		"repo:com.example.a?action=update":                         {"change com.example.a records"},
		"blob?accept=video/mp4&accept=text/plain":                  {"upload files (video/mp4, text/plain)"},
		"transition:generic transition:email transition:chat.bsky": {"do nearly everything that you can do in an app", "see your email address", "read and write your chat messages"},
		"newer:thing":                                              {"newer:thing"},
		"":                                                         nil,
	} {
		if diff := cmp.Diff(want, mays(scope)); diff != "" {
			t.Errorf("%q: %s", scope, diff)
		}
	}
}
