package main

import (
	"strings"
	"testing"
)

func TestProgress(t *testing.T) {
	for name, tt := range map[string]struct {
		sizes [][2]int64 // done, size
	}{
		"of a known size":         {[][2]int64{{1, 100}, {50, 100}, {100, 100}}},
		"of an unknown size":      {[][2]int64{{1, -1}, {50, -1}, {100, -1}}},
		"of more than was said":   {[][2]int64{{1, 10}, {50, 10}}},
		"that begins once more":   {[][2]int64{{9, 10}, {1, 10}, {10, 10}}},
		"of nothing":              {[][2]int64{{0, 0}}},
		"that nothing is told of": {nil},
	} {
		t.Run(name, func(t *testing.T) {
			var terminal strings.Builder
			report, end := (&program{terminal: &terminal}).progress("Uploading x\x1b[31m\n")
			for _, s := range tt.sizes {
				report(s[0], s[1])
			}
			end()
			end()
			if text := terminal.String(); len(tt.sizes) > 0 && tt.sizes[0][0] > 0 && !strings.Contains(text, "Uploading x") || strings.Contains(text, "\x1b[31m") {
				t.Errorf("got %q", text)
			}
		})
	}
	report, end := (&program{}).progress("Uploading")
	report(1, 2) // nobody is there
	end()
}
