package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// libraryPath is the module that generated code stands on.
const libraryPath = "github.com/gimucco/atproto-go"

// moduleFolder finds a folder of a module that the module around root uses. The
// module's path is that, or a parent of it.
func moduleFolder(ctx context.Context, root, folder string) (string, error) {
	for module := folder; module != "."; module = path.Dir(module) {
		out, err := goCommandIn(ctx, root, []string{"list", "-m", "-f", "{{.Dir}}", module})
		dir := strings.TrimSpace(string(out))
		if err == nil && dir != "" {
			return filepath.Join(dir, filepath.FromSlash(strings.TrimPrefix(folder, module))), nil
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
	}
	return "", errors.New("the current module uses no such module; go get it first")
}

// writeModule writes a go.mod and go.sum into dir. The module needs what the library
// in root needs, and nothing else, so that no network is asked.
func writeModule(dir, module, root string) error {
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return err
	}
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(mod), "\n")
	text := fmt.Sprintf("module %s\n%s\nrequire %s v0.0.0\nreplace %s => %s\n", module, rest, libraryPath, libraryPath, root)
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(text), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "go.sum"), sum, 0o644)
}

// goCommand runs the go command in a module that writeModule made, and returns what it
// prints.
func goCommand(ctx context.Context, dir string, args ...string) ([]byte, error) {
	return goCommandIn(ctx, dir, args, "GOFLAGS=-mod=mod", "GOWORK=off", "GOPROXY=off")
}

func goCommandIn(ctx context.Context, dir string, args []string, env ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	return cmd.CombinedOutput()
}
