package xrpc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func TestDownloadsAreComparedWithTheirCID(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 10_000)
	changed := bytes.Clone(content)
	changed[70_000]++
	for _, tt := range []struct {
		name    string
		content []byte
		opts    []Option
		want    error
	}{
		{"X28 the bytes of the CID", content, []Option{WithCID(lex.BlobCID(content))}, nil},
		{"X28 a byte that is another", changed, []Option{WithCID(lex.BlobCID(content))}, ErrCIDMismatch},
		{"X28 bytes that are missing", content[1:], []Option{WithCID(lex.BlobCID(content))}, ErrCIDMismatch},
		{"X28 no bytes", nil, []Option{WithCID(lex.BlobCID(content))}, ErrCIDMismatch},
		{"X28 no bytes of the CID of none", nil, []Option{WithCID(lex.BlobCID(nil))}, nil},
		{"X28 nobody asks", changed, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			served(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(tt.content) }, func(t *testing.T, c *Caller) {
				d, err := Open(t.Context(), c, blob, nil, Input{}, tt.opts)
				if err != nil {
					t.Fatal(err)
				}
				defer d.Close()
				got, err := io.ReadAll(d)
				if !errors.Is(err, tt.want) || err == nil && !bytes.Equal(got, tt.content) {
					t.Errorf("read %d bytes, %v", len(got), err)
				}
				if _, again := d.Read(make([]byte, 9)); tt.want != nil && !errors.Is(again, tt.want) {
					t.Errorf("read once more: %v", again)
				}
			})
		})
	}
	record, err := lex.CID(new(mustRaw(t, `{"a":1}`)))
	if err != nil {
		t.Fatal(err)
	}
	right := string(lex.BlobCID(content))
	for name, cid := range map[string]syntax.CID{
		"of a record": record, "none": "", "cut short": syntax.CID(right[:58]), "in capitals": syntax.CID(strings.ToUpper(right)), "a password": "bafkrei" + syntax.CID(strings.Repeat("\n", 52)),
	} {
		t.Run("X28 a CID that nothing can be compared with, "+name, func(t *testing.T) {
			sent := false
			_, err := Open(t.Context(), NewCaller(roundTripDoer(func() { sent = true })), blob, nil, Input{}, []Option{WithCID(cid)})
			if err == nil || sent || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, sent: %t", err, sent)
			}
		})
	}
	t.Run("X28 a typed answer has no CID", func(t *testing.T) {
		sent := false
		_, err := Call[value](t.Context(), NewCaller(roundTripDoer(func() { sent = true })), query, nil, Input{}, []Option{WithCID(syntax.CID(right))})
		if err == nil || sent {
			t.Errorf("got %v, sent: %t", err, sent)
		}
	})
}

