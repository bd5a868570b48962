// The raw example calls a server without generated code: for methods that no lexicon describes, for bodies that are passed
// on as they are, and for libraries that want an *http.Client. The session's proofs, nonces and refreshes are the same.
// It runs on the sandbox; against a real account only the lines marked "sandbox" change.
//
//	go run ./examples/raw
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	server := oauthtest.NewServer() // sandbox
	defer server.Close()            // sandbox
	session, err := login(ctx, server)
	if err != nil {
		return err
	}

	// A value is sent as JSON. Any status is an answer, and no error.
	var created struct{ URI, CID string }
	resp, err := session.AuthenticatedRequest(ctx, "POST", "/xrpc/com.atproto.repo.createRecord", map[string]any{
		"repo":       session.DID(),
		"collection": "app.bsky.feed.post",
		"record":     map[string]any{"$type": "app.bsky.feed.post", "text": "A raw post", "createdAt": time.Now().UTC().Format(time.RFC3339)},
	})
	if err := answer(resp, err, &created); err != nil {
		return err
	}
	fmt.Fprintln(out, "created", created.URI)

	// A reader is sent as it is. A *strings.Reader or a file can be read again, so that the request can be sent again.
	var uploaded struct {
		Blob struct {
			Size int64
		}
	}
	resp, err = session.AuthenticatedRawRequest(ctx, "POST", "/xrpc/com.atproto.repo.uploadBlob", strings.NewReader("a text file"), "text/plain")
	if err := answer(resp, err, &uploaded); err != nil {
		return err
	}
	fmt.Fprintln(out, "uploaded", uploaded.Blob.Size, "bytes")

	// Other code gets an *http.Client. It sends to the session's server alone.
	request, err := http.NewRequestWithContext(ctx, "GET", session.Host()+"/xrpc/com.atproto.server.getSession", nil)
	if err != nil {
		return err
	}
	var me struct{ Handle string }
	resp, err = session.HTTPClient().Do(request)
	if err := answer(resp, err, &me); err != nil {
		return err
	}
	fmt.Fprintln(out, "logged in as", me.Handle)

	_, err = session.AuthenticatedRequest(ctx, "GET", "https://elsewhere.example/xrpc/com.atproto.server.getSession", nil)
	fmt.Fprintln(out, "another server:", err)
	return nil
}

// answer reads a response into a value.
func answer(resp *http.Response, err error, into any) error {
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body := io.LimitReader(resp.Body, 1<<20)
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(body)
		return fmt.Errorf("%s: %s", resp.Status, text)
	}
	return json.NewDecoder(body).Decode(into)
}

// login is what examples/quickstart shows step by step.
func login(ctx context.Context, server *oauthtest.Server) (*oauth.Session, error) {
	config := oauth.Localhost("http://127.0.0.1:8080/callback", "atproto transition:generic")
	server.Environment().Configure(&config) // sandbox
	client, err := oauth.NewClient(config)
	if err != nil {
		return nil, err
	}
	login, err := client.Authorize(ctx, "alice.test")
	if err != nil {
		return nil, err
	}
	callback, err := server.Approve(ctx, login.URL, server.Environment().Account("alice")) // sandbox: the user agrees
	if err != nil {
		return nil, err
	}
	result, err := client.Callback(ctx, callback.Query(), login.Binding)
	if err != nil {
		return nil, err
	}
	return result.Session, nil
}
