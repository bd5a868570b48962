package house

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A workflow runs with the permissions that it needs, and what it runs of others is pinned: a tag can be moved.
func TestWorkflowsAreSafe(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, ".github", "workflows", "*.yml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d workflows, %v", len(files), err)
	}
	uses, pinned := regexp.MustCompile(`(?m)^\s*- uses: (.*)$`), regexp.MustCompile(`^[\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name, all := filepath.Base(file), uses.FindAllStringSubmatch(string(text), -1)
		if len(all) == 0 {
			t.Errorf("%s uses no action", name)
		}
		for _, use := range all {
			if !pinned.MatchString(use[1]) {
				t.Errorf("%s: %q is not pinned to a commit, with its version behind it", name, use[1])
			}
		}
		if !strings.Contains(string(text), "\npermissions:\n  contents: read\n") {
			t.Errorf("%s does not begin with the least permissions", name)
		}
		if strings.Count(string(text), "actions/checkout@") != strings.Count(string(text), "persist-credentials: false") {
			t.Errorf("%s leaves credentials in a working copy", name)
		}
		if strings.Contains(string(text), "pull_request_target") {
			t.Errorf("%s runs the code of strangers with our rights", name)
		}
	}
}
