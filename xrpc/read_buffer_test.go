package xrpc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOutputsOutliveTheBufferTheyWereReadInto(t *testing.T) {
	t.Run("P37 outputs and errors stay as they are while others are read", func(t *testing.T) {
		var bodies []string
		for i := range 50 {
			bodies = append(bodies, fmt.Sprintf(`{"a":"%d %s"}`, i, strings.Repeat("x", 3000*i%7000)), fmt.Sprintf(`{"b":"%d %s"`, i, strings.Repeat("y", 100)))
		}
		var got, want []string
		var outputs []*value
		var failures []*InvalidResponseError
		for _, body := range bodies {
			c := NewCaller(doerFunc(func(context.Context, *Request) (*http.Response, error) {
				return answer(200, "application/json", body), nil
			}))
			out, err := Call[value](t.Context(), c, query, nil, Input{}, nil)
			if e, ok := errors.AsType[*InvalidResponseError](err); ok {
				failures = append(failures, e)
			} else if err != nil {
				t.Fatal(err)
			}
			outputs = append(outputs, out)
		}
		for i, body := range bodies {
			want = append(want, body)
			if i%2 == 1 {
				got = append(got, string(failures[i/2].Body))
				continue
			}
			text, err := outputs[i].JSON()
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(text))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestLargeBuffersAreNotKept(t *testing.T) {
	r := new(readBuffer)
	for _, size := range []int{10, 600, 5000, 3 << 20} {
		text := strings.Repeat("x", size)
		for _, announced := range []int64{-1, int64(size), 1 << 40} {
			b, err := r.readAll(strings.NewReader(text), announced, 1<<41)
			if err != nil || string(b) != text {
				t.Fatalf("%d bytes of %d, %v", len(b), size, err)
			}
		}
	}
	if cap(r.bytes) <= maxPooledBuffer+1 {
		t.Fatalf("a buffer of %d bytes is nothing to test with", cap(r.bytes))
	}
	r.release()
	for range 100 {
		if got := readBuffers.Get().(*readBuffer); got == r {
			t.Fatal("it is kept")
		}
	}
}