func TestUploadsAreHeldToTheirField(t *testing.T) {
	limits := lex.BlobLimits{MaxSize: 100, Accept: []string{"image/*", "video/mp4"}}
	bytesOf := func(n int, contentType string) *Body { return BytesBody(make([]byte, n), contentType) }
	streamOf := func(n int, contentType string) *Body {
		return StreamBody(bytes.NewReader(make([]byte, n)), -1, contentType)
	}
	for _, tt := range []struct {
		name   string
		limits lex.BlobLimits
		body   *Body
		want   string // "": it is uploaded
		sent   bool   // also if it fails
	}{
		{"X27 as it has to be", limits, bytesOf(100, "image/png"), "", true},
		{"X27 a type in other letters, with parameters", limits, bytesOf(100, "Video/MP4; codecs=avc1"), "", true},
		{"X27 too large", limits, bytesOf(101, "image/png"), "the blob has 101 bytes, at most 100 are allowed", false},
		{"X27 another type", limits, bytesOf(100, "video/webm"), `the blob is "video/webm", not image/*, video/mp4`, false},
		{"X27 no type", limits, bytesOf(100, ""), `the blob is "application/octet-stream", not image/*, video/mp4`, false},
		{"X27 a stream of a size that nobody knows, which is right", limits, streamOf(100, "image/png"), "", true},
		{"X27 a stream that turns out to be too large", limits, streamOf(101, "image/png"), "bytes, at most 100 are allowed", true},
		{"X27 a stream of another type", limits, streamOf(1, "text/plain"), `the blob is "text/plain"`, false},
		{"X27 any size", lex.BlobLimits{Accept: []string{"image/png"}}, streamOf(1000, "image/png"), "", true},
		{"X27 any type", lex.BlobLimits{MaxSize: 1000}, bytesOf(1000, "a/b"), "", true},
		{"X27 anything", lex.BlobLimits{}, bytesOf(1000, ""), "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sent, received := false, int64(0)
			served(t, func(w http.ResponseWriter, r *http.Request) {
				sent = true
				received, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "application/json")
				io.WriteString(w, "{}")
			}, func(t *testing.T, c *Caller) {
				_, err := Call[value](t.Context(), c, upload, nil, Raw(tt.body), []Option{WithBlobLimits(tt.limits)})
				if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v", err)
				}
				if _, ok := errors.AsType[*lex.ValidationError](err); err != nil && !ok {
					t.Errorf("not a *lex.ValidationError: %v", err)
				}
			})
			if sent && !tt.sent || received > 1000 {
				t.Errorf("sent: %t, %d bytes", sent, received)
			}
		})
	}
	t.Run("X27 a call that uploads nothing", func(t *testing.T) {
		if _, err := Call[value](t.Context(), NewCaller(roundTripDoer(func() {})), query, nil, Input{}, []Option{WithBlobLimits(limits)}); err == nil {
			t.Error("no error")
		}
	})
}

func TestProgress(t *testing.T) {
	const size = 1 << 18
	content := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	grows := func(t *testing.T, reports [][2]int64, size int64) {
		t.Helper()
		if len(reports) < 4 {
			t.Errorf("reported %d times", len(reports))
		}
		for i, r := range reports {
			if r[1] != size || i > 0 && r[0] < reports[i-1][0] {
				t.Errorf("report %d is %d of %d, after %d", i, r[0], r[1], reports[max(i-1, 0)][0])
			}
		}
		if n := len(reports); n > 0 && reports[n-1][0] != int64(len(content)) {
			t.Errorf("the last is %d", reports[n-1][0])
		}
	}
	for name, body := range map[string]*Body{"bytes": BytesBody(content, "a/b"), "a stream": StreamBody(bytes.NewReader(content), -1, "a/b")} {
		t.Run("P41 X11 of an upload, "+name, func(t *testing.T) {
			var reports [][2]int64
			contentType := ""
			served(t, func(w http.ResponseWriter, r *http.Request) {
				contentType = r.Header.Get("Content-Type")
				io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "application/json")
				io.WriteString(w, "{}")
			}, func(t *testing.T, c *Caller) {
				report := WithUploadProgress(func(sent, size int64) { reports = append(reports, [2]int64{sent, size}) })
				if _, err := Call[value](t.Context(), c, upload, nil, Raw(body), []Option{report}); err != nil {
					t.Fatal(err)
				}
			})
			grows(t, reports, body.Size())
			if contentType != "a/b" {
				t.Errorf("sent as %q", contentType)
			}
		})
	}
	t.Run("P41 X11 of a download", func(t *testing.T) {
		var reports [][2]int64
		served(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "262144")
			w.Write(content)
		}, func(t *testing.T, c *Caller) {
			d, err := Open(t.Context(), c, blob, nil, Input{}, []Option{WithDownloadProgress(func(received, size int64) {
				reports = append(reports, [2]int64{received, size})
			})})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if _, err := io.Copy(io.Discard, d); err != nil {
				t.Error(err)
			}
		})
		grows(t, reports, size)
	})
}

