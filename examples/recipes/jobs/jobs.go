// Package jobs writes posts for users who are not there any more, by the queue riverqueue/river.
package jobs

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/records"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// PostArgs is a post that is to be written.
type PostArgs struct {
	Session oauth.SessionKey `json:"session"` // who writes it: a name, and no secret
	Key     syntax.RecordKey `json:"key"`     // of the record, so that a second try does not write a second post
	Text    string           `json:"text"`
}

// Kind names the job.
func (PostArgs) Kind() string { return "post" }

// A PostWorker writes posts.
type PostWorker struct {
	river.WorkerDefaults[PostArgs]
	Client *oauth.Client
}

// Work writes one.
func (w *PostWorker) Work(ctx context.Context, job *river.Job[PostArgs]) error {
	err := w.write(ctx, job)
	if errors.Is(err, oauth.ErrReauthRequired) {
		return river.JobCancel(err) // only the user can help, by a new login
	}
	if e, ok := errors.AsType[*xrpc.Error](err); ok && e.RetryAfter > 0 {
		return river.JobSnooze(e.RetryAfter)
	}
	return err
}

func (w *PostWorker) write(ctx context.Context, job *river.Job[PostArgs]) error {
	session, err := w.Client.Resume(ctx, job.Args.Session)
	if err != nil {
		return err
	}
	post, err := records.Text(job.Args.Text).At(job.CreatedAt).Record(ctx, session)
	if err != nil {
		return err
	}
	_, err = records.Put(ctx, session, job.Args.Key, post)
	return err
}

// A Queue takes posts, and has them written.
type Queue struct {
	Jobs *river.Client[pgx.Tx]
	keys syntax.TIDClock
}

// Start begins to work on jobs. Stop the river client before oauth.Client.Shutdown.
func Start(ctx context.Context, pool *pgxpool.Pool, client *oauth.Client) (*Queue, error) {
	workers := river.NewWorkers()
	river.AddWorker(workers, &PostWorker{Client: client})
	jobs, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 10}},
		Workers: workers,
	})
	if err != nil {
		return nil, err
	}
	return &Queue{Jobs: jobs}, jobs.Start(ctx)
}

// Post has a post written, if the transaction is committed.
func (q *Queue) Post(ctx context.Context, tx pgx.Tx, session *oauth.Session, text string) error {
	_, err := q.Jobs.InsertTx(ctx, tx, PostArgs{Session: session.Key(), Key: syntax.RecordKey(q.keys.NewTID()), Text: text}, nil)
	return err
}
