// Package video uploads videos to a video service, with the app.bsky.video methods. It requests the
// token with which the service stores the video at the account's server, and asks for the job until
// it is done.
//
//	service, err := video.NewService(xrpc.ClientConfig{})
//	…
//	blob, err := service.Upload(ctx, session, xrpc.OpenerBody(open, size, "video/mp4"), video.Options{Name: "cat.mp4"})
//	…
//	post.Embed = &appbsky.EmbedVideo{Video: *blob}
//
// An OAuth session needs permissions for the tokens in its scope:
// "rpc:com.atproto.repo.uploadBlob?aud=*", and for Limits
// "rpc:app.bsky.video.getUploadLimits?aud=*".
package video

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/serviceauth"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

const (
	// DefaultHost is the video service of Bluesky.
	DefaultHost = "https://video.bsky.app"
	// DefaultDID is the name of that service in tokens.
	DefaultDID = "did:web:video.bsky.app"

	// tokenLife is how long the service may take to receive the video and to store it.
	tokenLife = 30 * time.Minute
	// maxAnswer is larger than any answer about a job, in bytes.
	maxAnswer = 64 << 10
	// maxTroubles is how many requests about a job may fail in a row.
	maxTroubles = 5
)

// The final states of a job. All other states mean that it continues.
const (
	stateCompleted = "JOB_STATE_COMPLETED"
	stateFailed    = "JOB_STATE_FAILED"
)

// ErrFailed: the service could not process the video. Such errors are *JobError.
var ErrFailed = errors.New("the video service could not process the video")

// A JobError says that a job failed.
type JobError struct {
	// JobID is the service's ID of the job.
	JobID string
	// Code and Message are the service's own words. Both may be empty.
	Code, Message string
}

// Error returns the service's words, quoted.
func (e *JobError) Error() string {
	return fmt.Sprintf("video: job %.80q: %v: %.200q %.400q", e.JobID, ErrFailed, e.Code, e.Message)
}

// Unwrap returns ErrFailed.
func (e *JobError) Unwrap() error { return ErrFailed }

// An Account is a Doer that knows its account, such as an *oauth.Session.
type Account interface {
	xrpc.Doer
	// DID returns the account.
	DID() syntax.DID
}

// A Service is a video service. It is safe for concurrent use.
type Service struct {
	// Host sends requests to the service without credentials. It is usually an *xrpc.Client.
	Host xrpc.Doer
	// DID is the name of the service in tokens for itself. Empty means DefaultDID.
	DID syntax.DID
	// Pause is the time between two requests about a job. 0 means 1.5 seconds.
	Pause time.Duration
}

// NewService returns the video service of Bluesky. Errors are those of xrpc.NewClient.
func NewService(cfg xrpc.ClientConfig) (*Service, error) {
	host, err := xrpc.NewClient(DefaultHost, cfg)
	if err != nil {
		return nil, err
	}
	return &Service{Host: host}, nil
}

// Options are the options of an upload. The zero value is good.
type Options struct {
	// Name is a file name that the service may show to the account. Empty means "video.mp4".
	Name string
	// Progress, if set, is called with each answer of the service about the job. The uploading
	// goroutine calls it.
	Progress func(job *appbsky.VideoDefsJobStatus)
}

// Upload sends a video, waits until the service has processed it and stored it at the account's
// server, and returns the blob for a record. The content type of body is video/mp4, or another type
// that the service accepts. If the service has the video already, it does not process it again.
//
// Upload continues until ctx ends, so set a deadline of some minutes.
//
// Errors: *JobError if the service cannot process the video; otherwise those of any call.
func (s *Service) Upload(ctx context.Context, account Account, body *xrpc.Body, o Options) (*lex.Blob, error) {
	if body == nil {
		return nil, errors.New("video: the body is nil: pass the bytes of the video")
	}
	// The service stores the video for the account, so the token is for the account's server.
	server, err := comatproto.NewClient(account).Server.DescribeServer(ctx)
	if err != nil {
		return nil, fmt.Errorf("video: %w", err)
	}
	token, err := serviceauth.Request(ctx, account, serviceauth.Wanted{
		Audience: string(server.DID), Method: "com.atproto.repo.uploadBlob", Expires: time.Now().Add(tokenLife),
	})
	if err != nil {
		return nil, fmt.Errorf("video: %w", err)
	}
	job, err := s.send(ctx, account.DID(), token, body, o)
	if err != nil {
		return nil, fmt.Errorf("video: %w", err)
	}
	return s.wait(ctx, job, o)
}

// Limits returns how much the account may still upload today.
func (s *Service) Limits(ctx context.Context, account Account) (*appbsky.VideoGetUploadLimitsOutput, error) {
	did := cmp.Or(s.DID, DefaultDID)
	return appbsky.NewClient(serviceauth.NewDoer(account, string(did), s.Host)).Video.GetUploadLimits(ctx)
}

// parameters are the parameters of uploadVideo, which are missing in its lexicon.
type parameters struct {
	did  syntax.DID
	name string
}

// EncodeQuery implements xrpc.Params.
func (p parameters) EncodeQuery(q *xrpc.Query) {
	q.String("did", string(p.did))
	q.String("name", p.name)
}

