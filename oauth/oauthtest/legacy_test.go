package oauthtest_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/oauth/oauthtest"
)

// A legacyRig calls the methods of app passwords' sessions without a client.
type legacyRig struct {
	t      *testing.T
	server *oauthtest.Server
	http   *http.Client
	ahead  time.Duration
}

func newLegacyRig(t *testing.T, opts ...oauthtest.Option) *legacyRig {
	r := &legacyRig{t: t}
	r.server = oauthtest.NewServer(append(opts, oauthtest.WithClock(func() time.Time { return time.Now().Add(r.ahead) }))...)
	t.Cleanup(r.server.Close)
	r.http = &http.Client{Transport: r.server.Environment().Transport()}
	return r
}

// call returns status and error name, or the answer.
func (r *legacyRig) call(method, bearer string, input any) (string, map[string]any) {
	r.t.Helper()
	verb, body := http.MethodPost, io.Reader(nil)
	if method == "getSession" {
		verb = http.MethodGet
	}
	if input != nil {
		data, err := json.Marshal(input)
		if err != nil {
			r.t.Fatal(err)
		}
		body = strings.NewReader(string(data))
	}
	req, err := http.NewRequestWithContext(r.t.Context(), verb, "https://pds.test/xrpc/com.atproto.server."+method, body)
	if err != nil {
		r.t.Fatal(err)
	}
	if input != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := r.http.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer map[string]any
	data, err := io.ReadAll(resp.Body)
	if err != nil || len(data) > 0 && json.Unmarshal(data, &answer) != nil {
		r.t.Fatalf("%v: %q", err, data)
	}
	if name, ok := answer["error"]; ok {
		return fmt.Sprintf("%d %s", resp.StatusCode, name), nil
	}
	return fmt.Sprint(resp.StatusCode), answer
}

func (r *legacyRig) login(password string) (access, refresh string) {
	r.t.Helper()
	status, answer := r.call("createSession", "", map[string]string{"identifier": "alice.test", "password": password})
	if status != "200" {
		r.t.Fatal(status)
	}
	return answer["accessJwt"].(string), answer["refreshJwt"].(string)
}

func (r *legacyRig) want(want, method, bearer string, input any) map[string]any {
	r.t.Helper()
	got, answer := r.call(method, bearer, input)
	if got != want {
		r.t.Errorf("%s: got %q, want %q", method, got, want)
	}
	return answer
}

// id is that of a refresh token.
func id(t *testing.T, token any) string {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token.(string), ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		ID string `json:"jti"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil || claims.ID == "" {
		t.Fatalf("%s: %v", payload, err)
	}
	return claims.ID
}

func TestLegacySessions(t *testing.T) {
	t.Run("X30 each token is for what it is for", func(t *testing.T) {
		r := newLegacyRig(t)
		access, refresh := r.login("alice-password")
		r.want("200", "getSession", access, nil)
		r.want("400 InvalidToken", "getSession", refresh, nil)
		r.want("400 InvalidToken", "refreshSession", access, nil)
		r.want("400 InvalidToken", "deleteSession", access, nil)
		r.want("401 AuthMissing", "refreshSession", "", nil)
		r.want("400 InvalidToken", "refreshSession", refresh[:len(refresh)-2]+"xx", nil)
		r.want("400 InvalidToken", "refreshSession", "opaque", nil)
	})
	t.Run("X30 a refresh token that was used is taken for two hours, for the same successor", func(t *testing.T) {
		r := newLegacyRig(t)
		access, first := r.login("alice-password")
		second := r.want("200", "refreshSession", first, nil)["refreshJwt"]
		r.ahead = 119 * time.Minute
		if again := r.want("200", "refreshSession", first, nil)["refreshJwt"]; id(t, again) != id(t, second) {
			t.Error("another successor")
		}
		r.want("400 ExpiredToken", "getSession", access, nil)
		r.ahead = 121 * time.Minute
		r.want("400 ExpiredToken", "refreshSession", first, nil)
		r.want("200", "refreshSession", second.(string), nil)
	})
	t.Run("X30 or not at all", func(t *testing.T) {
		r := newLegacyRig(t, oauthtest.WithRefreshGrace(0))
		_, first := r.login("alice-password")
		second := r.want("200", "refreshSession", first, nil)["refreshJwt"]
		r.want("400 ExpiredToken", "refreshSession", first, nil)
		r.want("200", "refreshSession", second.(string), nil)
	})
	t.Run("X30 the end is told by the refresh token, also by an old one", func(t *testing.T) {
		r := newLegacyRig(t)
		access, refresh := r.login("alice-password")
		r.ahead = 100 * 24 * time.Hour
		r.want("400 ExpiredToken", "refreshSession", refresh, nil)
		r.want("200", "deleteSession", refresh, nil)
		r.ahead = 0
		r.want("400 ExpiredToken", "refreshSession", refresh, nil)
		r.want("200", "getSession", access, nil) // good until it runs out
	})
	t.Run("X31 a code is for the account's own password", func(t *testing.T) {
		r := newLegacyRig(t)
		did := r.server.Environment().Account("alice").DID
		r.server.SetAuthFactor(did, "CODE")
		r.server.AddAppPassword(did, "bot", "app-password")
		login := func(password, code string) map[string]string {
			return map[string]string{"identifier": "alice.test", "password": password, "authFactorToken": code}
		}
		r.want("401 AuthFactorTokenRequired", "createSession", "", login("alice-password", ""))
		r.want("400 InvalidToken", "createSession", "", login("alice-password", "OTHER"))
		r.want("401 AuthenticationRequired", "createSession", "", login("wrong", "CODE"))
		r.want("200", "createSession", "", login("alice-password", "CODE"))
		r.want("200", "createSession", "", login("app-password", ""))
		r.server.SetTakenDown(did, true)
		r.want("401 AccountTakedown", "createSession", "", login("app-password", ""))
	})
	t.Run("X30 app passwords are managed by the account's own", func(t *testing.T) {
		r := newLegacyRig(t)
		owner, _ := r.login("alice-password")
		made := r.want("200", "createAppPassword", owner, map[string]string{"name": "bot"})
		access, refresh := r.login(made["password"].(string))
		r.want("400 InvalidToken", "createAppPassword", access, map[string]string{"name": "other"})
		r.want("400 InvalidToken", "revokeAppPassword", access, map[string]string{"name": "bot"})
		r.want("400 InvalidRequest", "createAppPassword", owner, map[string]string{"name": "bot"})
		r.want("200", "revokeAppPassword", owner, map[string]string{"name": "bot"})
		r.want("400 ExpiredToken", "refreshSession", refresh, nil)
		r.want("401 AuthenticationRequired", "createSession", "", map[string]string{"identifier": "alice.test", "password": made["password"].(string)})
	})
}
