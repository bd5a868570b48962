package install

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// typescript is what version 0.3.12 of @atproto/lex made of such repositories as this package's tests have:
// new LexInstaller(…).install({additions: ["com.example.auth.basic", "com.atproto.repo.strongRef"]}).
const typescript = "testdata/typescript"

func TestTheTypeScriptToolWritesTheSame(t *testing.T) {
	want := map[string]string{}
	w := newWorld(t)
	publisher := w.publisher(example, "auth.example.com", "feed.example.com", "repo.atproto.com")
	err := fs.WalkDir(os.DirFS(typescript), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(typescript + "/" + name)
		want[name] = string(text)
		if nsid, ok := strings.CutPrefix(name, "lexicons/"); ok {
			publisher.records[strings.ReplaceAll(strings.TrimSuffix(nsid, ".json"), "/", ".")] = string(text)
		}
		return err
	})
	if err != nil || len(want) != 8 {
		t.Fatalf("%d files: %v", len(want), err)
	}
	files := func(p *project) map[string]string {
		tree := p.tree()
		for name := range tree {
			if strings.HasSuffix(name, "/") {
				delete(tree, name)
			}
		}
		return tree
	}
	t.Run("L56 L58 what is installed is the same to the byte", func(t *testing.T) {
		p := newProject(t, w)
		p.install("com.example.auth.basic", "com.atproto.repo.strongRef")
		if diff := cmp.Diff(want, files(p)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("L58 and what the other has installed is in order, and stays as it is", func(t *testing.T) {
		p := newProject(t, w)
		for name, text := range want {
			p.write(name, text)
		}
		if problems, err := Check(p.options, nil); err != nil || len(problems) > 0 {
			t.Error(problems, err)
		}
		for _, p := range []*project{p, p.update()} {
			if report := p.install(); len(report.Lines) > 0 || len(report.Warnings) > 0 {
				t.Errorf("%+v", report)
			}
		}
		if diff := cmp.Diff(want, files(p)); diff != "" {
			t.Error(diff)
		}
	})
}
