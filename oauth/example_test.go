package oauth_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
)

// The whole way from login to logout. The server here is a sandbox. For a real server, remove the
// lines with the sandbox.
func Example() {
	ctx := context.Background()
	server := oauthtest.NewServer()
	defer server.Close()

	config := oauth.Localhost("http://127.0.0.1:8080/callback", "atproto transition:generic")
	server.Environment().Configure(&config)
	client, err := oauth.NewClient(config)
	if err != nil {
		log.Fatal(err)
	}

	login, err := client.Authorize(ctx, "alice.test")
	if err != nil {
		log.Fatal(err)
	}
	// The user goes to login.URL, agrees, and comes back.
	callback, err := server.Approve(ctx, login.URL, server.Environment().Account("alice"))
	if err != nil {
		log.Fatal(err)
	}
	result, err := client.Callback(ctx, callback.Query(), login.Binding)
	if err != nil {
		log.Fatal(err)
	}

	api := comatproto.NewClient(result.Session)
	me, err := api.Server.GetSession(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(me.Handle)

	if err := result.Session.Logout(ctx); err != nil {
		log.Fatal(err)
	}
	_, err = api.Server.GetSession(ctx)
	fmt.Println(errors.Is(err, oauth.ErrReauthRequired))
	// Output:
	// alice.test
	// true
}

// A web application mounts the handlers, and gets the session of each request.
func ExampleWeb() {
	server := oauthtest.NewServer()
	defer server.Close()

	config := oauth.Localhost("http://127.0.0.1:8080/callback", "atproto transition:generic")
	server.Environment().Configure(&config)
	client, err := oauth.NewClient(config)
	if err != nil {
		log.Fatal(err)
	}

	web := &oauth.Web{Client: client}
	mux := http.NewServeMux()
	mux.Handle("POST /login", web.LoginHandler()) // a form with the field "identifier"
	mux.Handle("GET /callback", web.CallbackHandler())
	mux.Handle("POST /logout", web.LogoutHandler())
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		session, err := web.Session(r)
		if errors.Is(err, oauth.ErrReauthRequired) {
			fmt.Fprintln(w, "Please log in.")
			return
		}
		if err != nil {
			http.Error(w, "Please try again later.", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "You are", session.Handle())
	})

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	fmt.Print(w.Body)
	// Output: Please log in.
}

// Where would a login of this account go?
func ExampleClient_Discover() {
	server := oauthtest.NewServer(oauthtest.WithIssuer("login.test"), oauthtest.WithPDS("pds.test"))
	defer server.Close()

	config := oauth.Localhost("http://127.0.0.1:8080/callback", "atproto")
	server.Environment().Configure(&config)
	client, err := oauth.NewClient(config)
	if err != nil {
		log.Fatal(err)
	}
	found, err := client.Discover(context.Background(), "alice.test")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(found.Identity.Handle, "is at", found.PDS, "and logs in at", found.Issuer)
	// Output: alice.test is at https://pds.test and logs in at https://login.test
}
