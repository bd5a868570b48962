// Package tracing gives the requests of a client spans, and its sessions metrics, by OpenTelemetry.
package tracing

import (
	"context"
	"errors"
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/metric"

	"github.com/gimucco/atproto-go/oauth"
)

// Trace gives every request of the client a span. It is called before oauth.NewClient. The options say where spans go, if
// that is not the provider of the whole program.
func Trace(config *oauth.Config, opts ...otelhttp.Option) {
	config.WrapTransport = func(inner http.RoundTripper) http.RoundTripper {
		return otelhttp.NewTransport(inner, opts...)
	}
}

// Measure makes metrics of what the client counts.
func Measure(meter metric.Meter, client *oauth.Client) error {
	unsaved, err1 := meter.Int64ObservableGauge("atproto.sessions.unsaved", metric.WithDescription("Sessions whose tokens are in memory alone."))
	refreshes, err2 := meter.Int64ObservableCounter("atproto.sessions.refreshes", metric.WithDescription("New tokens from a server."))
	failures, err3 := meter.Int64ObservableCounter("atproto.sessions.failures", metric.WithDescription("Refreshes that will be tried again."))
	endings, err4 := meter.Int64ObservableCounter("atproto.sessions.endings", metric.WithDescription("Sessions that are over."))
	_, err5 := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := client.Stats()
		o.ObserveInt64(unsaved, int64(s.Unsaved))
		o.ObserveInt64(refreshes, int64(s.Refreshes))
		o.ObserveInt64(failures, int64(s.Failures))
		o.ObserveInt64(endings, int64(s.Endings))
		return nil
	}, unsaved, refreshes, failures, endings)
	return errors.Join(err1, err2, err3, err4, err5)
}
