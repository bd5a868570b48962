package blobs

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/e2e/longrun"
	"github.com/gimucco/atproto-go/e2e/realpds"
	"github.com/gimucco/atproto-go/e2e/stores"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// trickle is how long a body takes through the slow front.
var trickle = flag.Duration("trickle", 4*time.Second, "how long a body takes through the front that trickles")

const (
	small = 1 << 20
	large = 50 << 20
	// growth is by how much more memory the large blob may take than the small one.
	growth = 8 << 20
)

func TestMain(m *testing.M) { longrun.Main(m, child) }

// A result is what a process says at its end.
type result struct {
	Sent, Received string // SHA-256 of what went up and of what came down
	Protocol       string // that the server spoke
}

// child uploads a file, refers to it from a record, and downloads it.
func child(job *longrun.Job) error {
	ctx := context.Background()
	var protocol string
	session, err := job.Resume(ctx, func(cfg *oauth.Config) {
		cfg.UnguardedTransport = watched{cfg.UnguardedTransport, &protocol}
	})
	if err != nil {
		return err
	}
	out := result{}
	if out.Sent, out.Received, err = move(ctx, session, job.Arguments["file"]); err != nil {
		return err
	}
	out.Protocol = protocol
	return json.NewEncoder(os.Stdout).Encode(out)
}

// watched notes which protocol answers come by.
type watched struct {
	http.RoundTripper
	protocol *string
}

func (w watched) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := w.RoundTripper.RoundTrip(req)
	if err == nil {
		*w.protocol = resp.Proto
	}
	return resp, err
}

// move uploads a file and downloads it, in pieces that are thrown away.
func move(ctx context.Context, session *oauth.Session, path string) (sent, received string, err error) {
	body, err := xrpc.FileBody(path)
	if err != nil {
		return "", "", err
	}
	repo := comatproto.NewClient(session).Repo
	uploaded, err := repo.UploadBlob(ctx, body, xrpc.WithOutputTimeout(5*time.Minute))
	if err != nil {
		return "", "", fmt.Errorf("upload: %w", err)
	}
	// A blob that no record refers to is not given out.
	record, err := lex.FromAny(map[string]any{"$type": "com.example.file", "file": uploaded.Blob})
	if err != nil {
		return "", "", err
	}
	if _, err := repo.CreateRecord(ctx, &comatproto.RepoCreateRecordInput{
		Repo: syntax.AtIdentifier(session.DID()), Collection: "com.example.file", Record: record,
	}); err != nil {
		return "", "", fmt.Errorf("record: %w", err)
	}
	download, err := comatproto.NewClient(session).Sync.GetBlob(ctx, &comatproto.SyncGetBlobParams{DID: session.DID(), CID: syntax.CID(uploaded.Blob.Ref)}, xrpc.WithCID(syntax.CID(uploaded.Blob.Ref)))
	if err != nil {
		return "", "", fmt.Errorf("download: %w", err)
	}
	defer download.Close()
	digest := sha256.New()
	if _, err := io.Copy(digest, download); err != nil {
		return "", "", fmt.Errorf("download: %w", err)
	}
	if sent, err = digestOf(path); err != nil {
		return "", "", err
	}
	return sent, hex.EncodeToString(digest.Sum(nil)), nil
}

func digestOf(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	digest := sha256.New()
	_, err = io.Copy(digest, file)
	return hex.EncodeToString(digest.Sum(nil)), err
}

// randomFile writes a file that cannot be compressed, nor be there already.
func randomFile(tb testing.TB, size int64) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), strconv.FormatInt(size, 10))
	file, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := io.CopyN(file, rand.Reader, size); err != nil {
		tb.Fatal(err)
	}
	if err := file.Close(); err != nil {
		tb.Fatal(err)
	}
	return path
}

