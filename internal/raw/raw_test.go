package raw_test

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/internal/raw"
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
