package main

import (
	"strings"
	"testing"
)

func TestProgress(t *testing.T) {
	for name, tt := range map[string]struct {
		sizes [][2]int64 // done, size
	}{
		"of a known size":         {[][2]int64{{1e5, 1e7}, {5e6, 1e7}, {1e7, 1e7}}},
		"of an unknown size":      {[][2]int64{{1e5, -1}, {5e6, -1}, {1e7, -1}}},
		"of more than was said":   {[][2]int64{{1e5, 1e6}, {5e6, 1e6}}},
		"that begins once more":   {[][2]int64{{9e5, 1e6}, {1e5, 1e6}, {1e6, 1e6}}},
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
			shown := terminal.String()
			end()
			if terminal.String() != shown {
				t.Error("the second end writes over what was printed since")
			}
			if text := terminal.String(); len(tt.sizes) > 0 && tt.sizes[0][0] > 0 && !strings.Contains(text, "Uploading x") || strings.Contains(text, "\x1b[31m") {
				t.Errorf("got %q", text)
			}
		})
	}
	t.Run("what is small has no bar", func(t *testing.T) {
		var terminal strings.Builder
		report, end := (&program{terminal: &terminal}).progress("Uploading")
		report(0, 300)
		report(300, 300)
		end()
		if terminal.Len() > 0 {
			t.Errorf("got %q", &terminal)
		}
	})
	report, end := (&program{}).progress("Uploading")
	report(1, 2) // nobody is there
	end()
}
