package oauthtest

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A Fault is something that goes wrong with requests. Its parts combine: Delay comes
// first, then at most one of Refuse, Status and Drop. The zero Fault does nothing. Gateway makes one.
type Fault struct {
	// Times is how many requests it happens to; 0 means one, a negative number all
	// of them until ClearFaults.
	Times int
	// Delay holds the request back before anything else happens. It ends early if
	// the client hangs up. A request held back when the server closes is never acted on.
	Delay time.Duration
	// Refuse reads the request and closes the connection without having acted on it.
	Refuse bool
	// Status answers with this status instead of acting on the request, and with
	// Header and Body.
	Status int
	Header http.Header
	Body   string
	// Late lets the answer of Status come after the server has acted on the request, whose own
	// answer is lost: a gateway has waited for it for long enough.
	Late bool
	// Drop acts on the request and then closes the connection: the answer is lost.
	Drop bool
}

type fault struct {
	Fault
	path string
	left int
}

// Fault makes f happen to the next requests whose path begins with path. Several
// faults for a path happen one after the other, in the order they were given.
func (s *Server) Fault(path string, f Fault) {
	left := f.Times
	if left == 0 {
		left = 1
	}
	f.Header = f.Header.Clone()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &fault{Fault: f, path: path, left: left})
}

// ClearFaults takes back all faults that have not happened.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// takeFault returns the fault that happens to r, or nil.
func (s *Server) takeFault(r *http.Request) *fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if !strings.HasPrefix(r.URL.Path, f.path) {
			continue
		}
		if f.left > 0 {
			if f.left--; f.left == 0 {
				s.faults = slices.Delete(s.faults, i, i+1)
			}
		}
		return f
	}
	return nil
}

// inject lets f happen. It returns nil if that is all that happens to r, else the
// writer for what the server answers.
func (s *Server) inject(f *fault, w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
		case <-s.closed:
			panic(http.ErrAbortHandler) // Close must not turn into an answer
		}
	}
	switch {
	case f.Refuse:
		io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	case f.Status != 0 && f.Late:
		return lostWriter{make(http.Header)}
	case f.Status != 0:
		io.Copy(io.Discard, r.Body)
		f.answer(w)
		return nil
	case f.Drop:
		return lostWriter{make(http.Header)}
	}
	return w
}

// after is what happens to a request that was acted on: another answer, or none.
func (f *fault) after(w http.ResponseWriter) {
	switch {
	case f.Refuse:
	case f.Status != 0 && f.Late:
		f.answer(w)
	case f.Status == 0 && f.Drop:
		panic(http.ErrAbortHandler)
	}
}

// answer answers in the server's place.
func (f *fault) answer(w http.ResponseWriter) {
	maps.Copy(w.Header(), f.Header)
	w.WriteHeader(f.Status)
	io.WriteString(w, f.Body)
}

// A lostWriter is the writer of an answer that never arrives.
type lostWriter struct{ header http.Header }

func (w lostWriter) Header() http.Header         { return w.header }
func (w lostWriter) Write(b []byte) (int, error) { return len(b), nil }
func (w lostWriter) WriteHeader(int)             {}
