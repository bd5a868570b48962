package call

import (
	"testing"

	"github.com/gimucco/atproto-go/bench/figures"
)

// A typed call beside the same request by net/http and one signature, and beside indigo's client.
func BenchmarkCall(b *testing.B) {
	for _, protocol := range []string{"HTTP1", "HTTP2"} {
		bench, err := New(b.Context(), protocol == "HTTP2")
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(bench.Close)
		for _, callers := range []string{"serial", "parallel"} {
			operations := map[string]figures.Operation{"ours": bench.Ours, "bare": bench.Bare, "indigo": bench.Indigo}
			if callers == "parallel" {
				for name, op := range operations {
					operations[name] = Parallel(op)
				}
			}
			for _, name := range []string{"ours", "bare", "indigo"} {
				b.Run(protocol+"/"+callers+"/"+name, func(b *testing.B) {
					b.ReportAllocs()
					if err := operations[name](b.Context(), b.N); err != nil {
						b.Fatal(err)
					}
				})
			}
			for _, name := range []string{"bare", "indigo"} {
				b.Run(protocol+"/"+callers+"/ratio to "+name, func(b *testing.B) {
					ratio, err := figures.Ratio(b.Context(), operations["ours"], operations[name])
					if err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(0, "ns/op")
					b.ReportMetric(ratio, "×")
				})
			}
		}
	}
}

func TestEverybodyCalls(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		bench, err := New(t.Context(), http2)
		if err != nil {
			t.Fatal(err)
		}
		defer bench.Close()
		for name, op := range map[string]figures.Operation{"ours": bench.Ours, "bare": bench.Bare, "indigo": bench.Indigo} {
			if err := Parallel(op)(t.Context(), 16); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
