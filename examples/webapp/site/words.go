package site

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// ago says in words when t was. Days are days in UTC, because the server does not know the user's time
// zone. The page's script adds the local time.
func ago(now, t time.Time) string {
	now, t = now.UTC(), t.UTC()
	today := now.Truncate(24 * time.Hour)
	switch since := now.Sub(t); {
	case since < -time.Minute: // a clock that is ahead, or a post that was written for later
		return "on " + t.Format("2 January 2006")
	case since < time.Minute:
		return "just now"
	case since < time.Hour:
		return some(int(since/time.Minute), "minute") + " ago"
	case !t.Before(today), since < 6*time.Hour:
		return some(int(since/time.Hour), "hour") + " ago"
	case !t.Before(today.AddDate(0, 0, -1)):
		return "yesterday"
	case since < 7*24*time.Hour:
		return some(int(today.Sub(t.Truncate(24*time.Hour))/(24*time.Hour)), "day") + " ago"
	case t.Year() == now.Year():
		return "on " + t.Format("2 January")
	}
	return "on " + t.Format("2 January 2006")
}

func some(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// mays says what a session may do, a line for each permission that was granted.
func mays(granted string) []string {
	var lines []string
	for _, permission := range scope.ParseGranted(granted).Permissions() {
		if line := may(permission); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines
}

func may(permission scope.Permission) string {
	switch p := permission.(type) {
	case scope.Static:
		switch p {
		case scope.Atproto:
			return "know which account is yours"
		case scope.TransitionGeneric:
			return "do nearly everything that you can do in an app"
		case scope.TransitionChat:
			return "read and write your chat messages"
		case scope.TransitionEmail:
			return "see your email address"
		}
	case scope.RepoPermission:
		return actions(p.Actions) + " " + collections(p.Collections)
	case scope.BlobPermission:
		if slices.Equal(p.Accept, []string{"image/*"}) {
			return "upload pictures"
		}
		return "upload files (" + strings.Join(p.Accept, ", ") + ")"
	}
	return permission.String() // a kind that has no words here
}

func actions(all []scope.Action) string {
	words := map[scope.Action]string{scope.Create: "write", scope.Update: "change", scope.Delete: "delete"}
	if len(all) == 0 {
		all = []scope.Action{scope.Create, scope.Update, scope.Delete}
	}
	var said []string
	for _, action := range all {
		said = append(said, words[action])
	}
	return joined(said)
}

func collections(all []syntax.NSID) string {
	var said []string
	for _, nsid := range all {
		switch nsid {
		case appbsky.FeedPostNSID:
			said = append(said, "posts")
		case scope.Any:
			said = append(said, "anything")
		default:
			said = append(said, string(nsid)+" records")
		}
	}
	return joined(said)
}

// joined is "a, b and c".
func joined(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
