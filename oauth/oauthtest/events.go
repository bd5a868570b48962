package oauthtest

import (
	"context"
	"fmt"
	"net/http"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/repo"
	"github.com/gimucco/atproto-go/repo/firehose"
	"github.com/gimucco/atproto-go/xrpc/service"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// publish sends the event of a commit to all listeners. The sandbox keeps all events. s.mu is held.
func (s *Server) publish(event *repo.CommitEvent) {
	message := firehose.CommitMessage(event)
	message.Seq, message.Time = int64(len(s.events))+1, syntax.DatetimeOf(s.Now())
	s.events = append(s.events, &comatproto.SyncSubscribeReposMessage{Value: message})
	close(s.written)
	s.written = make(chan struct{})
}

// next returns the events after a cursor, and a channel that is closed when there are more.
func (s *Server) next(cursor int64) ([]*comatproto.SyncSubscribeReposMessage, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.events[cursor:], s.written
}

// last returns the number of the last event.
func (s *Server) last() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(len(s.events))
}

// subscribeRepos streams the events of all repositories: those after the cursor, or without one the
// new ones.
func (s *Server) subscribeRepos(c *call) (any, *xrpcError) {
	service.Handler(comatproto.SyncSubscribeRepos, s.stream).ServeHTTP(c.w, c.r)
	return nil, nil
}

func (s *Server) stream(ctx context.Context, params *comatproto.SyncSubscribeReposParams, send func(*comatproto.SyncSubscribeReposMessage) error) error {
	at := s.last()
	if params.Cursor != nil {
		if *params.Cursor > at {
			return fmt.Errorf("%w: the cursor is ahead of the last event, %d", comatproto.ErrFutureCursor, at)
		}
		at = max(*params.Cursor, 0)
	}
	for {
		events, more := s.next(at)
		for _, event := range events {
			if err := send(event); err != nil {
				return err
			}
			at++
		}
		select {
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.closed:
			return http.ErrServerClosed
		}
	}
}
