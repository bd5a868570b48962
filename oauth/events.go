package oauth

import "context"

// notifyUpdate tells the application that the session has new tokens. s.mu is held.
func (s *Session) notifyUpdate(ctx context.Context) {
	if f := s.client.config.OnUpdate; f != nil {
		ctx = context.WithoutCancel(ctx)
		s.tell(func() { f(ctx, s) })
	}
}

// notifyEnd tells the application that the session is over.
func (s *Session) notifyEnd(ctx context.Context, cause *Error) {
	if f := s.client.config.OnEnd; f != nil {
		ctx = context.WithoutCancel(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.tell(func() { f(ctx, s, cause) })
	}
}

// tell delivers an event in a goroutine of its own, after those before it: what the
// application does with the session there waits for nothing that waits for it (P7).
// s.mu is held.
func (s *Session) tell(event func()) {
	s.events = append(s.events, event)
	if !s.telling {
		s.telling = true
		go s.deliver()
	}
}

func (s *Session) deliver() {
	for {
		s.mu.Lock()
		if len(s.events) == 0 {
			s.telling, s.events = false, nil
			s.mu.Unlock()
			return
		}
		event := s.events[0]
		s.events = s.events[1:]
		s.mu.Unlock()
		event()
	}
}
