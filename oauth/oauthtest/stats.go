package oauthtest

import (
	"maps"
	"net/http"
)

// Stats count what a Server has received since its start or since ResetStats.
type Stats struct {
	// Requests counts requests by path, such as "/xrpc/com.atproto.server.getSession", whatever the
	// answer was.
	Requests map[string]int
	// Grants counts the token requests by grant_type, whatever the answer was.
	Grants map[string]int
	// Proofs is the number of DPoP proofs that were valid except for the nonce.
	Proofs int
	// Challenges is the number of answers that asked for another DPoP nonce.
	Challenges int
}

func newStats() Stats {
	return Stats{Requests: make(map[string]int), Grants: make(map[string]int)}
}

// Stats returns the counts so far.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.stats
	stats.Requests = maps.Clone(stats.Requests)
	stats.Grants = maps.Clone(stats.Grants)
	return stats
}

// ResetStats sets all counts to zero.
func (s *Server) ResetStats() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats = newStats()
}

func (s *Server) count(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Requests[r.URL.Path]++
}
