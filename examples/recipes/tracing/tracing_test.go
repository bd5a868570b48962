package tracing

import (
	"fmt"
	"strings"
	"testing"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	metrics "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/gimucco/atproto-go/examples/recipes/internal/visit"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
)

func TestRequestsHaveSpansWithoutSecrets(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	client := visit.NewClient(t, func(config *oauth.Config) {
		Trace(config, otelhttp.WithTracerProvider(trace.NewTracerProvider(trace.WithSpanProcessor(spans))))
	})
	session := client.LogIn(t)
	if _, err := comatproto.NewClient(session).Server.GetSession(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := session.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, span := range spans.Ended() {
		fmt.Fprintln(&all, span.Name(), span.Attributes())
	}
	for _, want := range []string{"/xrpc/com.atproto.server.getSession", "/oauth/token"} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("no span of %s", want)
		}
	}
	for _, secret := range []string{"eyJ", "refresh_token", "DPoP "} {
		if strings.Contains(all.String(), secret) {
			t.Errorf("a span has %q", secret)
		}
	}
}

func TestWhatIsCountedIsMeasured(t *testing.T) {
	client := visit.NewClient(t)
	reader := metrics.NewManualReader()
	if err := Measure(metrics.NewMeterProvider(metrics.WithReader(reader)).Meter("app"), client.Client); err != nil {
		t.Fatal(err)
	}
	if err := client.LogIn(t).Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	var collected metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &collected); err != nil {
		t.Fatal(err)
	}
	values := make(map[string]int64)
	for _, m := range collected.ScopeMetrics[0].Metrics {
		switch data := m.Data.(type) {
		case metricdata.Sum[int64]:
			values[m.Name] = data.DataPoints[0].Value
		case metricdata.Gauge[int64]:
			values[m.Name] = data.DataPoints[0].Value
		}
	}
	if len(values) != 4 || values["atproto.sessions.refreshes"] != 1 || values["atproto.sessions.unsaved"] != 0 {
		t.Errorf("measured %v", values)
	}
}
