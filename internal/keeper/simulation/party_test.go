package simulation

import (
	"context"
	"time"

	"github.com/gimucco/atproto-go/internal/keeper"
)

// A process is the party of its keeper: it reads, writes and sends.

type fenceKey struct{}

func (p *process) Read(ctx context.Context) (keeper.Entry[tokens], error) {
	var e keeper.Entry[tokens]
	err := p.operate(ctx, false, func() error {
		if p.world.register.gone {
			return keeper.ErrGone
		}
		e = p.world.register.entry
		if e.Claim != nil {
			c := *e.Claim
			e.Claim = &c
		}
		return nil
	})
	if seen, ok := ctx.Value(fenceKey{}).(*string); ok && err == nil && e.Claim != nil {
		*seen = e.Claim.ID
	}
	return e, err
}

func (p *process) Swap(ctx context.Context, e keeper.Entry[tokens], fresh bool) error {
	if fresh {
		p.saving(1)
		defer p.saving(-1)
	}
	began := p.world.now()
	return p.operate(ctx, true, func() error { return p.world.write(p, e, began) })
}

func (p *process) saving(n int) {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	if p.savers += n; p.savers > 1 {
		p.world.breach("two savers", "%v", p)
	}
}

func (p *process) Drop(ctx context.Context, revision uint64, why *keeper.Ending) error {
	w := p.world
	return p.operate(ctx, true, func() error {
		switch {
		case w.register.gone:
			return keeper.ErrGone
		case w.register.entry.Revision != revision:
			return keeper.ErrConflict
		}
		if !w.server.dead {
			w.breach("a living session dropped", "%v dropped tokens %d", p, w.register.entry.Value.gen)
		}
		w.register.gone = true
		w.log(p.String(), "dropped the entry: %v", why)
		return nil
	})
}

func (p *process) Prepare(ctx context.Context, held tokens) (tokens, error) {
	w := p.world
	p.at(preparing)
	if err := wait(ctx, p.latency()); err != nil {
		return held, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if left := p.quietUntil - w.now(); left > 0 {
		w.breach("the server was not left alone", "%v asks %v too early", p, left)
	}
	if left := w.server.downUntil - w.now(); left > 0 {
		err := &busy{left}
		p.heard(err)
		return held, err
	}
	return held, nil
}

// heard notes that the server asked this process not to come back before a time. w.mu is held.
func (p *process) heard(err error) {
	if after := retryAfter(err); after > 0 && p.world.now() > p.slot.jumped+time.Minute {
		p.quietUntil = p.world.now() + after
	}
}

// read is what a process does with an answer that has come.
func (p *process) read(a keeper.Answer[tokens]) keeper.Answer[tokens] {
	p.world.mu.Lock()
	p.heard(a.Err)
	p.world.mu.Unlock()
	p.at(answered)
	return a
}

func (p *process) Exchange(ctx context.Context, held tokens, fence func(context.Context) error) keeper.Answer[tokens] {
	w := p.world
	for {
		var claim string
		if err := fence(context.WithValue(ctx, fenceKey{}, &claim)); err != nil {
			return keeper.Answer[tokens]{Verdict: keeper.Unspent, Err: err}
		}
		w.mu.Lock()
		s := &sending{by: p, claim: claim, gen: held.gen, fence: w.now()}
		w.mu.Unlock()
		p.at(fenced)
		w.mu.Lock()
		s.sent = w.now()
		w.checkSending(s)
		w.sendings = append(w.sendings, s)
		w.log(p.String(), "sends token %d under claim %s", s.gen, w.nameOf(s.claim))
		f := p.slot.take(w, p, arriving)
		there, back := latency(p.chance), latency(p.chance)
		w.mu.Unlock()
		answer := make(chan keeper.Answer[tokens], 1)
		wantsNonce := make(chan struct{}, 1)
		go func() {
			time.Sleep(there)
			w.mu.Lock()
			a, again := w.serve(p, s, f)
			w.mu.Unlock()
			switch {
			case f.kind == answerGo:
				return
			case f.kind == answerLag || f.kind == slow:
				back += f.d
			}
			time.Sleep(back)
			if again {
				wantsNonce <- struct{}{}
				return
			}
			answer <- a
		}()
		p.at(sent)
		select {
		case <-wantsNonce:
			continue
		case a := <-answer:
			return p.read(a)
		case <-ctx.Done():
		}
		select {
		case a := <-answer: // it lay there while the process slept
			return p.read(a)
		default:
		}
		w.mu.Lock()
		s.lost, s.gaveUp = true, w.now()
		w.mu.Unlock()
		p.at(answered)
		return keeper.Answer[tokens]{Verdict: keeper.Unknown, Err: context.Cause(ctx)}
	}
}

// serve is what the server makes of a request. w.mu is held.
func (w *world) serve(p *process, s *sending, f fault) (a keeper.Answer[tokens], again bool) {
	switch {
	case f.kind == nonce:
		s.proved = true
		return a, true
	case f.kind == breaks:
		return keeper.Answer[tokens]{Verdict: keeper.Unknown, Err: errBroken}, false
	case f.kind == refuses:
		s.proved = true
		return keeper.Answer[tokens]{Verdict: keeper.Unspent, Err: &busy{f.d}}, false
	case w.server.downUntil > w.now():
		s.proved = true
		return keeper.Answer[tokens]{Verdict: keeper.Unspent, Err: &busy{w.server.downUntil - w.now()}}, false
	}
	t, err := w.refresh(s)
	s.lost = s.lost || f.kind == answerGo || f.kind == answerLag
	if err != nil {
		return keeper.Answer[tokens]{Verdict: keeper.Ended, Err: err}, false
	}
	return keeper.Answer[tokens]{Verdict: keeper.Fresh, Value: t}, false
}

func (p *process) Orphan(_ context.Context, fresh tokens) {
	w := p.world
	time.Sleep(p.latency())
	p.wake()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.orphans[fresh.gen] = true
	w.end("logout")
	w.log(p.String(), "revokes orphan %d", fresh.gen)
}

// end ends the session at the server. w.mu is held.
func (w *world) end(cause string) {
	if !w.server.dead {
		w.server.dead, w.server.cause = true, cause
		w.log("server", "the session ends: %s", cause)
	}
}

func (p *process) ServerTime(ctx context.Context) (time.Time, error) {
	err := wait(ctx, p.latency())
	return p.world.start.Add(p.world.now()), err
}

func (p *process) KnownServerTime() time.Time {
	if !p.world.dated {
		return time.Time{}
	}
	return p.world.start.Add(p.world.now())
}

func (p *process) Notice(e keeper.Event, err error) {
	w := p.world
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e {
	case keeper.Adopted:
		p.quietUntil = 0 // somebody was let in meanwhile
	case keeper.TookOver:
		w.takeovers++
	case keeper.Over:
		w.checkOver(p, err.(*keeper.Ending))
	}
}
