package jobs

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/gimucco/atproto-go/examples/recipes/internal/visit"
	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/records"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// jobOf is a job as it comes out of the database.
func jobOf(t *testing.T, session *oauth.Session) *river.Job[PostArgs] {
	t.Helper()
	stored, err := json.Marshal(PostArgs{Session: session.Key(), Key: "3jzfcijpj2z2a", Text: "Hello"})
	if err != nil {
		t.Fatal(err)
	}
	job := &river.Job[PostArgs]{JobRow: &rivertype.JobRow{CreatedAt: time.Now()}}
	if err := json.Unmarshal(stored, &job.Args); err != nil {
		t.Fatal(err)
	}
	return job
}

func TestAJobThatRunsTwiceWritesOnePost(t *testing.T) {
	client := visit.NewClient(t)
	session := client.LogIn(t)
	job, worker := jobOf(t, session), &PostWorker{Client: client.Client}
	for range 2 {
		if err := worker.Work(t.Context(), job); err != nil {
			t.Fatal(err)
		}
	}
	posts := 0
	for r, err := range records.List[appbsky.FeedPost](t.Context(), session, syntax.AtIdentifier(session.DID())) {
		if err != nil || r.Err != nil || r.Value.Text != "Hello" {
			t.Fatal(r, err)
		}
		posts++
	}
	if posts != 1 {
		t.Errorf("there are %d posts", posts)
	}
}

func TestAJobOfASessionThatIsOverIsNotTriedAgain(t *testing.T) {
	client := visit.NewClient(t)
	session := client.LogIn(t)
	job := jobOf(t, session)
	if err := session.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := (&PostWorker{Client: client.Client}).Work(t.Context(), job)
	if _, ok := errors.AsType[*river.JobCancelError](err); !ok || !errors.Is(err, oauth.ErrReauthRequired) {
		t.Errorf("it ends with %v", err)
	}
}

func TestAJobWaitsAsLongAsTheServerAsks(t *testing.T) {
	client := visit.NewClient(t)
	session := client.LogIn(t)
	client.Sandbox.Fault("/xrpc/com.atproto.repo.putRecord", oauthtest.Fault{
		Status: 429, Header: map[string][]string{"Retry-After": {"60"}, "Content-Type": {"application/json"}}, Body: `{"error":"RateLimitExceeded"}`,
	})
	err := (&PostWorker{Client: client.Client}).Work(t.Context(), jobOf(t, session))
	if snooze, ok := errors.AsType[*river.JobSnoozeError](err); !ok || snooze.Duration != time.Minute {
		t.Errorf("it ends with %v", err)
	}
}