// A body that nobody could hold in memory.
func TestUploadsStream(t *testing.T) {
	t.Run("P41 X11 an upload is not held in memory", func(t *testing.T) {
		const size = 1 << 30
		var largest, received int64
		c := NewCaller(doerFunc(func(ctx context.Context, req *Request) (*http.Response, error) {
			r, err := req.Body.open(ctx)
			if err != nil {
				return nil, err
			}
			defer r.Close()
			buf := make([]byte, 1<<20)
			for {
				n, err := r.Read(buf)
				if received += int64(n); err != nil {
					break
				}
			}
			return answer(200, "application/json", "{}"), nil
		}))
		source := readFunc(func(p []byte) (int, error) {
			largest = max(largest, int64(len(p)))
			return len(p), nil
		})
		body := StreamBody(io.LimitReader(source, size), size, "a/b")
		if _, err := Call[value](t.Context(), c, upload, nil, Raw(body), nil); err != nil {
			t.Fatal(err)
		}
		if received != size || largest > 1<<20 {
			t.Errorf("%d bytes arrived, up to %d were read at once", received, largest)
		}
	})
}

func TestFileBody(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const png = "\x89PNG\x0D\x0A\x1A\x0A and more"
	for _, tt := range []struct{ name, content, want string }{
		{"picture.png", png, "image/png"},
		{"picture", png, "image/png"},
		{"not-a-page.html", png, "image/png"},
		{"notes", "some text", "text/plain; charset=utf-8"},
		{"data.json", `{"a":1}`, "application/json"},
		{"drawing.svg", `<?xml version="1.0"?><svg/>`, "image/svg+xml"},
		{"unknown.atproto-test", "\x00\x01\x02", "application/octet-stream"},
		{"empty", "", "text/plain; charset=utf-8"},
		{"large.gif", "GIF89a" + strings.Repeat("x", 10_000), "image/gif"},
	} {
		t.Run("X27 "+tt.name, func(t *testing.T) {
			body, err := FileBody(file(tt.name, tt.content))
			if err != nil {
				t.Fatal(err)
			}
			if body.ContentType() != tt.want || body.Size() != int64(len(tt.content)) || !body.Replayable() {
				t.Errorf("%q, %d bytes, replayable: %t", body.ContentType(), body.Size(), body.Replayable())
			}
			for range 2 {
				r, err := body.open(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(r)
				if diff := cmp.Diff(tt.content, string(got)); diff != "" || err != nil {
					t.Errorf("read (-want +got):\n%s, %v", diff, err)
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for name, path := range map[string]string{"none": filepath.Join(dir, "none"), "a folder": dir} {
		t.Run("X27 a file that is "+name, func(t *testing.T) {
			if _, err := FileBody(path); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v", err)
			}
		})
	}
	for name, change := range map[string]func(path string) error{
		"grew":    func(path string) error { return os.WriteFile(path, []byte("longer than it was"), 0o600) },
		"shrank":  func(path string) error { return os.Truncate(path, 1) },
		"is gone": os.Remove,
	} {
		t.Run("X27 P121 a file that "+name+" is not sent", func(t *testing.T) {
			path := file("changing", "content")
			body, err := FileBody(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := change(path); err != nil {
				t.Fatal(err)
			}
			client, err := NewClient("https://pds.test", ClientConfig{UnguardedTransport: roundTripFunc(func(*http.Request) (*http.Response, error) {
				t.Error("sent")
				return nil, io.EOF
			})})
			if err != nil {
				t.Fatal(err)
			}
			_, err = Call[value](t.Context(), NewCaller(client), upload, nil, Raw(body), nil)
			if e, ok := errors.AsType[*SendError](err); !ok || e.Sent != SentNo {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestMetadataOfPictures(t *testing.T) {
	for _, file := range []string{"../README.md", "body_file.go"} {
		t.Run("X29 are spoken of in "+file, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil || !strings.Contains(string(text), "(EXIF)") {
				t.Errorf("they are not: %v", err)
			}
		})
	}
}
