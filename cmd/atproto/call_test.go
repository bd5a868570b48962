package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const rawPost = `{"repo":"` + alice + `","collection":"app.bsky.feed.post","record":{"$type":"app.bsky.feed.post","text":"hello","createdAt":"2026-01-02T03:04:05Z"}}`

// echo answers each request with what it was asked, and, at some paths, with oddities.
func echo(tb testing.TB) *httptest.Server {
	tb.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := new(strings.Builder)
		fmt.Fprint(body, r.Method, " ", r.URL, " ", r.Header.Get("Content-Type"), " ", r.Header.Get("Accept-Language"), " ", r.Header.Get("Atproto-Proxy"), " ")
		text := make([]byte, 100)
		n, _ := r.Body.Read(text)
		body.Write(text[:n])
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/xrpc/com.example.bytes":
			w.Header().Set("Content-Type", "application/vnd.ipld.car")
			fmt.Fprint(w, "\x1b[31mred")
		case "/xrpc/com.example.hostile":
			fmt.Fprint(w, "{\"a\": \"\u009b31m\u202e\", \"n\": 10000000000000000000001}")
		case "/xrpc/com.example.broken":
			fmt.Fprint(w, `{"a":`)
		case "/xrpc/com.example.nothing":
		default:
			json.NewEncoder(w).Encode(map[string]string{"was": body.String()})
		}
	}))
	tb.Cleanup(server.Close)
	return server
}

