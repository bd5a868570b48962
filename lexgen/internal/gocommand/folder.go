package gocommand

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Packages finds the folders of packages that the module around root can import, by import path. It asks no network.
func Packages(ctx context.Context, root string, paths []string) map[string]string {
	args := append([]string{"list", "-e", "-find", "-mod=readonly", "-f", "{{.ImportPath}}\t{{.Dir}}"}, paths...)
	out, err := Run(ctx, root, args, "GOPROXY=off")
	dirs := make(map[string]string)
	if err != nil {
		return dirs // without a module, or without the go command, there are none
	}
	for line := range strings.Lines(string(out)) {
		if path, dir, ok := strings.Cut(strings.TrimRight(line, "\r\n"), "\t"); ok {
			dirs[path] = dir
		}
	}
	return dirs
}

// Folder finds a folder of a module that the module around root uses, as "example.org/module/folder". It asks for the
// module in the module cache, also where there is vendor/, into which the go command puts packages and nothing else.
func Folder(ctx context.Context, root, folder string) (string, error) {
	env, err := Run(ctx, root, []string{"env", "GOMOD", "GOWORK"})
	if err != nil {
		return "", fmt.Errorf("the go command is needed to find it: %w\n%s", err, env)
	}
	if mod := strings.TrimSpace(string(env)); mod == "" || mod == os.DevNull {
		return "", errors.New("there is no go.mod in the folder of the config or above it: make a module by go mod init, and go get this one")
	}
	for module := folder; module != "." && module != "/"; module = path.Dir(module) {
		out, err := Run(ctx, root, []string{"list", "-e", "-mod=readonly", "-m", "-f", "{{.Version}}\t{{.Dir}}", module})
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		version, dir, known := strings.Cut(strings.TrimRight(string(out), "\r\n"), "\t")
		if err != nil || !known || version == "" && dir == "" {
			continue
		}
		named := strings.TrimSpace(module + " " + version)
		if dir == "" {
			return "", fmt.Errorf("module %s is not in the module cache: go mod download %s", named, module)
		}
		inside := strings.TrimPrefix(strings.TrimPrefix(folder, module), "/")
		found := filepath.Join(dir, filepath.FromSlash(inside))
		if _, err := os.Stat(found); err != nil {
			return "", fmt.Errorf("module %s has no folder %s", named, inside)
		}
		return found, nil
	}
	return "", fmt.Errorf("the current module uses no such module: go get it first, as %s", folder)
}
