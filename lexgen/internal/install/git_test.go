package install

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("LEXGEN_TEST_GIT"); dir != "" {
		if err := gitOf(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// fakeGit is a command that does what git does, for one repository: dir. It writes down how it was called.
func fakeGit(t *testing.T, dir string) string {
	t.Helper()
	command, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("LEXGEN_TEST_GIT", dir)
	return command
}

func gitOf(dir string) error {
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	fmt.Fprintln(log, strings.Join(os.Args[1:], " "))
	for _, v := range os.Environ() {
		if strings.HasPrefix(v, "GIT_") {
			fmt.Fprintln(log, v)
		}
	}
	switch {
	case slices.Contains(os.Args, "checkout"):
		return os.CopyFS(".", os.DirFS(dir))
	case slices.Contains(os.Args, "rev-parse"):
		fmt.Println("0123456789abcdef")
	}
	return nil
}
