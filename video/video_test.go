package video_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/video"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

const (
	alice = syntax.DID("did:plc:aliceaaaaaaaaaaaaaaaaaaa")
	blob  = `{"$type":"blob","ref":{"$link":"bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"},"mimeType":"video/mp4","size":5}`
)

func respond(status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Status: strconv.Itoa(status), Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

// An account is one at a server that gives tokens.
type account struct {
	asked []url.Values
	fails string // the method that fails
}

func (a *account) DID() syntax.DID { return alice }

func (a *account) Do(_ context.Context, req *xrpc.Request) (*http.Response, error) {
	if string(req.NSID) == a.fails {
		return respond(400, `{"error":"InvalidRequest","message":"no"}`), nil
	}
	switch req.NSID {
	case "com.atproto.server.describeServer":
		return respond(200, `{"did":"did:web:pds.test","availableUserDomains":[]}`), nil
	case "com.atproto.server.getServiceAuth":
		query, _ := url.ParseQuery(req.Query)
		a.asked = append(a.asked, query)
		return respond(200, `{"token":"the-token"}`), nil
	}
	return nil, fmt.Errorf("asked for %s", req.NSID)
}

// A service answers to an upload, and then to one question after the other.
type service struct {
	upload  *http.Response
	answers []string // JSON, or a status
	times   []time.Time
	query   url.Values
	header  http.Header
	body    string
}

func (s *service) Do(ctx context.Context, req *xrpc.Request) (*http.Response, error) {
	out, err := xrpc.NewHTTPRequest(ctx, req.Method, &url.URL{Scheme: "https", Host: "video.test", Path: "/xrpc/" + string(req.NSID), RawQuery: req.Query}, req.Header, req.Body)
	if err != nil {
		return nil, err
	}
	switch req.NSID {
	case "app.bsky.video.uploadVideo":
		body, err := io.ReadAll(out.Body)
		if err != nil {
			return nil, err
		}
		out.Body.Close()
		s.query, s.header, s.body = out.URL.Query(), out.Header, string(body)
		return s.upload, nil
	case "app.bsky.video.getUploadLimits":
		s.header = out.Header
		return respond(200, `{"canUpload":true,"remainingDailyVideos":3}`), nil
	}
	s.times = append(s.times, time.Now())
	if out.URL.Query().Get("jobId") != "job-1" || out.Header.Get("Authorization") != "" || len(s.answers) == 0 {
		return nil, fmt.Errorf("asked for %s with %v", out.URL, out.Header)
	}
	answer := s.answers[0]
	s.answers = s.answers[1:]
	if status, err := strconv.Atoi(answer); err == nil {
		return respond(status, `{"error":"x"}`), nil
	}
	return respond(200, answer), nil
}

func TestUpload(t *testing.T) {
	const (
		running   = `{"jobId":"job-1","did":"did:plc:aliceaaaaaaaaaaaaaaaaaaa","state":"JOB_STATE_ENCODING","progress":40}`
		completed = `{"jobId":"job-1","did":"did:plc:aliceaaaaaaaaaaaaaaaaaaa","state":"JOB_STATE_COMPLETED","blob":` + blob + `}`
		failed    = `{"jobId":"job-1","did":"did:plc:aliceaaaaaaaaaaaaaaaaaaa","state":"JOB_STATE_FAILED","error":"too_long","message":"The video is too long"}`
	)
	in := func(job string) string { return `{"jobStatus":` + job + `}` }
	for _, tt := range []struct {
		name     string
		upload   *http.Response
		answers  []string
		progress []string
		want     string // of the error
	}{
		{"a video that has to be processed", respond(200, in(running)), []string{in(running), in(completed)}, []string{"JOB_STATE_ENCODING", "JOB_STATE_ENCODING", "JOB_STATE_COMPLETED"}, ""},
		{"jobs without a member around them", respond(200, running), []string{running, completed}, []string{"JOB_STATE_ENCODING", "JOB_STATE_ENCODING", "JOB_STATE_COMPLETED"}, ""},
		{"a video that was processed at once", respond(200, in(completed)), nil, []string{"JOB_STATE_COMPLETED"}, ""},
		{"a video that the service has", respond(409, `{"jobId":"job-1","error":"already_exists","message":"Video already processed","state":"JOB_STATE_COMPLETED"}`), []string{in(completed)}, []string{"JOB_STATE_COMPLETED", "JOB_STATE_COMPLETED"}, ""},
		{"a state that nobody knows", respond(200, in(strings.Replace(running, "ENCODING", "DREAMING", 1))), []string{in(completed)}, []string{"JOB_STATE_DREAMING", "JOB_STATE_COMPLETED"}, ""},
		{"a service that is down for a moment", respond(200, in(running)), []string{"503", "429", "500", "502", in(completed)}, []string{"JOB_STATE_ENCODING", "JOB_STATE_COMPLETED"}, ""},
		{"a service that stays down", respond(200, in(running)), []string{"503", "503", "503", "503", "503"}, []string{"JOB_STATE_ENCODING"}, "asking for job \"job-1\""},
		{"a job that nobody knows", respond(200, in(running)), []string{"400"}, []string{"JOB_STATE_ENCODING"}, "asking for job \"job-1\""},
		{"a video that is too long", respond(200, in(running)), []string{in(failed)}, []string{"JOB_STATE_ENCODING", "JOB_STATE_FAILED"}, `"too_long" "The video is too long"`},
		{"a job that is done and has no blob", respond(200, in(running)), []string{in(strings.Replace(running, "ENCODING", "COMPLETED", 1))}, []string{"JOB_STATE_ENCODING", "JOB_STATE_COMPLETED"}, "names no blob"},
		{"an invalid blob", respond(200, in(strings.Replace(completed, `"size":5`, `"size":"5"`, 1))), nil, nil, "an invalid blob"},
		{"an account that may not upload", respond(401, `{"error":"Unauthorized","message":"no"}`), nil, nil, "Unauthorized"},
		{"a conflict of another kind", respond(409, `{"error":"Conflict","message":"no"}`), nil, nil, "Conflict"},
		{"no job", respond(200, `{}`), nil, nil, "names no job"},
		{"no JSON of a job", respond(200, `[]`), nil, nil, "is not JSON of a job"},
		{"a job that is text", respond(200, `{"jobStatus":"job-1"}`), nil, nil, "an invalid jobStatus"},
	} {
		t.Run("X27 "+tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, a := &service{upload: tt.upload, answers: tt.answers}, new(account)
				var progress []string
				began := time.Now()
				got, err := (&video.Service{Host: s}).Upload(t.Context(), a, xrpc.BytesBody([]byte("video"), "video/mp4"), video.Options{
					Name: "cat.mp4", Progress: func(job *appbsky.VideoDefsJobStatus) { progress = append(progress, job.State) },
				})
				if tt.want != "" {
					if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "the-token") || errors.Is(err, video.ErrFailed) != strings.Contains(tt.want, "too_long") {
						t.Errorf("got %v, want %s", err, tt.want)
					}
				} else {
					want := new(lex.Blob)
					if err := json.Unmarshal([]byte(blob), want); err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(want, got); diff != "" || err != nil {
						t.Errorf("%v, %s", err, diff)
					}
				}
				if diff := cmp.Diff(tt.progress, progress); diff != "" || len(s.answers) != 0 {
					t.Errorf("%d answers are left, %s", len(s.answers), diff)
				}
				if diff := cmp.Diff(url.Values{"did": {string(alice)}, "name": {"cat.mp4"}}, s.query); diff != "" || s.body != "video" || s.header.Get("Content-Type") != "video/mp4" {
					t.Errorf("sent %q as %q, %s", s.body, s.header.Get("Content-Type"), diff)
				}
				if s.header.Get("Authorization") != "Bearer the-token" {
					t.Errorf("sent with %q", s.header.Get("Authorization"))
				}
				want := url.Values{"aud": {"did:web:pds.test"}, "lxm": {"com.atproto.repo.uploadBlob"}, "exp": {strconv.FormatInt(began.Add(30*time.Minute).Unix(), 10)}}
				if diff := cmp.Diff([]url.Values{want}, a.asked); diff != "" {
					t.Error(diff)
				}
				for i, at := range s.times {
					if want := began.Add(time.Duration(i+1) * 1500 * time.Millisecond); !at.Equal(want) {
						t.Errorf("question %d after %s", i+1, at.Sub(began))
					}
				}
			})
		})
	}
	t.Run("it ends with its context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &service{upload: respond(200, in(running)), answers: []string{running, running}}
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
			defer cancel()
			_, err := (&video.Service{Host: s}).Upload(ctx, new(account), xrpc.BytesBody([]byte("video"), "video/mp4"), video.Options{})
			if !errors.Is(err, context.DeadlineExceeded) || len(s.times) != 2 || s.query.Get("name") != "video.mp4" {
				t.Errorf("got %v after %d questions", err, len(s.times))
			}
		})
	})
	t.Run("nothing is sent without a token", func(t *testing.T) {
		for _, method := range []string{"com.atproto.server.describeServer", "com.atproto.server.getServiceAuth"} {
			s := new(service)
			_, err := (&video.Service{Host: s}).Upload(t.Context(), &account{fails: method}, xrpc.BytesBody([]byte("video"), "video/mp4"), video.Options{})
			if !errors.Is(err, xrpc.ErrInvalidRequest) || s.header != nil {
				t.Errorf("%s: %v", method, err)
			}
		}
	})
}

func TestUploadRefusesANilBody(t *testing.T) {
	a, s := new(account), new(service)
	_, err := (&video.Service{Host: s}).Upload(t.Context(), a, nil, video.Options{})
	if err == nil || len(a.asked) > 0 {
		t.Errorf("got %v after %d requests for tokens", err, len(a.asked))
	}
}

func TestLimits(t *testing.T) {
	for want, did := range map[string]syntax.DID{"did:web:video.bsky.app": "", "did:web:video.test": "did:web:video.test"} {
		s, a := new(service), new(account)
		limits, err := (&video.Service{Host: s, DID: did}).Limits(t.Context(), a)
		if err != nil || !limits.CanUpload || *limits.RemainingDailyVideos != 3 {
			t.Fatalf("%+v, %v", limits, err)
		}
		if a.asked[0].Get("aud") != want || a.asked[0].Get("lxm") != "app.bsky.video.getUploadLimits" || s.header.Get("Authorization") != "Bearer the-token" {
			t.Errorf("asked for %v, sent %v", a.asked, s.header)
		}
	}
	if s, err := video.NewService(xrpc.ClientConfig{}); err != nil || s.Host.(*xrpc.Client).Host() != video.DefaultHost {
		t.Errorf("%v, %v", s, err)
	}
}
