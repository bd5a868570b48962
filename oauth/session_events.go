package oauth

import (
	"context"
	"fmt"

	"github.com/gimucco/atproto-go/internal/said"
)

// notifyUpdate tells the application that the session has new tokens.
func (s *Session) notifyUpdate() {
	if f := s.client.config.OnUpdate; f != nil {
		s.tell(func() { f(context.Background(), s) })
	}
}

// notifyEnd tells the application that the session has ended.
func (s *Session) notifyEnd(cause *Error) {
	if f := s.client.config.OnEnd; f != nil {
		s.tell(func() { f(context.Background(), s, cause) })
	}
}

// log writes to the operator's log. The logger is code of the application too.
func (s *Session) log(write func(msg string, args ...any), msg string, args ...any) {
	args = append([]any{"session", s}, args...)
	s.tell(func() { write(msg, args...) })
}

// tell delivers an event in a goroutine of its own, after those before it.
func (s *Session) tell(event func()) {
	s.events.Tell(event, func(p any) {
		s.client.log.Error("oauth: an event handler panicked", "session", s, "panic", said.Text(fmt.Sprint(p)))
	})
}