func TestBlobs(t *testing.T) {
	ctx := t.Context()
	server := realpds.Start(t, "--blob-limit", strconv.Itoa(large))
	kept, err := stores.Create(ctx, "file", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kept.Close() })
	client, err := longrun.NewClient(server.Environment(), kept)
	if err != nil {
		t.Fatal(err)
	}
	session, err := longrun.Login(ctx, server, client)
	if err != nil {
		t.Fatal(err)
	}
	http2 := startFront(t, server.Environment(), true, pace{}, nil)

	// run moves a file in a process of its own, and returns its peak of memory.
	run := func(t *testing.T, env *oauthtest.Environment, size int64, protocol string) int64 {
		t.Helper()
		cmd, err := longrun.Command(ctx, &longrun.Job{
			Environment: *env, Location: kept.Location, Key: session.Key(), Arguments: map[string]string{"file": randomFile(t, size)},
		})
		if err != nil {
			t.Fatal(err)
		}
		var complaints strings.Builder
		cmd.Stderr = &complaints
		text, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, complaints.String())
		}
		var out result
		if err := json.Unmarshal(text, &out); err != nil {
			t.Fatalf("%v: %q", err, text)
		}
		if out.Sent == "" || out.Sent != out.Received || out.Protocol != protocol {
			t.Errorf("%+v, want %s", out, protocol)
		}
		usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
		if !ok {
			t.Fatal("the system does not say how much memory a process took")
		}
		return usage.Maxrss * 1024
	}
	for _, tt := range []struct {
		protocol string
		env      *oauthtest.Environment
	}{{"HTTP/1.1", server.Environment()}, {"HTTP/2.0", http2}} {
		t.Run("P41 X11 memory does not grow with a blob, over "+tt.protocol, func(t *testing.T) {
			least, most := run(t, tt.env, small, tt.protocol), run(t, tt.env, large, tt.protocol)
			t.Logf("%s: %.1f MB of memory for a blob of 1 MB, %.1f MB for one of 50 MB", tt.protocol, float64(least)/1e6, float64(most)/1e6)
			if most-least > growth {
				t.Errorf("50 MB took %d bytes more than 1 MB did", most-least)
			}
		})
		t.Run("P15 P51 all of it arrives where the nonce is stale each time, over "+tt.protocol, func(t *testing.T) {
			var mu sync.Mutex
			requests := make(map[string]int)
			front := startFront(t, server.Environment(), tt.protocol == "HTTP/2.0", pace{}, func(path string) {
				mu.Lock()
				defer mu.Unlock()
				if requests[path]++; requests[path] == 1 {
					if err := server.RotateNonce(ctx); err != nil {
						t.Error(err)
					}
				}
			})
			run(t, front, large/5, tt.protocol)
			want := map[string]int{"/xrpc/com.atproto.repo.uploadBlob": 2, "/xrpc/com.atproto.repo.createRecord": 2, "/xrpc/com.atproto.sync.getBlob": 2}
			if diff := cmp.Diff(want, requests); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
		t.Run("P83 a body that trickles arrives, over "+tt.protocol, func(t *testing.T) {
			// More than lies in buffers on the way: what its sender has sent has only half a minute to be answered.
			const size = 16 << 20
			slow := startFront(t, server.Environment(), tt.protocol == "HTTP/2.0", pace{*trickle, size}, nil)
			began := time.Now()
			run(t, slow, size, tt.protocol)
			if took := time.Since(began); took < *trickle {
				t.Errorf("it took only %s", took)
			}
		})
	}
	t.Run("X27 one that is larger than the server takes is an error of its own", func(t *testing.T) {
		_, err := comatproto.NewClient(session).Repo.UploadBlob(ctx, xrpc.ReaderAtBody(zeros{}, large+1, "application/octet-stream"))
		e, ok := errors.AsType[*xrpc.Error](err)
		if !ok || e.Status != http.StatusRequestEntityTooLarge && e.Status != http.StatusBadRequest {
			t.Errorf("got %v", err)
		}
		if err := session.Refresh(ctx); err != nil { // the session is none the worse
			t.Error(err)
		}
	})
}

// zeros has as many zeros as anybody reads.
type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}
