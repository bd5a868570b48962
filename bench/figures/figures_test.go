package figures_test

import (
	"context"
	"testing"

	"github.com/gimucco/atproto-go/bench/figures"
	"github.com/gimucco/atproto-go/e2e/stores"
	"github.com/gimucco/atproto-go/oauth/store"
)

// side runs an operation and what it is compared to, one after the other, and then both
// alternately for the ratio.
func side(b *testing.B, ours, base figures.Operation, baseName string) {
	for name, op := range map[string]figures.Operation{"ours": ours, baseName: base} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			if err := op(b.Context(), b.N); err != nil {
				b.Fatal(err)
			}
		})
	}
	b.Run("ratio", func(b *testing.B) {
		ratio, err := figures.Ratio(b.Context(), ours, base)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(ratio, "×")
	})
}

func crowd(b *testing.B, kept store.Store, n int) *figures.Crowd {
	b.Helper()
	c, err := figures.NewCrowd(b.Context(), kept, n)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	return c
}

// A typed call through 10,000 sessions in turn, beside one signature.
func BenchmarkCall(b *testing.B) {
	sessions, err := crowd(b, new(store.Memory), figures.Sessions).Resume(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	sign, err := figures.Sign()
	if err != nil {
		b.Fatal(err)
	}
	side(b, figures.Calls(sessions), sign, "signature")
}

// Resuming a session that is not live, beside reading its record.
func BenchmarkResume(b *testing.B) {
	b.Run("memory", func(b *testing.B) {
		resume, read := crowd(b, new(store.Memory), figures.Sessions).Resumes()
		side(b, resume, read, "read")
	})
	for _, kind := range stores.Kinds {
		b.Run(kind, func(b *testing.B) {
			s, err := stores.Create(b.Context(), kind, b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { s.Remove(context.Background()) })
			resume, read := crowd(b, s, 1000).Resumes()
			side(b, resume, read, "read")
		})
	}
}

// What an idle session costs.
func BenchmarkMemory(b *testing.B) {
	c := crowd(b, new(store.Memory), figures.Sessions)
	var heap float64
	goroutines := 0
	for b.Loop() {
		var err error
		if heap, goroutines, err = c.HeapPerSession(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(heap, "B/session")
	b.ReportMetric(float64(goroutines), "goroutines")
}

func TestCheckTakesTheBestOfThree(t *testing.T) {
	for name, tt := range map[string]struct {
		limit  float64
		values []float64
		want   float64
		calls  int
	}{
		"within at once":         {2, []float64{1, 9, 9}, 1, 1},
		"within the second time": {2, []float64{3, 2, 9}, 2, 2},
		"never within":           {2, []float64{5, 3, 4}, 3, 3},
		"not limited":            {0, []float64{5, 9, 9}, 5, 1},
	} {
		calls := 0
		f := figures.Figure{Limit: tt.limit, Measure: func(context.Context) (float64, error) {
			calls++
			return tt.values[calls-1], nil
		}}
		got, err := f.Check(t.Context())
		if err != nil || got != tt.want || calls != tt.calls {
			t.Errorf("%s: %v after %d, %v; want %v after %d", name, got, calls, err, tt.want, tt.calls)
		}
	}
}

// What outages and changes at the server cost.
func BenchmarkTrouble(b *testing.B) {
	c := crowd(b, new(store.Memory), 100)
	for name, measure := range map[string]func(context.Context) (float64, error){
		"refresh that hangs": c.Hanging, "nonce change": c.RequestsAfterANonceChange,
	} {
		b.Run(name, func(b *testing.B) {
			value, err := measure(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(value, map[bool]string{true: "requests", false: "×"}[name == "nonce change"])
		})
	}
}
