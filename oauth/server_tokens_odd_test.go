package oauth_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/store"
)

// answeringTokens replaces the answers of the token endpoint that are wanted by what make returns of
// the members of the right one.
func answeringTokens(wanted func(*http.Request) bool, change func(req *http.Request, members map[string]any) *http.Response) func(*oauth.Config) {
	return withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
		hit := req.URL.Path == tokenPath && wanted(req)
		resp, err := next()
		if err != nil || !hit || resp.StatusCode != 200 {
			return resp, err
		}
		defer resp.Body.Close()
		var members map[string]any
		if err := json.NewDecoder(resp.Body).Decode(&members); err != nil {
			return nil, err
		}
		return change(req, members), nil
	})
}

func isExchange(req *http.Request) bool {
	return req.URL.Path == tokenPath && strings.Contains(form(req), "grant_type=authorization_code")
}

func encoded(members map[string]any) string {
	data, _ := json.Marshal(members)
	return string(data)
}

// What becomes of a token answer: at a login its tokens are used or revoked, at a refresh they are
// used unless they cannot be; there is never a panic, an error without a type, or a lost session.
func TestOddAnswersOfTokenEndpoints(t *testing.T) {
	huge := strings.Repeat("x", 400<<10)
	values := map[string]any{
		"missing": nil, "null": json.RawMessage("null"), "a number": 7, "a fraction": 3599.84, "true": true, "an object": map[string]any{"a": []int{1}}, "an array": []string{"atproto"},
		"empty": "", "huge": huge, "a line break": "a\r\nX-Injected: b", "a zero": "a\x00b", "not ASCII": "a\u00e9\u202e", "a lone surrogate": json.RawMessage(`"\ud800"`), "beyond all numbers": json.RawMessage("1e999"),
	}
	// What a member may be. The rest is refused.
	atLogin := map[string]func(value any) bool{
		"access_token":  func(any) bool { return false },
		"token_type":    func(any) bool { return false },
		"scope":         func(any) bool { return false },
		"sub":           func(any) bool { return false },
		"refresh_token": func(any) bool { return true },
		"expires_in":    func(any) bool { return true },
	}
	text := func(value any) bool {
		s, ok := value.(string)
		raw, isRaw := value.(json.RawMessage)
		return ok && s != "" || isRaw && raw[0] == '"'
	}
	atRefresh := map[string]func(value any) bool{
		"access_token":  func(any) bool { return false },
		"token_type":    func(value any) bool { return !text(value) },
		"scope":         func(value any) bool { return !text(value) },
		"sub":           func(value any) bool { return !text(value) },
		"refresh_token": func(any) bool { return true },
		"expires_in":    func(any) bool { return true },
	}
	for member := range atLogin {
		for name, value := range values {
			change := func(req *http.Request, members map[string]any) *http.Response {
				if members[member] = value; value == nil {
					delete(members, member)
				}
				return respond(req, 200, encoded(members), "DPoP-Nonce", "n")
			}
			t.Run(fmt.Sprintf("P61 P30 at a login %s is %s", member, name), func(t *testing.T) {
				server, kept := sandbox(t), new(store.Memory)
				result, err := tryLogin(t.Context(), server, newClient(t, server, withStore(kept), answeringTokens(isExchange, change)))
				if (err == nil) != atLogin[member](value) {
					t.Fatalf("got %v", err)
				}
				living := server.RevokeSessions(server.Environment().Account("alice").DID)
				if err != nil {
					if e := wantKind(t, err, oauth.ErrToken); len(e.Error()) > 2000 {
						t.Errorf("an error of %d bytes", len(e.Error()))
					}
					if living != 0 || count(t, kept.List(t.Context(), store.RecordSession, "")) != 0 {
						t.Error("the session was not revoked, or is stored")
					}
					return
				}
				if living != 1 || result.Session.DID() == "" {
					t.Errorf("%d sessions live", living)
				}
			})
			t.Run(fmt.Sprintf("P61 P30 O111 at a refresh %s is %s", member, name), func(t *testing.T) {
				server, kept := sandbox(t), new(store.Memory)
				s := login(t, server, newClient(t, server, withStore(kept), answeringTokens(isRefresh, change)))
				scope := s.Scope()
				err := s.Refresh(t.Context())
				if (err == nil) != atRefresh[member](value) {
					t.Fatalf("got %v", err)
				}
				if n := count(t, kept.List(t.Context(), store.RecordSession, "")); n != 1 {
					t.Errorf("%d records of the session", n)
				}
				if err != nil {
					if e := wantKind(t, err, oauth.ErrToken); len(e.Error()) > 2000 || errors.Is(err, oauth.ErrReauthRequired) {
						t.Errorf("got %.500v", e)
					}
					return
				}
				if err := call(t.Context(), s); err != nil || s.Scope() != scope {
					t.Errorf("then %v, scope %q", err, s.Scope())
				}
				again, err := newClient(t, server, withStore(kept)).Resume(t.Context(), s.Key())
				if err != nil {
					t.Fatal(err)
				}
				if err := call(t.Context(), again); err != nil {
					t.Errorf("resumed: %v", err)
				}
			})
		}
	}
	for name, change := range map[string]func(*http.Request, map[string]any) *http.Response{
		"another success": func(r *http.Request, m map[string]any) *http.Response { return respond(r, 201, encoded(m)) },
		"another media type": func(r *http.Request, m map[string]any) *http.Response {
			return respond(r, 200, encoded(m), "Content-Type", "text/html")
		},
		"no media type": func(r *http.Request, m map[string]any) *http.Response {
			return respond(r, 200, encoded(m), "Content-Type", "")
		},
		"something behind it": func(r *http.Request, m map[string]any) *http.Response { return respond(r, 200, encoded(m)+"<!-- -->") },
		"cut off at the end": func(r *http.Request, m map[string]any) *http.Response {
			return respond(r, 200, strings.TrimSuffix(encoded(m), "}"))
		},
		"far too large": func(r *http.Request, m map[string]any) *http.Response {
			m["zz"] = huge + huge
			return respond(r, 200, encoded(m))
		},
		"with every type wrong": func(r *http.Request, m map[string]any) *http.Response {
			m["scope"], m["sub"], m["refresh_token"], m["expires_in"], m["token_type"] = 1, 2, 3, "4 s", nil
			return respond(r, 200, encoded(m))
		},
	} {
		t.Run("P61 O111 tokens of a refresh are used, whatever the answer is like: "+name, func(t *testing.T) {
			server, kept := sandbox(t), new(store.Memory)
			s := login(t, server, newClient(t, server, withStore(kept), answeringTokens(isRefresh, change)))
			if err := s.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := call(t.Context(), s); err != nil {
				t.Error(err)
			}
			if n := server.Stats().Grants["refresh_token"]; n != 1 {
				t.Errorf("%d refreshes", n)
			}
		})
	}
}

