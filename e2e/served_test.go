package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/e2e/realpds"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/service"
)

// taking serves methods of a PDS by handlers that take all that they get. They fail with a name of their own, as the
// answers of the real server have other reasons.
func taking() http.Handler {
	taken := fmt.Errorf("%w: that is a call", xrpc.ErrorName("Taken"))
	mux := http.NewServeMux()
	mux.Handle("/xrpc/", service.NotImplemented())
	service.Handle(mux, comatproto.RepoListRecords, func(context.Context, *comatproto.RepoListRecordsParams) (*comatproto.RepoListRecordsOutput, error) {
		return nil, taken
	})
	service.Handle(mux, comatproto.SyncGetBlocks, func(context.Context, *comatproto.SyncGetBlocksParams) (*xrpc.Body, error) { return nil, taken })
	service.Handle(mux, comatproto.ServerDescribeServer, func(context.Context) (*comatproto.ServerDescribeServerOutput, error) { return nil, taken })
	service.Handle(mux, comatproto.ServerCreateSession, func(context.Context, *comatproto.ServerCreateSessionInput) (*comatproto.ServerCreateSessionOutput, error) {
		return nil, taken
	}, service.MaxInput(150<<10))
	return mux
}

// What our services refuse, and by which name, is what the real server refuses. Where it is not, the difference is named
// here with its reason.
func TestServicesBesideTheServer(t *testing.T) {
	server := realpds.Start(t)
	env := server.Environment()
	alice := string(env.Account("alice").DID)
	ours := httptest.NewServer(taking())
	t.Cleanup(ours.Close)
	ask := func(transport http.RoundTripper, origin, verb, target, contentType, body string) (status int, name, message string) {
		t.Helper()
		var reader io.Reader
		if body != "" {
			reader = strings.NewReader(body)
		}
		r, err := http.NewRequestWithContext(t.Context(), verb, origin+"/xrpc/"+target, reader)
		if err != nil {
			t.Fatal(err)
		}
		if contentType != "" {
			r.Header.Set("Content-Type", contentType)
		}
		resp, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var said struct{ Error, Message string }
		json.NewDecoder(bufio.NewReader(resp.Body)).Decode(&said)
		return resp.StatusCode, said.Error, said.Message
	}
	transport := env.Transport()
	records := "com.atproto.repo.listRecords?repo=" + alice + "&collection=app.bsky.feed.post"
	const session, js = "com.atproto.server.createSession", "application/json"
	for _, tt := range []struct {
		name, verb, target, contentType, body string
		real                                  string // what the real server does otherwise, for the reason above the line
	}{
		{"a call", "GET", records, "", "", ""},
		{"a parameter is missing", "GET", "com.atproto.repo.listRecords?repo=" + alice, "", "", ""},
		{"a parameter is empty", "GET", "com.atproto.repo.listRecords?repo=&collection=app.bsky.feed.post", "", "", ""},
		{"a format is broken", "GET", "com.atproto.repo.listRecords?repo=" + alice + "&collection=post", "", "", ""},
		{"a parameter that nobody knows", "GET", records + "&newer=1", "", "", ""},
		{"an empty value", "GET", records + "&limit=&cursor=&reverse=", "", "", ""},
		{"an integer", "GET", records + "&limit=007", "", "", ""},
		{"an integer with a sign", "GET", records + "&limit=%2B7", "", "", ""},
		{"a word for an integer", "GET", records + "&limit=ten", "", "", ""},
		{"a fraction for an integer", "GET", records + "&limit=1.5", "", "", ""},
		{"an integer that is too small", "GET", records + "&limit=0", "", "", ""},
		{"an integer that is too great", "GET", records + "&limit=101", "", "", ""},
		{"an integer that comes twice", "GET", records + "&limit=1&limit=2", "", "", ""},
		{"a boolean", "GET", records + "&reverse=true", "", "", ""},
		{"a number for a boolean", "GET", records + "&reverse=1", "", "", ""},
		{"capitals for a boolean", "GET", records + "&reverse=TRUE", "", "", ""},
		{"a semicolon", "GET", records + "&cursor=a;b", "", "", ""},
		{"an array is missing", "GET", "com.atproto.sync.getBlocks?did=" + alice, "", "", ""},
		{"an array has a wrong element", "GET", "com.atproto.sync.getBlocks?did=" + alice + "&cids=bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwq&cids=x", "", "", ""},
		// HTTP has a status for it, 405, which says more.
		{"a query by POST", "POST", records, "", "", "400 InvalidRequest"},
		{"a procedure by GET", "GET", session, "", "", "400 InvalidRequest"},
		// A PDS passes on what it does not know.
		{"a method that nobody has", "GET", "com.example.nothing", "", "", "400 InvalidRequest"},
		{"a query with a body", "GET", "com.atproto.server.describeServer", js, "{}", ""},
		{"an input without a type", "POST", session, "", "{}", ""},
		{"an input of another type", "POST", session, "text/plain", "{}", ""},
		{"an input", "POST", session, js, `{"identifier":"nobody","password":"x"}`, ""},
		{"an input with a field that nobody knows", "POST", session, js, `{"identifier":"nobody","password":"x","newer":1}`, ""},
		{"an input that lacks a field", "POST", session, js, `{"identifier":"nobody"}`, ""},
		{"an input with a field of another type", "POST", session, js, `{"identifier":"nobody","password":1}`, ""},
		{"an input that is an array", "POST", session, js, "[]", ""},
		// These two are names of its framework, not of the specification.
		{"an input that is not JSON", "POST", session, js, "{", "400 SyntaxError"},
		{"an input that is too large", "POST", session, js, `{"identifier":"` + strings.Repeat("x", 200<<10) + `"}`, "413 PayloadTooLargeError"},
		{"no input", "POST", session, js, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, name, message := ask(http.DefaultTransport, ours.URL, tt.verb, tt.target, tt.contentType, tt.body)
			theirs, named, why := ask(transport, env.PDS, tt.verb, tt.target, tt.contentType, tt.body)
			refused := name != "Taken" && status != http.StatusOK
			// What the real server says to a call that it takes is another matter: the account may not be there.
			takes := theirs == http.StatusOK || named == "AuthenticationRequired" || named == "BlockNotFound"
			got := "it takes it"
			if !takes {
				got = fmt.Sprint(theirs, " ", named)
			}
			want := "it takes it"
			if refused {
				want = fmt.Sprint(status, " ", name)
			}
			if tt.real != "" {
				want = tt.real
			}
			if got != want {
				t.Errorf("the server: %s (%s); ours: %d %s (%s)", got, why, status, name, message)
			}
		})
	}
}