// send uploads the video and returns its job.
func (s *Service) send(ctx context.Context, did syntax.DID, token string, body *xrpc.Body, o Options) (*appbsky.VideoDefsJobStatus, error) {
	upload := xrpc.Method{NSID: "app.bsky.video.uploadVideo", Kind: xrpc.KindProcedure, Input: body.ContentType(), Output: "application/json"}
	job, err := ask(ctx, xrpc.Bearer(s.Host, token), upload, parameters{did, cmp.Or(o.Name, "video.mp4")}, xrpc.Raw(body), xrpc.WithHeaderTimeout(tokenLife))
	if refused, ok := errors.AsType[*xrpc.Error](err); ok && refused.Status == http.StatusConflict {
		// The service has the video already. It says so with an error that names the job.
		if there, none := readJob(refused.Body); none == nil {
			return there, nil
		}
	}
	return job, err
}

// ask calls a method whose output is a job.
func ask(ctx context.Context, doer xrpc.Doer, m xrpc.Method, params xrpc.Params, in xrpc.Input, opts ...xrpc.Option) (*appbsky.VideoDefsJobStatus, error) {
	answer, err := xrpc.Open(ctx, xrpc.NewCaller(doer), m, params, in, opts)
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	data, err := io.ReadAll(io.LimitReader(answer, maxAnswer))
	if err != nil {
		return nil, err
	}
	return readJob(data)
}

// readJob reads a service's answer about a job. By the lexicon it is in the member "jobStatus", but
// services also send it directly.
func readJob(data []byte) (*appbsky.VideoDefsJobStatus, error) {
	var answer struct {
		JobStatus json.RawMessage `json:"jobStatus"`
		bareJob
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, errors.New("the service's answer is not JSON of a job")
	}
	bare := answer.bareJob
	if len(answer.JobStatus) > 0 {
		bare = bareJob{}
		if err := json.Unmarshal(answer.JobStatus, &bare); err != nil {
			return nil, errors.New("the service's answer has an invalid jobStatus")
		}
	}
	if bare.JobID == "" {
		return nil, errors.New("the service's answer names no job")
	}
	job := &appbsky.VideoDefsJobStatus{JobID: bare.JobID, DID: bare.DID, State: bare.State, Progress: bare.Progress, Error: bare.Error, Message: bare.Message}
	if len(bare.Blob) > 0 && string(bare.Blob) != "null" {
		job.Blob = new(lex.Blob)
		if err := lex.UnmarshalJSON(bare.Blob, job.Blob); err != nil {
			return nil, fmt.Errorf("the service's answer has an invalid blob: %w", err)
		}
	}
	return job, nil
}

// A bareJob is a job without required fields: if a service has the video already, it leaves out
// required ones.
type bareJob struct {
	JobID    string          `json:"jobId"`
	DID      syntax.DID      `json:"did"`
	State    string          `json:"state"`
	Progress *int64          `json:"progress"`
	Blob     json.RawMessage `json:"blob"`
	Error    *string         `json:"error"`
	Message  *string         `json:"message"`
}

type jobParameter string

// EncodeQuery implements xrpc.Params.
func (p jobParameter) EncodeQuery(q *xrpc.Query) { q.String("jobId", string(p)) }

// status requests the state of a job.
func (s *Service) status(ctx context.Context, id string) (*appbsky.VideoDefsJobStatus, error) {
	status := xrpc.Method{NSID: "app.bsky.video.getJobStatus", Kind: xrpc.KindQuery, Output: "application/json"}
	return ask(ctx, s.Host, status, jobParameter(id), xrpc.Input{})
}

// wait asks for the job until it is done.
func (s *Service) wait(ctx context.Context, job *appbsky.VideoDefsJobStatus, o Options) (*lex.Blob, error) {
	id, pause := job.JobID, cmp.Or(s.Pause, 1500*time.Millisecond)
	for troubles, asked := 0, false; ; asked = true {
		if o.Progress != nil && job != nil {
			o.Progress(job)
		}
		switch {
		case job == nil:
		case job.Blob != nil && (job.State == stateCompleted || job.State == ""):
			return job.Blob, nil
		case job.State == stateFailed:
			e := &JobError{JobID: id}
			if job.Error != nil {
				e.Code = *job.Error
			}
			if job.Message != nil {
				e.Message = *job.Message
			}
			return nil, e
		case asked && job.State == stateCompleted:
			return nil, fmt.Errorf("video: job %.80q is done, but the service names no blob", id)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("video: job %.80q is not done: %w", id, context.Cause(ctx))
		case <-time.After(pause):
		}
		var err error
		if job, err = s.status(ctx, id); err == nil {
			troubles = 0
			continue
		}
		if troubles++; troubles == maxTroubles || !mayPass(err) {
			return nil, fmt.Errorf("video: asking for job %.80q: %w", id, err)
		}
	}
}

// mayPass reports whether another request can help.
func mayPass(err error) bool {
	if said, ok := errors.AsType[*xrpc.Error](err); ok {
		return said.Status == http.StatusTooManyRequests || said.Status >= 500
	}
	_, notSent := errors.AsType[*xrpc.SendError](err)
	return notSent
}
