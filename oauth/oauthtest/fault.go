package oauthtest

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A Fault is a failure of requests. Its parts combine: Delay comes first, and then at most one of
// Refuse, Status and Drop. The zero Fault does nothing. Gateway makes one.
type Fault struct {
	// Times is how many requests fail. 0 means one. A negative number means all requests until
	// ClearFaults.
	Times int
	// Delay holds the request before anything else happens. It ends early if the client hangs up.
	// If the server closes meanwhile, the request is never carried out.
	Delay time.Duration
	// Refuse reads the request and closes the connection without carrying the request out.
	Refuse bool
	// Status answers with this status instead of carrying the request out. Header and Body are part
	// of that answer.
	Status int
	// Header is added to the answer of Status.
	Header http.Header
	// Body is the body of the answer of Status.
	Body string
	// Late sends the answer of Status after the server has carried the request out, and drops the
	// server's own answer. This happens when a gateway stops waiting.
	Late bool
	// Drop carries the request out and then closes the connection, so the answer is lost.
	Drop bool
}

type fault struct {
	Fault
	path string
	left int
}

// Fault applies f to the next requests whose path begins with path. Several faults for one path
// apply one after the other, in the order of the calls.
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

// ClearFaults removes all faults that have not happened yet.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// takeFault returns the fault for r, or nil.
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

// inject applies f. It returns nil if nothing more happens to r, and otherwise the writer for the
// server's answer.
func (s *Server) inject(f *fault, w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
		case <-s.closed:
			panic(http.ErrAbortHandler) // Close must not become an answer
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

// after answers a request that was carried out: with another answer, or with none.
func (f *fault) after(w http.ResponseWriter) {
	switch {
	case f.Refuse:
	case f.Status != 0 && f.Late:
		f.answer(w)
	case f.Status == 0 && f.Drop:
		panic(http.ErrAbortHandler)
	}
}

// answer answers instead of the server.
func (f *fault) answer(w http.ResponseWriter) {
	maps.Copy(w.Header(), f.Header)
	w.WriteHeader(f.Status)
	io.WriteString(w, f.Body)
}

// A lostWriter drops an answer.
type lostWriter struct{ header http.Header }

func (w lostWriter) Header() http.Header         { return w.header }
func (w lostWriter) Write(b []byte) (int, error) { return len(b), nil }
func (w lostWriter) WriteHeader(int)             {}
