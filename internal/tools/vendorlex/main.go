// Command vendorlex copies the lexicons and the interoperability fixtures of the AT Protocol from
// the module that tools.go pins. So building, testing and generating need nothing of that module.
//
// It is the first step of `go generate ./...`. Its target folders mirror their sources: a file that
// is gone there is removed here. lexicons/lexicons.lock records the module's version and a SHA-256
// digest of every copied file.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
)

const module = "github.com/bluesky-social/indigo"

func main() {
	root := flag.String("root", ".", "root of the module to copy into")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *root); err != nil {
		fmt.Fprintln(os.Stderr, "vendorlex:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root string) error {
	src, err := find(ctx, root)
	if err != nil {
		return fmt.Errorf("find %s: %w", module, err)
	}
	lock := lockfile{Module: module, Version: src.Version}
	for _, c := range copies {
		files, err := c.mirror(os.DirFS(src.Dir), root)
		if err != nil {
			return fmt.Errorf("copy %s: %w", c.from, err)
		}
		lock.Files = append(lock.Files, files...)
	}
	return lock.write(root)
}

// source is the folder of the pinned module.
type source struct {
	Version string
	Dir     string
}

// find asks the go command for the module. The go command downloads it into the module cache if it
// is not there yet.
func find(ctx context.Context, root string) (source, error) {
	src, err := goJSON(ctx, root, "list", "-m", "-json", module)
	if err != nil || src.Dir != "" {
		return src, err
	}
	return goJSON(ctx, root, "mod", "download", "-json", module)
}

func goJSON(ctx context.Context, root string, args ...string) (source, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return source{}, fmt.Errorf("go %s: %w: %s", args[0], err, bytes.TrimSpace(stderr.Bytes()))
	}
	var src source
	if err := json.Unmarshal(out, &src); err != nil {
		return source{}, fmt.Errorf("go %s: %w", args[0], err)
	}
	return src, nil
}
