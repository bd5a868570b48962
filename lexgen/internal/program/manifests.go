package program

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gimucco/atproto-go/lexgen/internal/emit"
	"github.com/gimucco/atproto-go/lexgen/internal/gocommand"
	"github.com/gimucco/atproto-go/lexgen/internal/plan"
)

// manifests reads what external packages call schemas, as the module around root sees them. Of one that is not there, or
// was written before there were manifests, the names are guessed, with a warning.
func manifests(ctx context.Context, root string, packages []plan.PackageConfig) (found map[string]plan.Manifest, warnings []string, err error) {
	var paths []string
	for _, p := range packages {
		if p.External {
			paths = append(paths, p.Path)
		}
	}
	if len(paths) == 0 {
		return nil, nil, nil
	}
	dirs := gocommand.Packages(ctx, root, paths)
	found = make(map[string]plan.Manifest)
	for _, path := range paths {
		if dirs[path] == "" {
			warnings = append(warnings, fmt.Sprintf("config: package %s is not among the packages that the current module can import; go get it: its names are guessed", path))
			continue
		}
		text, err := os.ReadFile(filepath.Join(dirs[path], emit.ManifestFile))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			warnings = append(warnings, fmt.Sprintf("config: package %s has no %s; an older lexgen wrote it: its names are guessed", path, emit.ManifestFile))
			continue
		case err != nil:
			return nil, nil, err
		case !strings.HasPrefix(string(text), emit.Header):
			return nil, nil, fmt.Errorf("config: package %s: %s was not written by lexgen", path, emit.ManifestFile)
		}
		if found[path], err = emit.ReadManifest(text); err != nil {
			return nil, nil, fmt.Errorf("config: package %s: %s: %w", path, emit.ManifestFile, err)
		}
	}
	return found, warnings, nil
}
