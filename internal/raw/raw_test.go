package raw_test

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/internal/raw"
	"github.com/gimucco/atproto-go/xrpc"
)

func TestReaderRefusesATypedNil(t *testing.T) {
	for name, body := range map[string]io.Reader{
		"a buffer": (*bytes.Buffer)(nil), "a reader of bytes": (*bytes.Reader)(nil), "a reader of text": (*strings.Reader)(nil),
		"a file": (*os.File)(nil), "any other": (*io.PipeReader)(nil),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := raw.Reader("POST", "/xrpc/a.b.c", body, "text/plain", nil); err == nil || !strings.Contains(err.Error(), "nil") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestOptionsWithoutEffectAreRefused(t *testing.T) {
	for name, option := range map[string]xrpc.Option{"WithRetry": xrpc.WithRetry(xrpc.RetryPolicy{}), "WithHeaderTimeout": xrpc.WithHeaderTimeout(time.Second)} {
		t.Run(name, func(t *testing.T) {
			_, ofJSON := raw.JSON("GET", "/xrpc/a.b.c", nil, []xrpc.Option{option})
			_, ofReader := raw.Reader("POST", "/xrpc/a.b.c", strings.NewReader("x"), "text/plain", []xrpc.Option{option})
			for _, err := range []error{ofJSON, ofReader} {
				if err == nil || !strings.Contains(err.Error(), name) {
					t.Errorf("got %v", err)
				}
			}
		})
	}
}
