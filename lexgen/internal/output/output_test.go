//go:build unix

package output

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/lexgen/internal/emit"
	"github.com/google/go-cmp/cmp"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("LEXGEN_TEST_KILL"); dir != "" {
		killed(dir)
		return
	}
	os.Exit(m.Run())
}

// generated is the text of a generated file.
func generated(text string) string { return emit.Header + "\n\n" + text + "\n" }

func filesOf(texts map[string]string) []emit.File {
	var out []emit.File
	for name, text := range texts {
		out = append(out, emit.File{Name: name, Code: []byte(generated(text))})
	}
	slices.SortFunc(out, func(a, b emit.File) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// before is what is in two folders: generated files, and files of somebody else.
func before(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"p/a.go": generated("old a"), "p/b.go": generated("old b"), "p/gone.go": generated("old gone"), "q/a.go": generated("old q"),
		"p/mine.go": "package p // mine\n", "p/mine_test.go": "package p\n", "p/testdata/x.txt": generated("not a Go file of the folder"), "p/notes.txt": generated("no Go file"),
		"q/.mine.swp": "an editor's",
	} {
		put(t, filepath.Join(dir, name), text)
	}
	return dir
}

// wanted is what the folders are to contain, and all of them afterwards.
func wanted(dir string) []Folder {
	return []Folder{
		{Dir: filepath.Join(dir, "p"), Files: filesOf(map[string]string{"a.go": "new a", "b.go": "new b", "c.go": "new c"})},
		{Dir: filepath.Join(dir, "q"), Files: filesOf(map[string]string{"a.go": "new q"})},
		{Dir: filepath.Join(dir, "r/s"), Files: filesOf(map[string]string{"a.go": "new s"})},
	}
}

func after(t testing.TB) map[string]string {
	want := tree(t, before(t))
	delete(want, "p/gone.go")
	for name, text := range map[string]string{"p/a.go": "new a", "p/b.go": "new b", "p/c.go": "new c", "q/a.go": "new q", "r/s/a.go": "new s"} {
		want[name] = generated(text)
	}
	return want
}

func put(t testing.TB, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// tree returns the files below dir by slash-separated path.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := make(map[string]string)
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		out[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// foreign are the files that no run may move, change or lose, by path and by what they are on the disk.
func foreign(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := make(map[string]string)
	for name, text := range tree(t, dir) {
		if strings.Contains(name, "mine") || strings.HasSuffix(name, ".txt") {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			out[name] = fmt.Sprintf("%s, %s, file %d of %s", text, info.Mode(), info.Sys().(*syscall.Stat_t).Ino, info.ModTime())
		}
	}
	if len(out) != 5 {
		t.Fatalf("files of somebody else: %d", len(out))
	}
	return out
}

// A double is the real file system until hook, which is asked before every change, returns an error. Of a file that is
// created then, half is written.
type double struct {
	disk
	hook func(change string) error
}

func (d double) do(change string, then func() error) error {
	if err := d.hook(change); err != nil {
		return err
	}
	return then()
}

func (d double) MakeFolder(name string) error {
	return d.do("mkdir "+name, func() error { return d.disk.MakeFolder(name) })
}

func (d double) Create(name string, data []byte, perm fs.FileMode) error {
	err := d.hook("create " + name)
	if err != nil {
		return errors.Join(err, d.disk.Create(name, data[:len(data)/2], perm))
	}
	return d.disk.Create(name, data, perm)
}

func (d double) Link(from, to string) error {
	return d.do("link "+to, func() error { return d.disk.Link(from, to) })
}

func (d double) Rename(from, to string) error {
	return d.do("rename "+to, func() error { return d.disk.Rename(from, to) })
}

func (d double) Remove(name string) error {
	return d.do("remove "+name, func() error { return d.disk.Remove(name) })
}

// changes are all that a run changes, in order.
func changes(t testing.TB) []string {
	t.Helper()
	dir := before(t)
	var all []string
	if _, err := (writer{double{hook: func(change string) error {
		all = append(all, strings.ReplaceAll(change, dir+"/", ""))
		return nil
	}}}).write(t.Context(), wanted(dir)); err != nil {
		t.Fatal(err)
	}
	return all
}

// mixed says whether a package is half old and half new.
func mixed(files map[string]string, pkg string) bool {
	old, fresh := 0, 0
	for name, text := range files {
		if dir, base := filepath.Split(name); dir == pkg+"/" && strings.HasSuffix(base, ".go") && strings.HasPrefix(text, emit.Header) {
			if strings.Contains(text, "old") {
				old++
			} else {
				fresh++
			}
		}
	}
	return old > 0 && fresh > 0
}

// finish runs once more, as it should be, and looks at the result. half are packages that were half old and half new.
func finish(t *testing.T, dir string, mine map[string]string) {
	t.Helper()
	interrupted := tree(t, dir)
	if diff := cmp.Diff(mine, foreign(t, dir)); diff != "" {
		t.Errorf("files of somebody else:\n%s", diff)
	}
	var outdated []string
	for _, f := range wanted(dir) {
		names, err := f.Outdated()
		if err != nil {
			t.Error(err)
		}
		outdated = append(outdated, names...)
	}
	if len(outdated) == 0 && !cmp.Equal(interrupted, after(t)) {
		t.Error("check has nothing to say")
	}
	warnings, err := Write(t.Context(), wanted(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, pkg := range []string{"p", "q"} {
		if mixed(interrupted, pkg) && !strings.Contains(strings.Join(warnings, "\n"), filepath.Join(dir, pkg)+": a run was interrupted while") {
			t.Errorf("%s was half old and half new, and the next run says %q", pkg, warnings)
		}
	}
	if diff := cmp.Diff(after(t), tree(t, dir)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(mine, foreign(t, dir)); diff != "" {
		t.Errorf("files of somebody else, afterwards:\n%s", diff)
	}
	if warnings, err := Write(t.Context(), wanted(dir)); err != nil || len(warnings) > 0 {
		t.Errorf("a second time: %q, %v", warnings, err)
	}
}

func TestWrite(t *testing.T) {
	t.Run("P93 everything is written before anything is replaced, and what is stale goes last", func(t *testing.T) {
		want := []string{
			"mkdir r", "mkdir r/s",
			"create p/.lexgen-a.go.tmp", "create p/.lexgen-b.go.tmp", "create p/.lexgen-c.go.tmp", "create q/.lexgen-a.go.tmp", "create r/s/.lexgen-a.go.tmp",
			"create p/.lexgen-unfinished", "create q/.lexgen-unfinished", "create r/s/.lexgen-unfinished",
			"rename p/a.go", "rename p/b.go", "link p/c.go", "remove p/.lexgen-c.go.tmp", "rename q/a.go", "link r/s/a.go", "remove r/s/.lexgen-a.go.tmp",
			"remove p/gone.go",
			"remove p/.lexgen-unfinished", "remove q/.lexgen-unfinished", "remove r/s/.lexgen-unfinished",
		}
		if diff := cmp.Diff(want, changes(t)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("P93 what is right is left alone, and rights stay", func(t *testing.T) {
		dir := before(t)
		if err := os.Chmod(filepath.Join(dir, "p/a.go"), 0o640); err != nil {
			t.Fatal(err)
		}
		finish(t, dir, foreign(t, dir))
		if info, err := os.Stat(filepath.Join(dir, "p/a.go")); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("a.go has the rights %v: %v", info.Mode(), err)
		}
		w := writer{double{hook: func(change string) error { return errors.New("changes " + change) }}}
		if _, err := w.write(t.Context(), wanted(dir)); err != nil {
			t.Error(err)
		}
	})
	t.Run("P93 a file that lexgen did not write is in the way", func(t *testing.T) {
		for name, prepare := range map[string]func(path string) error{
			"a.go exists and was not written by lexgen":         func(path string) error { return os.WriteFile(path+"/a.go", []byte("package p"), 0o644) },
			"b.go is a folder, and would be a file":             func(path string) error { return errors.Join(os.Remove(path+"/b.go"), os.Mkdir(path+"/b.go", 0o755)) },
			"c.go is a link or a device":                        func(path string) error { return os.Symlink("mine.go", path+"/c.go") },
			".lexgen-a.go.tmp is in the way":                    func(path string) error { return os.WriteFile(path+"/.lexgen-a.go.tmp", []byte("mine"), 0o644) },
			".lexgen-unfinished is in the way, and was not wri": func(path string) error { return os.WriteFile(path+"/.lexgen-unfinished", []byte("mine"), 0o644) },
		} {
			dir := before(t)
			if err := prepare(filepath.Join(dir, "p")); err != nil {
				t.Fatal(err)
			}
			have := tree(t, dir)
			if _, err := Write(t.Context(), wanted(dir)); err == nil || !strings.Contains(err.Error(), "write "+filepath.Join(dir, "p")+": "+name) {
				t.Errorf("error %v, want one with %q", err, name)
			}
			if diff := cmp.Diff(have, tree(t, dir)); diff != "" {
				t.Errorf("%s: something has changed:\n%s", name, diff)
			}
			if _, err := os.Stat(filepath.Join(dir, "r")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: a folder was left: %v", name, err)
			}
		}
	})
}

func TestAFailureAtAnyChangeLosesNothing(t *testing.T) {
	steps := changes(t)
	first := slices.IndexFunc(steps, func(step string) bool { return strings.HasPrefix(step, "rename") })
	for _, failure := range []error{syscall.ENOSPC, syscall.EACCES, syscall.EIO} {
		for n := range steps {
			t.Run(fmt.Sprintf("P93 %s at %s", failure, steps[n]), func(t *testing.T) {
				dir := before(t)
				have, mine := tree(t, dir), foreign(t, dir)
				step := -1
				w := writer{double{hook: func(string) error {
					if step++; step == n {
						return failure
					}
					return nil
				}}}
				_, err := w.write(t.Context(), wanted(dir))
				// A file system without second names: the file takes its place all the same.
				if strings.HasPrefix(steps[n], "link") {
					if err != nil {
						t.Error(err)
					}
				} else if !errors.Is(err, failure) || !strings.HasPrefix(err.Error(), "write "+dir) {
					t.Errorf("error %v", err)
				}
				if now := tree(t, dir); n < first-3 { // the three marks may stay
					if diff := cmp.Diff(have, now); diff != "" {
						t.Errorf("something was changed:\n%s", diff)
					}
				}
				finish(t, dir, mine)
			})
		}
	}
}

// killed is what the process does that TestAKillAtAnyChangeLosesNothing kills.
func killed(dir string) {
	n, _ := strconv.Atoi(os.Getenv("LEXGEN_TEST_STEP"))
	step := -1
	w := writer{double{hook: func(change string) error {
		if step++; step != n {
			return nil
		}
		if name, ok := strings.CutPrefix(change, "create "); ok { // within the writing
			_ = os.WriteFile(name, []byte(emit.Header)[:10], 0o644)
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}}}
	if os.Getenv("LEXGEN_TEST_REPLACE") != "" {
		fmt.Println("not killed:", w.replaceAll(replacements(dir)))
		return
	}
	_, err := w.write(context.Background(), wanted(dir))
	fmt.Println("not killed:", err)
}

func TestAKillAtAnyChangeLosesNothing(t *testing.T) {
	for n, step := range changes(t) {
		t.Run("P93 SIGKILL at "+step, func(t *testing.T) {
			dir := before(t)
			mine := foreign(t, dir)
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), "LEXGEN_TEST_KILL="+dir, "LEXGEN_TEST_STEP="+strconv.Itoa(n))
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("%v: %s", err, out)
			}
			finish(t, dir, mine)
		})
	}
}

func TestRunsTakeTurns(t *testing.T) {
	t.Run("P93 two runs at once leave what one of them writes", func(t *testing.T) {
		dir := before(t)
		mine := foreign(t, dir)
		version := func(v string) []Folder {
			var out []Folder
			for _, name := range []string{"p", "q", "r/s"} {
				f := Folder{Dir: filepath.Join(dir, name)}
				for i := range 8 {
					f.Files = append(f.Files, emit.File{Name: fmt.Sprintf("f%d.go", i), Code: []byte(generated(v))})
				}
				f.Files = append(f.Files, emit.File{Name: "only" + v + ".go", Code: []byte(generated(v))})
				out = append(out, f)
			}
			return out
		}
		for range 20 {
			var group sync.WaitGroup
			for _, v := range []string{"one", "two", "three"} {
				folders := version(v)
				slices.Reverse(folders)
				group.Go(func() {
					if warnings, err := Write(t.Context(), folders); err != nil || len(warnings) > 0 {
						t.Errorf("%q, %v", warnings, err)
					}
				})
			}
			group.Wait()
			for _, pkg := range []string{"p", "q", "r/s"} {
				var texts []string
				for name, text := range tree(t, filepath.Join(dir, pkg)) {
					if strings.HasPrefix(text, emit.Header) && filepath.Ext(name) == ".go" {
						texts = append(texts, text)
					}
				}
				slices.Sort(texts)
				if len(texts) != 9 || len(slices.Compact(texts)) != 1 {
					t.Fatalf("%s is of several runs: %q", pkg, texts)
				}
			}
			if diff := cmp.Diff(mine, foreign(t, dir)); diff != "" {
				t.Fatal(diff)
			}
		}
	})
	t.Run("a run that waits can be cancelled", func(t *testing.T) {
		dir := before(t)
		release, err := lock(t.Context(), filepath.Join(dir, "p"))
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := Write(ctx, wanted(dir)); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("a run that waited for a folder that was taken away makes it again", func(t *testing.T) {
		dir := before(t)
		started := make(chan struct{})
		var once sync.Once
		fails := errors.New("the first run fails")
		first := writer{double{hook: func(change string) error {
			if !strings.HasPrefix(change, "create") {
				return nil
			}
			once.Do(func() { close(started) })
			return fails
		}}}
		var group sync.WaitGroup
		group.Go(func() {
			if _, err := first.write(t.Context(), wanted(dir)); !errors.Is(err, fails) {
				t.Error(err)
			}
		})
		<-started
		if _, err := Write(t.Context(), wanted(dir)); err != nil {
			t.Error(err)
		}
		group.Wait()
		if diff := cmp.Diff(after(t), tree(t, dir)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAnEditorSavesMeanwhile(t *testing.T) {
	const text = "package p // typed by hand\n"
	steps := changes(t)
	for _, name := range []string{"p/a.go", "p/c.go", "p/gone.go", "p/other.go"} {
		for n, step := range steps {
			t.Run(fmt.Sprintf("P93 %s before %s", name, step), func(t *testing.T) {
				dir := before(t)
				mine := foreign(t, dir)
				file := filepath.Join(dir, name)
				at := -1
				w := writer{double{hook: func(change string) error {
					at++
					replaces := change == "rename "+file || change == "remove "+file // a system call, not to be got between
					if at == n && !replaces {
						put(t, file, text)
					}
					return nil
				}}}
				_, err := w.write(t.Context(), wanted(dir))
				have, _ := os.ReadFile(file)
				saved := n < slices.IndexFunc(steps, func(s string) bool { return s == "rename "+name || s == "link "+name || s == "remove "+name })
				if saved && string(have) != text {
					t.Errorf("what was saved is lost: %q, %v", have, err)
				}
				if err != nil && !strings.Contains(err.Error(), filepath.Base(name)) {
					t.Errorf("error %v", err)
				}
				if diff := cmp.Diff(mine, foreign(t, dir)); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func TestPlaces(t *testing.T) {
	file := filesOf(map[string]string{"a.go": "new"})
	for name, tc := range map[string]struct {
		dirs    []string
		prepare func() error
		want    map[string]string // folder → file there; nil: an error
		err     string
	}{
		"P94 one folder twice":               {dirs: []string{"p", "q/../p"}, err: "p and q/../p are one folder"},
		"P94 one folder by a link":           {dirs: []string{"p", "link"}, prepare: func() error { return errors.Join(os.Mkdir("p", 0o755), os.Symlink("p", "link")) }, err: "link and p are one folder"},
		"P94 a folder in another":            {dirs: []string{"p", "p/inner"}, want: map[string]string{"p/a.go": "", "p/inner/a.go": ""}},
		"P94 the current folder":             {dirs: []string{"."}, want: map[string]string{"a.go": ""}},
		"P94 the folder above":               {dirs: []string{"../" + "here"}, want: map[string]string{"a.go": ""}},
		"P94 a link to a folder":             {dirs: []string{"link"}, prepare: func() error { return errors.Join(os.Mkdir("p", 0o755), os.Symlink("p", "link")) }, want: map[string]string{"p/a.go": ""}},
		"P94 below a link to a folder":       {dirs: []string{"link/x"}, prepare: func() error { return errors.Join(os.Mkdir("p", 0o755), os.Symlink("p", "link")) }, want: map[string]string{"p/x/a.go": ""}},
		"P94 a link to nothing":              {dirs: []string{"link"}, prepare: func() error { return os.Symlink("none", "link") }, err: "link is a link to nothing"},
		"P94 a file that is in the place of": {dirs: []string{"p/x"}, prepare: func() error { return os.WriteFile("p", nil, 0o644) }, err: "p/x"},
	} {
		t.Run(name, func(t *testing.T) {
			here := filepath.Join(t.TempDir(), "here")
			if err := os.Mkdir(here, 0o755); err != nil {
				t.Fatal(err)
			}
			t.Chdir(here)
			if tc.prepare != nil {
				if err := tc.prepare(); err != nil {
					t.Fatal(err)
				}
			}
			var folders []Folder
			for _, dir := range tc.dirs {
				folders = append(folders, Folder{Dir: dir, Files: file})
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // who takes one folder for two waits for itself
			defer cancel()
			_, err := Write(ctx, folders)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("error %v, want one with %q", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for name := range tc.want {
				if info, err := os.Lstat(name); err != nil || !info.Mode().IsRegular() {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}
