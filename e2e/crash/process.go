package crash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gimucco/atproto-go/e2e/longrun"
	"github.com/gimucco/atproto-go/e2e/stores"
	"github.com/gimucco/atproto-go/oauth"
)

// The points of a refresh at which a process is stopped, in their order.
const (
	beforeClaim  = "before claim"
	claimWritten = "claim written"
	rechecked    = "re-checked"
	requestSent  = "request sent"
	answerHeld   = "rotated, answer held"
	answerRead   = "answer read"
	recordWrote  = "record written"
)

var points = []string{beforeClaim, claimWritten, rechecked, requestSent, answerHeld, answerRead, recordWrote}

// What a process is started for.
const (
	taskKill = "kill" // refresh, and kill yourself at the point
	taskStop = "stop" // refresh, and stop yourself at the point
	taskLoop = "loop" // refresh again and again
	taskWait = "wait" // refresh, however long that takes
)

// A clock is the time of a process. Whoever stops a process sets it ahead, as if the
// process had slept that long. It is a file, so that both see it.
type clock string

func (c clock) now() time.Time {
	text, err := os.ReadFile(string(c))
	if err != nil || len(text) == 0 {
		return time.Now()
	}
	ahead, err := time.ParseDuration(string(text))
	if err != nil {
		panic(err)
	}
	return time.Now().Add(ahead)
}

func (c clock) setAhead(d time.Duration) error {
	return os.WriteFile(string(c), []byte(d.String()), 0o600)
}

// A saboteur stops its own process at a point, once.
type saboteur struct {
	point  string
	signal syscall.Signal
	hit    atomic.Bool

	puts    atomic.Int32 // writes of a session's record so far
	refresh atomic.Bool  // a refresh request was begun
}

// reached is called at every point.
func (s *saboteur) reached(point string) {
	if point != s.point || !s.hit.CompareAndSwap(false, true) {
		return
	}
	fmt.Println("reached")
	syscall.Kill(os.Getpid(), s.signal)
	if s.signal == syscall.SIGKILL {
		select {} // until the signal is there
	}
	// The signal may stop the process a moment from now: it has to be here.
	time.Sleep(20 * time.Millisecond)
}

// child is a process of the run.
func child(job *longrun.Job) error {
	ctx := context.Background()
	s := &saboteur{point: job.Arguments["point"], signal: syscall.SIGKILL}
	if job.Task == taskStop {
		s.signal = syscall.SIGSTOP
	}
	store, err := stores.Open(ctx, job.Location)
	if err != nil {
		return err
	}
	client, err := longrun.NewClient(&job.Environment, sabotagedStore{store, s}, func(cfg *oauth.Config) {
		cfg.RoundTripper = sabotagedTransport{cfg.RoundTripper, s}
		cfg.Clock = clock(job.Arguments["clock"]).now
	})
	if err != nil {
		return err
	}
	session, err := client.Resume(ctx, job.Key)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for {
		err := session.Refresh(ctx)
		if job.Task != taskLoop {
			fmt.Println(outcome(err))
			return nil
		}
		if err != nil {
			return fmt.Errorf("in the loop: %w", err)
		}
	}
}

// outcome is how a refresh ended, in one word, or the error.
func outcome(err error) string {
	switch {
	case err == nil:
		return "refreshed"
	case errors.Is(err, oauth.ErrAmbiguousRefresh):
		return "ambiguous"
	case errors.Is(err, oauth.ErrLoggedOut):
		return "logged out"
	}
	return err.Error()
}

// A sabotagedStore reaches points at the reads and writes of sessions.
type sabotagedStore struct {
	oauth.Store
	s *saboteur
}

func (d sabotagedStore) Put(ctx context.Context, r *oauth.Record) error {
	if r.Key.Kind != oauth.RecordSession {
		return d.Store.Put(ctx, r)
	}
	n := d.s.puts.Add(1)
	if n == 1 {
		d.s.reached(beforeClaim)
	}
	err := d.Store.Put(ctx, r)
	if err == nil && n == 1 {
		d.s.reached(claimWritten)
	}
	if err == nil && n == 2 {
		d.s.reached(recordWrote)
	}
	return err
}

func (d sabotagedStore) Get(ctx context.Context, key oauth.RecordKey) (*oauth.Record, error) {
	r, err := d.Store.Get(ctx, key)
	if err == nil && key.Kind == oauth.RecordSession && d.s.puts.Load() == 1 && !d.s.refresh.Load() {
		d.s.reached(rechecked)
	}
	return r, err
}

// A sabotagedTransport reaches points at the refresh request.
type sabotagedTransport struct {
	http.RoundTripper
	s *saboteur
}

func (d sabotagedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(req.URL.Path, "/oauth/token") {
		return d.RoundTripper.RoundTrip(req)
	}
	d.s.refresh.Store(true)
	traced := req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		WroteRequest: func(httptrace.WroteRequestInfo) { d.s.reached(requestSent) },
	}))
	resp, err := d.RoundTripper.RoundTrip(traced)
	if err != nil || resp.StatusCode != http.StatusOK {
		return resp, err // asked for a nonce: the tokens are still to come
	}
	d.s.reached(answerHeld)
	resp.Body = sabotagedBody{resp.Body, d.s}
	return resp, nil
}

type sabotagedBody struct {
	io.ReadCloser
	s *saboteur
}

func (b sabotagedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.s.reached(answerRead)
	}
	return n, err
}
