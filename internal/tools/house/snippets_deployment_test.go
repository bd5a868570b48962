package house

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/gimucco/atproto-go/oauth"
)

// What follows are the snippets of docs/deployment.md, in its order, so that the compiler reads them
// too. TestSnippetsOfGuidesCompile compares.

func serverOf(mux *http.ServeMux) *http.Server {
	server := &http.Server{
		Addr:              ":8080",
		Handler:           http.NewCrossOriginProtection().Handler(mux),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
	return server
}

func stopped(ctx context.Context, server *http.Server, client *oauth.Client) {
	if err := server.Shutdown(ctx); err != nil { // first: requests under way may need a refresh
		slog.WarnContext(ctx, "requests were cut off", "error", err)
	}
	if err := client.Shutdown(ctx); err != nil { // waits for refreshes, and for tokens that are not stored yet
		slog.ErrorContext(ctx, "sessions may be lost", "error", err)
	}
}

func network(config oauth.Config, ownAuthorities *x509.CertPool) oauth.Config {
	config.Proxy = &url.URL{Scheme: "http", Host: "proxy.internal:3128"} // the environment is not looked at
	config.RootCAs = ownAuthorities
	config.PrivateHosts = []string{"pds:2583"} // a server of your own network, by name and port
	config.WrapTransport = func(inner http.RoundTripper) http.RoundTripper { return traced{inner} }
	return config
}

type traced struct{ http.RoundTripper }

func sessionEvents(config oauth.Config) oauth.Config {
	config.OnEnd = func(ctx context.Context, s *oauth.Session, cause *oauth.Error) {
		slog.InfoContext(ctx, "log in again", "session", s, "cause", cause.Kind)
	}
	return config
}

var _ = []any{serverOf, stopped, network, sessionEvents}
