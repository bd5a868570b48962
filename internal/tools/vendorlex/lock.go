package main

import (
	"bytes"
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
)

const lockPath = "lexicons/lexicons.lock"

// lockfile says from which version of the module the copies come, and what they should contain. Its
// lines for files are those of sha256sum.
type lockfile struct {
	Module, Version string
	Files           []digest
}

func (l lockfile) encode() []byte {
	slices.SortFunc(l.Files, func(a, b digest) int { return cmp.Compare(a.Path, b.Path) })
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Written by `go generate` (internal/tools/vendorlex). DO NOT EDIT.\n")
	fmt.Fprintf(&b, "# module %s %s\n", l.Module, l.Version)
	for _, f := range l.Files {
		fmt.Fprintf(&b, "%s  %s\n", f.SHA256, f.Path)
	}
	return b.Bytes()
}

func (l lockfile) write(root string) error {
	return put(filepath.Join(root, filepath.FromSlash(lockPath)), l.encode())
}
