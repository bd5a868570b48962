package rolling

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/gimucco/atproto-go/e2e/longrun"
	"github.com/gimucco/atproto-go/e2e/stores"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
)

const (
	// between is how long a session of a process rests between two calls, on average.
	between = 250 * time.Millisecond
	// callLimit bounds a call: longer than anybody has to wait for a claim.
	callLimit = time.Minute
	// slow is what a call takes that has waited for something, on a busy machine too.
	slow = 10 * time.Second
	// shutdownLimit bounds the end of a process.
	shutdownLimit = 30 * time.Second
)

// A work is what a process did in its life. It says it at the end.
type work struct {
	Calls    int
	Longest  time.Duration
	Failures []failure
	Slow     []time.Time // when calls began that took longer than slow
	Shutdown string      // what Client.Shutdown said, if anything
	Stats    oauth.Stats
}

// A failure is a call that failed.
type failure struct {
	Began, Ended time.Time
	Message      string
	Store        bool // the store is to blame
	Lost         bool // the session is over
}

// child is a process of the run: it calls with every session until it is told to end.
func child(job *longrun.Job) error {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM)
	ctx := context.Background()
	kept, err := stores.Open(ctx, job.Location)
	if err != nil {
		return err
	}
	client, err := longrun.NewClient(&job.Environment, kept)
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode("ready"); err != nil {
		return err
	}
	var done work
	var mu sync.Mutex
	stop := make(chan struct{})
	var calls sync.WaitGroup
	for _, key := range job.Keys {
		calls.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(rand.N(2 * between)):
				}
				began := time.Now()
				err := call(ctx, client, key)
				mu.Lock()
				done.add(began, time.Now(), err)
				mu.Unlock()
			}
		})
	}
	<-told
	// What http.Server.Shutdown does: nothing new comes in, and what is there is finished.
	close(stop)
	calls.Wait()
	ctx, cancel := context.WithTimeout(ctx, shutdownLimit)
	defer cancel()
	if err := client.Shutdown(ctx); err != nil {
		done.Shutdown = err.Error()
	}
	done.Stats = client.Stats()
	return out.Encode(done)
}

// call is what a web application does at a request of its user.
func call(ctx context.Context, client *oauth.Client, key oauth.SessionKey) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	s, err := client.Resume(ctx, key)
	if err != nil {
		return err
	}
	_, err = comatproto.NewClient(s).Server.GetSession(ctx)
	return err
}

func (w *work) add(began, ended time.Time, err error) {
	took := ended.Sub(began)
	w.Calls++
	w.Longest = max(w.Longest, took)
	if took > slow {
		w.Slow = append(w.Slow, began)
	}
	if err != nil {
		w.Failures = append(w.Failures, failure{
			Began: began, Ended: ended, Message: err.Error(),
			Store: errors.Is(err, oauth.ErrStore), Lost: errors.Is(err, oauth.ErrReauthRequired),
		})
	}
}