func TestTokensInOddAnswersAreRevoked(t *testing.T) {
	for name, change := range map[string]func(*http.Request, map[string]any) *http.Response{
		"status 201": func(r *http.Request, m map[string]any) *http.Response {
			return respond(r, 201, encoded(m), "DPoP-Nonce", "n")
		},
		"status 206": func(r *http.Request, m map[string]any) *http.Response {
			return respond(r, 206, encoded(m), "DPoP-Nonce", "n")
		},
		"status 302": func(r *http.Request, m map[string]any) *http.Response {
			return respond(r, 302, encoded(m), "Location", "https://pds.test/")
		},
		"status 400": func(r *http.Request, m map[string]any) *http.Response {
			return respond(r, 400, encoded(m), "DPoP-Nonce", "n")
		},
		"status 401": func(r *http.Request, m map[string]any) *http.Response { return respond(r, 401, encoded(m)) },
		"status 403": func(r *http.Request, m map[string]any) *http.Response { return respond(r, 403, encoded(m)) },
		"status 500": func(r *http.Request, m map[string]any) *http.Response { return respond(r, 500, encoded(m)) },
		"another media type": func(r *http.Request, m map[string]any) *http.Response {
			return respond(r, 200, encoded(m), "Content-Type", "text/html")
		},
		"no media type": func(r *http.Request, m map[string]any) *http.Response {
			return respond(r, 200, encoded(m), "Content-Type", "")
		},
		"something behind it": func(r *http.Request, m map[string]any) *http.Response { return respond(r, 200, encoded(m)+"x") },
		"cut off": func(r *http.Request, m map[string]any) *http.Response {
			return respond(r, 200, strings.TrimSuffix(encoded(m), "}"))
		},
		"no nonce, and no scope": func(r *http.Request, m map[string]any) *http.Response {
			delete(m, "scope")
			return respond(r, 200, encoded(m))
		},
		"far too large": func(r *http.Request, m map[string]any) *http.Response {
			m["zz"] = strings.Repeat("x", 1<<20)
			return respond(r, 200, encoded(m))
		},
	} {
		t.Run("P61 O80 at a login: "+name, func(t *testing.T) {
			server, kept := sandbox(t), new(store.Memory)
			_, err := tryLogin(t.Context(), server, newClient(t, server, withStore(kept), answeringTokens(isExchange, change)))
			wantKind(t, err, oauth.ErrToken)
			if n := server.RevokeSessions(server.Environment().Account("alice").DID); n != 0 {
				t.Errorf("%d sessions live at the server", n)
			}
			if n := count(t, kept.List(t.Context(), store.RecordSession, "")); n != 0 {
				t.Errorf("%d sessions are stored", n)
			}
		})
	}
}

func TestTokensOfAnotherAccountAreRevoked(t *testing.T) {
	for name, tt := range map[string]struct {
		change  func(map[string]any)
		revoked int
	}{
		"P61 P9 O111 another account's are":          {func(m map[string]any) { m["sub"] = "did:plc:zzzzzzzzzzzzzzzzzzzzzzzz" }, 1},
		"P61 P9 O111 those of something else are":    {func(m map[string]any) { m["sub"] = "alice.test" }, 1},
		"P61 P9 O111 Bearer tokens are not":          {func(m map[string]any) { m["token_type"] = "Bearer" }, 0},
		"P61 P9 O111 tokens without atproto are not": {func(m map[string]any) { m["scope"] = "transition:generic" }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			clock := new(movableClock)
			server, kept := sandbox(t, oauthtest.WithClock(clock.now)), new(store.Memory)
			client := newClient(t, server, withStore(kept), clock.configure, answeringTokens(isRefresh, func(req *http.Request, m map[string]any) *http.Response {
				tt.change(m)
				return respond(req, 200, encoded(m))
			}))
			s := login(t, server, client)
			wantKind(t, s.Refresh(t.Context()), oauth.ErrToken)
			// The claim is left open: what the server says next is called by its name.
			clock.setAhead(2 * time.Minute)
			wantKind(t, s.Refresh(t.Context()), oauth.ErrAmbiguousRefresh)
			if err := client.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := server.Stats().Requests[revokePath]; n != tt.revoked {
				t.Errorf("%d revocations", n)
			}
		})
	}
}
