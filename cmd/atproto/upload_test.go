package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// linked is the blob's CID.
func linked(tb testing.TB, printed string) string {
	tb.Helper()
	var blob struct {
		Ref struct {
			Link string `json:"$link"`
		} `json:"ref"`
		Type string `json:"$type"`
	}
	if err := json.Unmarshal([]byte(printed), &blob); err != nil || blob.Type != "blob" || blob.Ref.Link == "" {
		tb.Fatalf("no blob: %s", printed)
	}
	return blob.Ref.Link
}

func TestUploadAndDownload(t *testing.T) {
	t.Chdir(t.TempDir())
	u := newUser(t).in("alice")
	file := writePNG(t)
	want := readFile(t, file)
	r := u.do("upload", file)
	r.want(t, 0, `"mimeType": "image/png"`)
	cid := linked(t, r.stdout)
	if r.stderr != "" {
		t.Errorf("no terminal, and yet %q", r.stderr)
	}
	u.typing(want).do("upload", "-", "--type", "image/x-cat", "--json").want(t, 0, `"mimeType":"image/x-cat"`)
	u.do("upload", file, "--type", "image/jpeg").want(t, 0, `"mimeType": "image/jpeg"`)
	u.do("download", cid).want(t, 1, "no record refers to it yet")
	u.typing(`{"cat":`+r.stdout+`}`).do("record", "create", "com.example.note", "--input", "-").want(t, 0)

	u.do("download", cid).want(t, 0, cid+" (", "bytes, image/png)")
	if got := readFile(t, cid); got != want {
		t.Errorf("got %d bytes", len(got))
	}
	u.do("download", "alice.test", cid).want(t, 1, "exists already")
	u.do("download", cid, "--account", "alice.test").want(t, 1, "exists already")
	u.do("download", "alice.test", cid, "-o", "other.png").want(t, 0, "other.png")
	if r := u.do("download", alice, cid, "-o", "-"); r.status != 0 || r.stdout != want || r.stderr != "" {
		t.Errorf("got %+v", r)
	}
	t.Run("a person at a terminal sees how far it is", func(t *testing.T) {
		var terminal, out, errs strings.Builder
		p := u.program(&out, &errs)
		p.terminal = &terminal
		large := "large.png" // what is small takes no time to show
		if err := os.WriteFile(large, []byte(strings.Repeat(want, 1+worthABar/len(want))), 0o600); err != nil {
			t.Fatal(err)
		}
		if status := p.run(t.Context(), []string{"upload", large}); status != 0 || !strings.Contains(terminal.String(), "Uploading "+large) || !strings.Contains(terminal.String(), "0%") {
			t.Errorf("status %d, and %q", status, terminal.String())
		}
		if linked(t, out.String()) == cid {
			t.Error("the same blob")
		}
	})
	t.Run("P82 bytes that are not those of the CID are not kept", func(t *testing.T) {
		liar := u.tapped(map[string]func(*http.Request) *http.Response{"/xrpc/com.atproto.sync.getBlob": answer(200, "image/png", "other bytes")})
		liar.do("download", cid, "-o", "liar.png").want(t, 1, "nothing was kept")
		liar.do("download", cid, "-o", "-").want(t, 1, "do not use them")
		if found, err := filepath.Glob("*liar*"); err != nil || len(found) > 0 {
			t.Errorf("left behind: %q, %v", found, err)
		}
	})
}

func TestWrongUsesOfUploadAndDownload(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "there", "")
	if err := os.Mkdir("folder", 0o755); err != nil {
		t.Fatal(err)
	}
	const cid = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
	for _, tt := range []struct {
		args   string
		status int
		want   string
	}{
		{"upload", 2, "say which file, or - for the standard input"},
		{"upload none", 1, "none"},
		{"upload folder", 1, "folder is a folder: give a file\n"},
		{"upload -", 2, "say what the standard input is"},
		{"upload there --type png", 2, "is not a media type: write it as image/jpeg"},
		{"download", 2, "say which blob: give its CID"},
		{"download x", 2, "is not the CID of a blob: it begins with bafkrei"},
		{"download nonsense", 2, "is not the CID of a blob: it begins with bafkrei"},
		{"download bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a", 2, "is not the CID of a blob: it begins with bafkrei"},
		{"download alice.test x", 2, "is not the CID of a blob"},
		{"download nobody.test " + cid, 1, "no such account is found: DNS does not know the name"},
		{"download alice.test " + cid, 1, "com.atproto.sync.getBlob"},
		{"download alice.test " + cid + " -o there", 1, "exists already: give another name, or --force"},
		{"download alice.test " + cid + " -o none/x", 1, "com.atproto.sync.getBlob"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			r := newUser(t).in("alice").do(strings.Fields(tt.args)...)
			r.want(t, tt.status, tt.want)
			if r.stdout != "" {
				t.Errorf("standard output: %s", r.stdout)
			}
		})
	}
}
