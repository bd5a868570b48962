// Binary says how large a program of one typed call is.
package main

import (
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	dir, err := os.MkdirTemp("", "binary-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, flags := range []string{"", "-s -w"} {
		file := filepath.Join(dir, "getsession")
		if out, err := exec.Command("go", "build", "-ldflags", flags, "-o", file, "./binary/getsession").CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		fmt.Printf("a program of getSession alone, -ldflags %q: %.1f MB\n", flags, float64(info.Size())/1e6)
	}
	return nil
}
