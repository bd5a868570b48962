package oauth_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
)

// kinds are all kinds that errors.go declares, by name.
func kinds(t *testing.T) map[string]oauth.Kind {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]oauth.Kind)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if of, ok := spec.Type.(*ast.Ident); !ok || of.Name != "Kind" {
			return true
		}
		text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		found[spec.Names[0].Name] = oauth.Kind(text)
		return true
	})
	if len(found) < 25 {
		t.Fatalf("only %d kinds found", len(found))
	}
	return found
}

func TestExplain(t *testing.T) {
	_, unknown := oauth.Explain(errors.New("who knows"))
	for name, kind := range kinds(t) {
		t.Run("every kind has a message that helps: "+name, func(t *testing.T) {
			status, text := oauth.Explain(fmt.Errorf("a call: %w", &oauth.Error{Kind: kind, Err: errors.New("secret detail")}))
			if text == unknown || !strings.HasSuffix(text, ".") || strings.Contains(text, "secret") {
				t.Errorf("%q", text)
			}
			if over := errors.Is(kind, oauth.ErrReauthRequired); over != (status == 401) || over && !strings.Contains(text, "log in") {
				t.Errorf("status %d, %q", status, text)
			}
			if status < 400 || status > 599 {
				t.Errorf("status %d", status)
			}
			if bare, same := oauth.Explain(kind); bare != status || same != text {
				t.Errorf("bare: %d, %q", bare, same)
			}
		})
	}
	refused := func(status int, name xrpc.ErrorName, message string) error {
		e := &xrpc.Error{Name: name, Message: message}
		e.Status = status
		return e
	}
	for _, tt := range []struct {
		name   string
		err    error
		status int
		text   string
	}{
		{"nothing", nil, 200, ""},
		{"a cause that is more special comes first", &oauth.Error{Kind: oauth.ErrSessionUnknown, Err: oauth.ErrRevoked}, 401, "has ended this session"},
		{"how long to wait is said", &oauth.Error{Kind: oauth.ErrNetwork, RetryAfter: 30 * time.Second}, 502, "try again in 30 seconds."},
		{"in minutes", &oauth.Error{Kind: oauth.ErrToken, RetryAfter: time.Hour}, 502, "try again in 60 minutes."},
		{"in hours", &oauth.Error{Kind: oauth.ErrToken, RetryAfter: 150 * time.Minute}, 502, "try again in 3 hours."},
		{"and not below a second", &oauth.Error{Kind: oauth.ErrBusy, RetryAfter: time.Millisecond}, 503, "try again in a second."},
		{"a scope that is missing", refused(403, xrpc.ErrScopeMissing, "Missing required scope"), 403, "and allow it"},
		{"too many requests", refused(429, xrpc.ErrRateLimitExceeded, "slow down"), 429, "too many requests"},
		{"what a server says", refused(400, "InvalidRequest", "text is too long"), 502, `says: "text is too long"`},
		{"P80 and it is quoted and bounded", refused(400, "InvalidRequest", "a\nb"+strings.Repeat("x", 1<<16)), 502, `"a\nbxxx`},
		{"a server that fails", refused(500, "InternalServerError", "stack trace"), 502, "could not do that"},
		{"nothing was sent", &xrpc.SendError{Sent: xrpc.SentNo, Err: errors.New("dial")}, 502, "cannot be reached"},
		{"nobody knows whether it arrived", &xrpc.SendError{Sent: xrpc.SentMaybe, Err: errors.New("reset")}, 502, "check whether it was done"},
		{"P64 what was typed that is not a handle", &oauth.Error{Kind: oauth.ErrUnresolved, Err: &identity.InputError{Reason: "is only the first part of a handle", Advice: "type the whole of it, such as alice.bsky.social"}}, 400,
			"What you typed is only the first part of a handle. Please type the whole of it, such as alice.bsky.social."},
		{"and is very long", &identity.InputError{Reason: strings.Repeat("x", 5000), Advice: strings.Repeat("y", 5000)}, 400, "What you typed xxx"},
		{"a text that is too long for its lexicon", fmt.Errorf("records: %w", lex.Validate(&appbsky.FeedPost{Text: strings.Repeat("a", 301), CreatedAt: "2026-01-02T03:04:05Z"}, lex.Strict)), 400, "That cannot be sent: text: "},
		{"a user who did not wait for the database", &oauth.Error{Kind: oauth.ErrStore, Err: context.Canceled}, 503, "stopped before it was done"},
		{"a database that does not answer", &oauth.Error{Kind: oauth.ErrStore, Err: context.DeadlineExceeded}, 503, "its database"},
		{"a time that was over", fmt.Errorf("x: %w", context.DeadlineExceeded), 503, "too long"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, text := oauth.Explain(tt.err)
			if status != tt.status || !strings.Contains(text, tt.text) || len(text) > 1<<10 {
				t.Errorf("%d, %q; want %d, %q", status, text, tt.status, tt.text)
			}
		})
	}
}
