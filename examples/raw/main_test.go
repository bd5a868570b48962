package main

import (
	"regexp"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`^created at://did:plc:\w+/app\.bsky\.feed\.post/\w+
uploaded 11 bytes
logged in as alice\.test
another server: .*elsewhere\.example.*
$`)
	if !want.MatchString(out.String()) {
		t.Errorf("it says:\n%s", &out)
	}
}
