package main

import (
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	t.Run("P47 records of our own lexicons go up and come back", func(t *testing.T) {
		var out strings.Builder
		if err := run(t.Context(), &out); err != nil {
			t.Fatal(err)
		}
		want := "Soup: 2 ingredients, a variation: false\nSoup with #pepper: 2 ingredients, a variation: true\n"
		if out.String() != want {
			t.Errorf("it says:\n%s\nwant:\n%s", out.String(), want)
		}
	})
}
