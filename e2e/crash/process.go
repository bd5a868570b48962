package crash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gimucco/atproto-go/e2e/longrun"
	"github.com/gimucco/atproto-go/e2e/stores"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/store"
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
	taskTerm = "term" // refresh, and be told to end at the point
	taskLoop = "loop" // refresh again and again
)

// signals are what the tasks do at their point.
var signals = map[string]syscall.Signal{
	taskKill: syscall.SIGKILL, taskStop: syscall.SIGSTOP, taskTerm: syscall.SIGTERM,
}

// What a process says.
const (
	saysReady   = "ready"
	saysReached = "reached"
	saysEnded   = "shut down"
	saysRenewed = "refreshed"
)

// shutdownLimit is how long a process that is told to end takes for it at most.
const shutdownLimit = 20 * time.Second

// A saboteur sends a signal to its own process at a point, once.
type saboteur struct {
	point  string
	signal syscall.Signal
	hit    atomic.Bool
	ending chan struct{} // closed when a shutdown has begun

	puts    atomic.Int32 // writes of a session's record so far
	refresh atomic.Bool  // a refresh request was begun
}

// reached is called at every point.
func (s *saboteur) reached(point string) {
	if point != s.point || !s.hit.CompareAndSwap(false, true) {
		return
	}
	woken := make(chan os.Signal, 1)
	signal.Notify(woken, syscall.SIGCONT)
	fmt.Println(saysReached)
	syscall.Kill(os.Getpid(), s.signal)
	// The signal may come a moment from now: what it does has to be done here.
	switch s.signal {
	case syscall.SIGKILL:
		select {}
	case syscall.SIGSTOP:
		<-woken
	case syscall.SIGTERM:
		<-s.ending
	}
}

// endOnTerm ends the process in good order when it is told to.
func (s *saboteur) endOnTerm(client *oauth.Client) {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM)
	go func() {
		<-told
		// A shutdown without time only begins.
		over, cancel := context.WithCancel(context.Background())
		cancel()
		client.Shutdown(over)
		close(s.ending)
		ctx, cancel := context.WithTimeout(context.Background(), shutdownLimit)
		defer cancel()
		if err := client.Shutdown(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(saysEnded)
		os.Exit(0)
	}()
}

// child is a process of the run.
func child(job *longrun.Job) error {
	ctx := context.Background()
	s := &saboteur{point: job.Arguments["point"], signal: signals[job.Task], ending: make(chan struct{})}
	kept, err := stores.Open(ctx, job.Location)
	if err != nil {
		return err
	}
	client, err := longrun.NewClient(&job.Environment, sabotagedStore{kept, s}, func(cfg *oauth.Config) {
		cfg.UnguardedTransport = sabotagedTransport{cfg.UnguardedTransport, s}
	})
	if err != nil {
		return err
	}
	s.endOnTerm(client)
	session, err := client.Resume(ctx, job.Key)
	if err != nil {
		return err
	}
	fmt.Println(saysReady)
	for again := true; ; {
		err := session.Refresh(ctx)
		temporary, _ := errors.AsType[*oauth.Error](err)
		switch {
		case job.Task == taskStop && again && temporary != nil && temporary.Retryable:
			// What slept in the midst of a call to the store wakes up when its time is over. That
			// is a failure like any other, and tried again as any program would.
			again = false
			time.Sleep(temporary.RetryAfter)
		case job.Task == taskTerm, errors.Is(err, oauth.ErrShutdown):
			select {} // until the shutdown is done
		case job.Task != taskLoop:
			fmt.Println(outcome(err))
			return nil
		case err != nil:
			return fmt.Errorf("in the loop: %w", err)
		}
	}
}

// outcome is how a refresh ended, in one word, or the error.
func outcome(err error) string {
	switch {
	case err == nil:
		return saysRenewed
	case errors.Is(err, oauth.ErrAmbiguousRefresh):
		return "ambiguous"
	case errors.Is(err, oauth.ErrLoggedOut):
		return "logged out"
	}
	return err.Error()
}

// A sabotagedStore reaches points at the reads and writes of sessions.
type sabotagedStore struct {
	store.Store
	s *saboteur
}

func (d sabotagedStore) Put(ctx context.Context, r *store.Record) error {
	if r.Key.Kind != store.RecordSession {
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

func (d sabotagedStore) Get(ctx context.Context, key store.RecordKey) (*store.Record, error) {
	r, err := d.Store.Get(ctx, key)
	if err == nil && key.Kind == store.RecordSession && d.s.puts.Load() == 1 && !d.s.refresh.Load() {
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
	if !isTokenRequest(req) {
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

func isTokenRequest(req *http.Request) bool { return strings.HasSuffix(req.URL.Path, "/oauth/token") }

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
