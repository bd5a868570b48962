package main

import (
	"io"
	"strings"
	"testing"
)

func TestTally(t *testing.T) {
	for _, tt := range []struct {
		name, in                string
		passed, failed, skipped int
	}{
		{"parents are not counted",
			`{"Action":"pass","Package":"p","Test":"A/x"}
			{"Action":"pass","Package":"p","Test":"A/y"}
			{"Action":"pass","Package":"p","Test":"A"}
			{"Action":"pass","Package":"p"}`, 2, 0, 0},
		{"a failure is counted with its parents",
			`{"Action":"fail","Package":"p","Test":"A/x"}
			{"Action":"fail","Package":"p","Test":"A"}
			{"Action":"fail","Package":"p"}`, 0, 2, 0},
		{"a skipped test is counted",
			`{"Action":"skip","Package":"p","Test":"A"}
			{"Action":"pass","Package":"p"}`, 0, 0, 1},
		{"a package that does not compile",
			`{"Action":"build-output","Output":"x.go:1: no"}
			{"Action":"fail","Package":"p"}`, 0, 1, 0},
		{"a run that was killed",
			`{"Action":"start","Package":"p"}
			{"Action":"pass","Package":"p","Test":"A"}`, 1, 1, 0},
		{"nothing", ``, 0, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			passed, failed, skipped, err := tally(strings.NewReader(tt.in), io.Discard)
			if err != nil || passed != tt.passed || failed != tt.failed || skipped != tt.skipped {
				t.Errorf("got %d, %d, %d, %v", passed, failed, skipped, err)
			}
		})
	}
}
