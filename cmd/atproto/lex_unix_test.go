//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// writeProgram writes a script that says what it was called with, and ends with a status.
func writeProgram(t *testing.T, dir, name, script string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestLexgenIsFound(t *testing.T) {
	const tool = `if [ "$1 $2 $3" = "tool -n lexgen" ]; then exit 0; fi`
	const noTool = `if [ "$1" = "tool" ]; then exit 1; fi`
	for name, tc := range map[string]struct {
		programs map[string]string
		version  string
		want     []string // PATH stands for the folder
		err      string
	}{
		"that of the module":                {map[string]string{"go": tool, "lexgen": ""}, "v1.2.3", []string{"go", "tool", "lexgen"}, ""},
		"the one on the PATH":               {map[string]string{"go": noTool, "lexgen": ""}, "v1.2.3", []string{"PATH/lexgen"}, ""},
		"the one on the PATH, without Go":   {map[string]string{"lexgen": ""}, "v1.2.3", []string{"PATH/lexgen"}, ""},
		"that of this version":              {map[string]string{"go": noTool}, "v1.2.3", []string{"go", "run", lexgenModule + "@v1.2.3"}, ""},
		"the newest, for a working copy":    {map[string]string{"go": noTool}, "(devel)", []string{"go", "run", lexgenModule + "@latest"}, ""},
		"none, where there is nothing":      {nil, "v1.2.3", nil, "install Go, or lexgen by go install " + lexgenModule + "@latest"},
		"the newest, where nobody knows it": {map[string]string{"go": noTool}, "unknown", []string{"go", "run", lexgenModule + "@latest"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for program, script := range tc.programs {
				writeProgram(t, dir, program, script)
			}
			t.Setenv("PATH", dir)
			got, err := lexgen(t.Context(), tc.version)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("got %q, %v", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for i := range got {
				got[i] = strings.ReplaceAll(got[i], dir, "PATH")
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLex(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir+string(os.PathListSeparator)+"/bin"+string(os.PathListSeparator)+"/usr/bin")
	writeProgram(t, dir, "go", "exit 1")
	u := newUser(t)
	for _, tc := range []struct {
		script, args string
		status       int
		out, errs    string
	}{
		{`echo "called with $*"`, "lint --json lexicons", 0, "called with lint --json lexicons\n", ""},
		{`echo "a finding" >&2; exit 1`, "lint lexicons", 1, "", "a finding"},
		{`echo "wrong usage" >&2; exit 2`, "lint --nonsense", 2, "", "wrong usage"},
		{`exit 77`, "diff a b", 1, "", ""},
		{`cat`, "install --help", 0, "typed", ""},
	} {
		writeProgram(t, dir, "lexgen", tc.script)
		r := u.typing("typed").do(append([]string{"lex"}, strings.Fields(tc.args)...)...)
		if r.status != tc.status || r.stdout != tc.out || !strings.Contains(r.stderr, tc.errs) || strings.Contains(r.stderr, "atproto:") {
			t.Errorf("atproto lex %s: %+v", tc.args, r)
		}
	}
	if r := u.do("lex", "--help"); r.status != 0 || !strings.Contains(r.stdout+r.stderr, "go get -tool") {
		t.Errorf("its help: %+v", r)
	}
}
