package gocommand

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFolder(t *testing.T) {
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	module := t.TempDir()
	if err := WriteModule(module, "x.test", root); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOPROXY", "off")
	t.Setenv("GOFLAGS", "")
	t.Run("a folder of a module", func(t *testing.T) {
		if dir, err := Folder(t.Context(), module, Library+"/lexicons"); err != nil || dir != filepath.Join(root, "lexicons") {
			t.Errorf("%q, %v", dir, err)
		}
	})
	t.Run("P97 a folder of a module, beside vendor", func(t *testing.T) {
		if err := os.MkdirAll(filepath.Join(module, "vendor"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(module, "vendor/modules.txt"), []byte("# "+Library+" v0.0.0 => "+root+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if dir, err := Folder(t.Context(), module, Library+"/lexicons"); err != nil || dir != filepath.Join(root, "lexicons") {
			t.Errorf("%q, %v", dir, err)
		}
	})
	absent := t.TempDir()
	if err := os.WriteFile(filepath.Join(absent, "go.mod"), []byte("module y.test\n\ngo 1.26.0\n\nrequire example.test/absent v1.2.3\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ root, folder, want string }{
		"no module":                       {t.TempDir(), Library + "/lexicons", "there is no go.mod"},
		"another module":                  {module, "example.test/none/lexicons", "the current module uses no such module: go get it first, as example.test/none/lexicons"},
		"no such folder":                  {module, Library + "/lexikons", "has no folder lexikons"},
		"a module that is not downloaded": {absent, "example.test/absent/lexicons", "module example.test/absent v1.2.3 is not in the module cache: go mod download example.test/absent"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Folder(t.Context(), tc.root, tc.folder); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}
