// Spa is an application that runs in the browser, and whose session does not: its script calls
// methods of the account's server through this program, and never holds a token. People keep
// files in their own repository with it, and look at those of others.
//
//	go run ./examples/spa    # on a sandbox in this process; its sign-in page names the accounts
//
// With an https address, a document that is published and keys (see the README), the
// same program is a confidential client, whose sessions last as long as they are used.
package main

import (
	"context"
	"embed"
	"flag"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/scope"
)

//go:embed static
var static embed.FS

// loginPage has the path to come back to in it.
var loginPage = template.Must(template.ParseFS(static, "static/login.html"))

// collection is where the files of an account are.
const collection = "com.example.spa.file"

// methods are all that the script may call.
var methods = []oauth.XRPCMethod{
	{NSID: "com.atproto.server.getSession"},
	{NSID: "com.atproto.identity.resolveHandle"},
	{NSID: "com.atproto.repo.listRecords"},
	{NSID: "com.atproto.repo.createRecord", Procedure: true},
	{NSID: "com.atproto.repo.uploadBlob", Procedure: true, MaxInput: 5 << 20},
	{NSID: "com.atproto.sync.getBlob"},
}

func main() {
	address := flag.String("addr", "127.0.0.1:8080", "`address` to listen on, on 127.0.0.1 or [::1]")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *address); err != nil {
		slog.Error(err.Error())
		os.Exit(1)
	}
}

func run(ctx context.Context, address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	home := "http://" + listener.Addr().String()
	sandbox := oauthtest.NewServer(oauthtest.WithSignInPage(home + "/sign-in"))
	defer sandbox.Close()
	handler, err := newApp(home, sandbox)
	if err != nil {
		return err
	}
	fmt.Println("Open", home)
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.Serve(listener); ctx.Err() == nil {
		return err
	}
	return nil
}

// newApp returns the application that browsers find at home, for accounts of the sandbox.
func newApp(home string, sandbox *oauthtest.Server) (http.Handler, error) {
	config := oauth.Localhost(home+"/callback", scope.Join(scope.Atproto, scope.Repo(collection, scope.Create), scope.Blob("*/*")))
	sandbox.Environment().Configure(&config)
	client, err := oauth.NewClient(config)
	if err != nil {
		return nil, err
	}
	web := &oauth.Web{Client: client, LoginPage: "/login", AfterLogout: "/login"}
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", web.Require(file("static/index.html")))
	mux.Handle("GET /app.js", file("static/app.js"))
	mux.Handle("GET /style.css", file("static/style.css"))
	mux.Handle("/xrpc/", web.XRPC(methods...))
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		loginPage.Execute(w, r.URL.Query().Get("return_to"))
	})
	mux.Handle("POST /login", web.LoginHandler())
	mux.Handle("GET /callback", web.CallbackHandler())
	mux.Handle("POST /logout", web.LogoutHandler())
	mux.Handle("/sign-in", sandbox.SignInPage())
	return guarded(mux), nil
}

func file(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, static, name) })
}

// guarded lets pages run the scripts of this site alone. What XRPC answers has a policy of its
// own, which is stricter.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}
