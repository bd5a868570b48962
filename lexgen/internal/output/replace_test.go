//go:build unix

package output

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// replaceable is a folder, and changes to it of all kinds. What comes of them is in replaced.
func replaceable(t testing.TB) (dir string, changes []Replacement) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range map[string]string{"a.json": "old a", "b/b.json": "old b", "b/gone.json": "old gone", "mine.json": "mine", "list.json": "old list"} {
		put(t, filepath.Join(dir, name), text)
	}
	return dir, replacements(dir)
}

func replacements(dir string) []Replacement {
	return []Replacement{
		{filepath.Join(dir, "a.json"), []byte("old a"), []byte("new a")},
		{filepath.Join(dir, "b/b.json"), []byte("old b"), []byte("new b")},
		{filepath.Join(dir, "b/gone.json"), []byte("old gone"), nil},
		{filepath.Join(dir, "c/d/d.json"), nil, []byte("new d")},
		{filepath.Join(dir, "list.json"), []byte("old list"), []byte("new list")},
	}
}

func replaced() map[string]string {
	return map[string]string{"a.json": "new a", "b/b.json": "new b", "c/d/d.json": "new d", "mine.json": "mine", "list.json": "new list"}
}

// replaceSteps are all that Replace changes, in order.
func replaceSteps(t testing.TB) (steps []string) {
	t.Helper()
	dir, changes := replaceable(t)
	w := writer{double{hook: func(change string) error {
		steps = append(steps, strings.ReplaceAll(change, dir+"/", ""))
		return nil
	}}}
	if err := w.replaceAll(changes); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(replaced(), tree(t, dir)); diff != "" {
		t.Error(diff)
	}
	return steps
}

func TestReplace(t *testing.T) {
	steps := replaceSteps(t)
	t.Run("P93 all is written before anything is replaced, and the last is replaced last", func(t *testing.T) {
		var got []string
		for _, step := range steps {
			if !strings.HasPrefix(step, "remove ") || !strings.HasSuffix(step, ".tmp") {
				got = append(got, step)
			}
		}
		want := []string{
			"create .lexgen-a.json.tmp", "create b/.lexgen-b.json.tmp", "mkdir c", "mkdir c/d", "create c/d/.lexgen-d.json.tmp", "create .lexgen-list.json.tmp",
			"rename a.json", "rename b/b.json", "remove b/gone.json", "link c/d/d.json", "rename list.json",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
	for n := range steps {
		t.Run(fmt.Sprintf("P93 a failure at %s leaves all as it was", steps[n]), func(t *testing.T) {
			dir, changes := replaceable(t)
			want, step := tree(t, dir), -1
			w := writer{double{hook: func(string) error {
				if step++; step == n {
					return syscall.ENOSPC
				}
				return nil
			}}}
			err := w.replaceAll(changes)
			if strings.HasPrefix(steps[n], "link") { // a file system without second names
				want = replaced()
			} else if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "nothing was changed") {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff(want, tree(t, dir)); diff != "" {
				t.Error(diff)
			}
			if _, statErr := os.Stat(filepath.Join(dir, "c")); err != nil && statErr == nil {
				t.Error("a folder was left")
			}
		})
	}
	for n := range steps {
		t.Run(fmt.Sprintf("P93 a kill at %s is made good by the next run", steps[n]), func(t *testing.T) {
			dir, _ := replaceable(t)
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), "LEXGEN_TEST_KILL="+dir, "LEXGEN_TEST_STEP="+strconv.Itoa(n), "LEXGEN_TEST_REPLACE=1")
			if err := cmd.Run(); err == nil {
				t.Fatal("it was not killed")
			}
			have := tree(t, dir)
			if have["list.json"] != "old list" && n < len(steps)-1 {
				t.Error("the last was not replaced last")
			}
			// Whoever runs next looks at what is there.
			changes := replacements(dir)
			for i := range changes {
				changes[i].Old = nil
				if text, ok := have[strings.TrimPrefix(changes[i].Name, dir+"/")]; ok {
					changes[i].Old = []byte(text)
				}
			}
			var left []Replacement
			for _, c := range changes {
				if c.Old != nil || c.New != nil {
					left = append(left, c)
				}
			}
			if err := Replace(left); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(replaced(), tree(t, dir)); diff != "" {
				t.Error(diff)
			}
		})
	}
	for name, tc := range map[string]struct {
		prepare func(dir string) error
		want    string
	}{
		"P93 a file that was saved meanwhile":      {func(dir string) error { return os.WriteFile(dir+"/a.json", []byte("saved"), 0o644) }, "was saved meanwhile"},
		"P93 a file that was taken away meanwhile": {func(dir string) error { return os.Remove(dir + "/a.json") }, "was taken away meanwhile"},
		"P93 a file that appeared meanwhile": {func(dir string) error {
			return errors.Join(os.MkdirAll(dir+"/c/d", 0o755), os.WriteFile(dir+"/c/d/d.json", []byte("new d"), 0o644))
		}, "appeared meanwhile"},
		"P93 a link": {func(dir string) error {
			return errors.Join(os.Remove(dir+"/a.json"), os.Symlink("mine.json", dir+"/a.json"))
		}, "a link or a device"},
		"P93 a file in the place of a folder": {func(dir string) error { return os.WriteFile(dir+"/c", []byte("mine"), 0o644) }, "/c"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, changes := replaceable(t)
			if err := tc.prepare(dir); err != nil {
				t.Fatal(err)
			}
			have := tree(t, dir)
			if err := Replace(changes); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
			if diff := cmp.Diff(have, tree(t, dir)); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("P93 a file that is saved between the writing and the replacing", func(t *testing.T) {
		dir, changes := replaceable(t)
		w := writer{double{hook: func(change string) error {
			if change == "rename "+dir+"/a.json" {
				return os.WriteFile(dir+"/list.json", []byte("saved"), 0o644)
			}
			return nil
		}}}
		want := tree(t, dir)
		want["list.json"] = "saved"
		if err := w.replaceAll(changes); err == nil || !strings.Contains(err.Error(), "list.json was saved meanwhile") {
			t.Errorf("error %v", err)
		}
		if diff := cmp.Diff(want, tree(t, dir)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("P93 rights stay", func(t *testing.T) {
		dir, changes := replaceable(t)
		if err := os.Chmod(dir+"/a.json", 0o640); err != nil {
			t.Fatal(err)
		}
		if err := Replace(changes); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(dir + "/a.json"); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
	})
}
