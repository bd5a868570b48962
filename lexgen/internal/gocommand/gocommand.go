// Package gocommand asks the go command: where modules are, and whether generated code compiles.
package gocommand

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Library is the module that generated code stands on.
const Library = "github.com/gimucco/atproto-go"

// WriteModule writes a go.mod and go.sum into dir. The module needs what the library
// in root needs, and nothing else, so that no network is asked.
func WriteModule(dir, module, root string) error {
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return err
	}
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(mod), "\n")
	text := fmt.Sprintf("module %s\n%s\nrequire %s v0.0.0\nreplace %s => %s\n", module, rest, Library, Library, root)
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(text), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "go.sum"), sum, 0o644)
}

// InModule runs the go command in a module that WriteModule made, and returns what it
// prints.
func InModule(ctx context.Context, dir string, args ...string) ([]byte, error) {
	return Run(ctx, dir, args, "GOFLAGS=-mod=mod", "GOWORK=off", "GOPROXY=off")
}

// Run runs the go command in dir, and returns what it prints.
func Run(ctx context.Context, dir string, args []string, env ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	return cmd.CombinedOutput()
}
