package nilvalue_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/gimucco/atproto-go/internal/nilvalue"
)

func TestIs(t *testing.T) {
	for name, tt := range map[string]struct {
		value any
		want  bool
	}{
		"nil":                           {nil, true},
		"a nil pointer":                 {(*bytes.Buffer)(nil), true},
		"an interface of a nil pointer": {io.Reader((*bytes.Buffer)(nil)), true},
		"a nil func":                    {(func())(nil), true},
		"a pointer":                     {new(bytes.Buffer), false},
		"a func":                        {func() {}, false},
		"a value that is zero":          {0, false},
		"a struct":                      {struct{}{}, false},
		"a nil slice, which is empty":   {[]byte(nil), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := nilvalue.Is(tt.value); got != tt.want {
				t.Errorf("%t, want %t", got, tt.want)
			}
		})
	}
}