func TestCall(t *testing.T) {
	t.Run("as the account; the answer is for people, or in one line for scripts", func(t *testing.T) {
		u := newUser(t).in("alice")
		u.do("call", "com.atproto.server.getSession").want(t, 0, "{\n  \"", `"handle": "alice.test"`)
		r := u.do("call", "com.atproto.server.getSession", "--json")
		if r.status != 0 || strings.Count(r.stdout, "\n") != 1 || !json.Valid([]byte(r.stdout)) {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("with an input from a file and from the standard input", func(t *testing.T) {
		u := newUser(t).in("alice")
		file := writeFile(t, filepath.Join(t.TempDir(), "post.json"), rawPost)
		u.do("call", "com.atproto.repo.createRecord", "--input", file).want(t, 0, `"uri": "at://`+alice+`/app.bsky.feed.post/`)
		u.typing(rawPost).do("call", "com.atproto.repo.createRecord", "-i", "-").want(t, 0, `"uri"`)
		r := u.do("call", "com.atproto.repo.listRecords", "-p", "repo=alice.test", "-p", "collection=app.bsky.feed.post", "-p", "limit=1", "--json")
		if r.want(t, 0, `"hello"`); strings.Count(r.stdout, "hello") != 1 {
			t.Errorf("the limit does not count: %s", r.stdout)
		}
	})
	t.Run("bytes", func(t *testing.T) {
		u := newUser(t).in("alice")
		file := writeFile(t, filepath.Join(t.TempDir(), "cat.png"), "\x89PNG\r\n\x1a\n")
		u.do("call", "com.atproto.repo.uploadBlob", "--input", file).want(t, 0, `"mimeType": "image/png"`)
		u.do("call", "com.atproto.repo.uploadBlob", "--input", file, "--input-type", "image/x-cat").want(t, 0, `"mimeType": "image/x-cat"`)
		u.typing("meow").do("call", "com.atproto.repo.uploadBlob", "--input", "-", "--input-type", "text/plain").want(t, 0, `"mimeType": "text/plain"`)
	})
	host := echo(t).URL
	for _, tt := range []struct{ name, args, want string }{
		{"a query without an account", "app.bsky.actor.getProfile --param actor=bsky.app", "GET /xrpc/app.bsky.actor.getProfile?actor=bsky.app"},
		{"a list", "app.bsky.actor.getProfiles --param actors=a --param actors=b", "getProfiles?actors=a&actors=b"},
		{"header and proxy", "com.example.thing --query --header Accept-Language:pt --proxy did:web:x.example#y", " pt did:web:x.example#y"},
		{"an unknown method, parameters as they are", "com.example.thing --query --param a=b=c --param a=", "GET /xrpc/com.example.thing?a=b%3Dc&a="},
		{"an unknown procedure", "com.example.thing --procedure", "POST /xrpc/com.example.thing"},
		{"a known method with a parameter that is newer", "app.bsky.actor.getProfile --query --param newer=1", "getProfile?newer=1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{"call", "--host", host}, strings.Fields(tt.args)...)
			var out, errs strings.Builder
			status := (&program{stdout: &out, stderr: &errs}).run(t.Context(), args)
			(result{status, out.String(), errs.String()}).want(t, 0)
			var answer struct{ Was string }
			if err := json.Unmarshal([]byte(out.String()), &answer); err != nil || !strings.Contains(answer.Was, tt.want) {
				t.Errorf("the server got %q, want %q in it", answer.Was, tt.want)
			}
		})
	}
	t.Run("what is no JSON goes to a file, in full or not at all", func(t *testing.T) {
		u := newUser(t)
		u.roundTripper = http.DefaultTransport
		name := filepath.Join(t.TempDir(), "repo.car")
		u.do("call", "com.example.bytes", "--query", "--host", host).want(t, 1, `"application/vnd.ipld.car" and not JSON: give --output FILE`)
		u.do("call", "com.example.bytes", "--query", "--host", host, "--output", name).want(t, 0)
		if got := readFile(t, name); got != "\x1b[31mred" {
			t.Errorf("got %q", got)
		}
		u.do("call", "com.example.bytes", "--query", "--host", host, "--output", name).want(t, 1, "exists already: give another name, or --force")
		u.do("call", "com.example.bytes", "--query", "--host", host, "--output", name, "--force").want(t, 0)
		if r := u.do("call", "com.example.bytes", "--query", "--host", host, "--output", "-"); r.stdout != "\x1b[31mred" {
			t.Errorf("got %q", r.stdout)
		}
		if entries, err := os.ReadDir(filepath.Dir(name)); err != nil || len(entries) != 1 {
			t.Errorf("left behind: %v, %v", entries, err)
		}
	})
	t.Run("nothing that a terminal acts on is printed, and values stay what they are", func(t *testing.T) {
		for _, flag := range []string{"--json=true", "--json=false"} {
			u := newUser(t)
			u.roundTripper = http.DefaultTransport
			r := u.do("call", "com.example.hostile", "--query", "--host", host, flag)
			r.want(t, 0, `\u009b31m\u202e`, "10000000000000000000001")
			var v map[string]any
			if err := json.Unmarshal([]byte(r.stdout), &v); err != nil || v["a"] != "\u009b31m\u202e" {
				t.Errorf("got %q, %v", v, err)
			}
		}
	})
	t.Run("odd answers", func(t *testing.T) {
		u := newUser(t)
		u.roundTripper = http.DefaultTransport
		u.do("call", "com.example.broken", "--query", "--host", host).want(t, 1, "the server's answer is not JSON")
		if r := u.do("call", "com.example.nothing", "--query", "--host", host); r.status != 0 || r.stdout != "" {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("a scope that is too small says how to get it", func(t *testing.T) {
		u := newUser(t)
		u.do("login", "--scope", "atproto", "alice.test").want(t, 0)
		u.typing(rawPost).do("call", "com.atproto.repo.createRecord", "-i", "-").want(t, 1, "may not do this: run atproto login --scope \"atproto repo:", "alice.test")
	})
}

func TestWrongUsesOfCall(t *testing.T) {
	folder := t.TempDir()
	notJSON := writeFile(t, filepath.Join(folder, "x.json"), "{")
	for _, tt := range []struct {
		args   string
		status int
		want   string
	}{
		{"", 2, "say which method: give its NSID"},
		{"a b", 2, "\"b\" is too much: atproto call takes one argument"},
		{"getSession", 2, "is not the name of a method: write it as com.atproto.server.getSession"},
		{"com.atproto.server.getSesion", 2, "did you mean com.atproto.server.getSession?"},
		{"app.bsky.feed.post", 2, "is a collection of records, and no method: see atproto record --help"},
		{"com.example.thing", 2, "say --query if it reads, --procedure if it changes something"},
		{"com.example.thing --query --procedure", 2, "leave one of them out"},
		{"com.atproto.sync.subscribeRepos", 2, "see atproto stream --help"},
		{"com.atproto.repo.listRecords", 2, "needs collection: give --param collection=…"},
		{"com.atproto.server.getSession --param x", 2, `"x" is not name=value`},
		{"com.atproto.server.getSession --param =x", 2, `is not name=value`},
		{"com.atproto.server.getSession --param x=1", 2, "has no parameters"},
		{"com.atproto.repo.listRecords --param limt=1", 2, "did you mean limit?"},
		{"app.bsky.actor.getProfile --param somethingelse=1", 2, "it has actor"},
		{"com.atproto.sync.listRepos --param limit=many", 2, `limit: "many" is not a whole number`},
		{"com.atproto.sync.listRepos --param limit=1 --param limit=2", 2, "limit is there twice"},
		{"com.atproto.repo.listRecords --param reverse=yes", 2, `"yes" is neither true nor false`},
		{"com.atproto.repo.createRecord", 2, "needs an input: give it by --input FILE"},
		{"com.atproto.server.getSession --input x", 2, "is a query, which has no input"},
		{"com.atproto.server.deleteSession --input-type image/png", 2, "there is no input"},
		{"com.atproto.repo.uploadBlob --input x --input-type png", 2, "is not a media type: write it as image/png"},
		{"com.atproto.server.getSession --header x", 2, "is not a header field"},
		{"com.atproto.server.getSession --header Authorization:x", 2, "Authorization"},
		{"com.atproto.server.getSession --proxy x", 2, "--proxy"},
		{"com.atproto.server.getSession --host ftp://x", 2, "--host: "},
		{"com.atproto.server.getSession --host x.example --account a.example", 2, "leave --account or --host out"},
		{"com.atproto.server.getSession", 1, "nobody is logged in: run atproto login HANDLE"},
		{"com.atproto.repo.createRecord --host pds.test --input " + notJSON, 1, "is not JSON: mend it"},
		{"com.atproto.repo.createRecord --host pds.test --input " + folder + "/none", 1, "no such file"},
		{"com.atproto.repo.createRecord --host pds.test --input " + folder, 1, "is a folder: give a file"},
		{"com.atproto.repo.uploadBlob --host pds.test --input " + folder, 1, "is a folder: give a file"},
		{"com.atproto.server.getSession --host nowhere.test", 1, "no such host"},
		{"com.atproto.server.describeServer --host pds.test --output " + notJSON, 1, "exists already"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			r := newUser(t).do(append([]string{"call"}, strings.Fields(tt.args)...)...)
			r.want(t, tt.status, tt.want)
			if r.stdout != "" {
				t.Errorf("standard output: %s", r.stdout)
			}
		})
	}
}

func TestCallTakesNoEndlessInput(t *testing.T) {
	u := newUser(t)
	u.stdin = io.MultiReader(strings.NewReader(`{"a":"`), io.LimitReader(endless{}, 17<<20), strings.NewReader(`"}`))
	u.do("call", "com.atproto.repo.createRecord", "--host", "pds.test", "--input", "-").want(t, 1, "has more than 16 MiB")
}

// endless is a reader that has ever more.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

func TestCallIsCompleted(t *testing.T) {
	u := newUser(t)
	for _, tt := range []struct {
		name string
		args []string
		want []string
	}{
		{"names of methods", []string{"call", "com.atproto.server.getS"}, []string{"com.atproto.server.getServiceAuth\tGet a signed token on behalf of the requesting DID for the requested service", "com.atproto.server.getSession\tGet information about the current auth session"}},
		{"nothing after it", []string{"call", "com.atproto.server.getSession", ""}, nil},
		{"parameters", []string{"call", "com.atproto.repo.listRecords", "--param", "re"}, []string{"repo=\tThe handle or DID of the repo", "reverse=\tFlag to reverse the order of the returned records"}},
		{"values of a boolean", []string{"call", "com.atproto.repo.listRecords", "--param", "reverse="}, []string{"reverse=true", "reverse=false"}},
		{"values that are known", []string{"call", "app.bsky.feed.getAuthorFeed", "--param", "filter=posts_w"}, []string{"filter=posts_with_replies", "filter=posts_with_media", "filter=posts_with_video"}},
		{"of an unknown method nothing", []string{"call", "com.example.x", "--param", ""}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := u.do(append([]string{"__complete"}, tt.args...)...)
			var got []string
			for line := range strings.Lines(r.stdout) {
				if !strings.HasPrefix(line, ":") {
					got = append(got, strings.TrimSuffix(line, "\n"))
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
