package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// An output is a file to write, or "-", the standard output.
type output struct {
	name  string
	force bool // also where there is one
}

// outputFlags adds --output and --force.
func outputFlags(cmd *cobra.Command, usage string) *output {
	o := new(output)
	cmd.Flags().StringVarP(&o.name, "output", "o", "", usage)
	cmd.Flags().BoolVar(&o.force, "force", false, "write over a file that is there")
	return o
}

// check says beforehand what cannot be written.
func (p *program) check(o *output) error {
	if o.name == "-" {
		if _, ok := isTerminal(p.raw); ok {
			return errors.New("this may be anything, and a terminal would act on it: give --output a file, or send the standard output elsewhere")
		}
		return nil
	}
	if o.force {
		return nil
	}
	switch _, err := os.Lstat(o.name); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("%s exists already: give another name, or --force to write over it", o.name)
}

// write writes all of r, once accept, if there is one, has looked at all of it. A file is
// there in full or not at all.
func (p *program) write(o *output, r io.Reader, accept func(f *os.File, size int64) error) (n int64, err error) {
	if err := p.check(o); err != nil {
		return 0, err
	}
	dir := filepath.Dir(o.name)
	if o.name == "-" {
		if accept == nil {
			return io.Copy(p.raw, r)
		}
		dir = "" // that for temporary files
	}
	f, err := os.CreateTemp(dir, ".atproto-*")
	if err != nil {
		return 0, err
	}
	kept := false
	defer func() {
		f.Close()
		if !kept {
			os.Remove(f.Name())
		}
	}()
	if n, err = io.Copy(f, r); err != nil {
		return n, err
	}
	if accept != nil {
		if err := accept(f, n); err != nil {
			return n, err
		}
	}
	if o.name == "-" {
		return io.Copy(p.raw, io.NewSectionReader(f, 0, n))
	}
	if err := errors.Join(f.Chmod(0o644), f.Close()); err != nil {
		return n, err
	}
	if err := p.check(o); err != nil { // it took its time
		return n, err
	}
	if err := os.Rename(f.Name(), o.name); err != nil {
		return n, err
	}
	kept = true
	return n, nil
}
