package oauthtest

import (
	"bytes"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

const carType = "application/vnd.ipld.car"

// named returns the account in a query, or an error if its repository does not exist. s.mu is held.
func (s *Server) named(c *call) (*account, *xrpcError) {
	did := c.r.URL.Query().Get("did")
	if _, err := syntax.ParseDID(did); err != nil {
		return nil, fail("InvalidRequest", "did must be a valid did")
	}
	a := s.account(did)
	if a == nil {
		return nil, fail("RepoNotFound", "Could not find repo for DID: %s", did)
	}
	return a, nil
}

// getRepo returns a whole repository. It ignores the revision that the caller has.
func (s *Server) getRepo(c *call) (any, *xrpcError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, failed := s.named(c)
	if failed != nil {
		return nil, failed
	}
	var car bytes.Buffer
	if _, err := s.repo(a.DID).signed.WriteTo(&car); err != nil {
		return nil, &xrpcError{status: http.StatusInternalServerError, name: "InternalServerError", message: err.Error()}
	}
	c.download(carType, car.Bytes())
	return nil, nil
}

// getRecordProof returns the proof that a record exists, or that it does not.
func (s *Server) getRecordProof(c *call) (any, *xrpcError) {
	q := c.r.URL.Query()
	if _, err := syntax.ParseNSID(q.Get("collection")); err != nil {
		return nil, fail("InvalidRequest", "collection must be a valid nsid")
	}
	if _, err := syntax.ParseRecordKey(q.Get("rkey")); err != nil {
		return nil, fail("InvalidRequest", "rkey must be a valid record key")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a, failed := s.named(c)
	if failed != nil {
		return nil, failed
	}
	car, err := s.repo(a.DID).signed.Proof(q.Get("collection") + "/" + q.Get("rkey"))
	if err != nil {
		return nil, &xrpcError{status: http.StatusInternalServerError, name: "InternalServerError", message: err.Error()}
	}
	c.download(carType, car)
	return nil, nil
}

// download answers with bytes.
func (c *call) download(mediaType string, data []byte) {
	h := c.w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Content-Length", strconv.Itoa(len(data)))
	c.w.Write(data)
}

func (s *Server) getLatestCommit(c *call) (any, *xrpcError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, failed := s.named(c)
	if failed != nil {
		return nil, failed
	}
	return s.repo(a.DID).commit, nil
}

func (s *Server) getRepoStatus(c *call) (any, *xrpcError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, failed := s.named(c)
	if failed != nil {
		return nil, failed
	}
	return map[string]any{"did": a.DID, "active": true, "rev": s.repo(a.DID).commit.Rev}, nil
}

// A listedRepo is a repository in the answer of listRepos.
type listedRepo struct {
	DID    syntax.DID `json:"did"`
	Head   string     `json:"head"`
	Rev    syntax.TID `json:"rev"`
	Active bool       `json:"active"`
}

func (s *Server) listRepos(c *call) (any, *xrpcError) {
	q := c.r.URL.Query()
	limit := 500
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 1000 {
			return nil, fail("InvalidRequest", "limit must be a number from 1 to 1000")
		}
		limit = n
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[syntax.DID]*account, len(s.accounts))
	for _, a := range s.accounts {
		all[a.DID] = a
	}
	answer := struct {
		Cursor string       `json:"cursor,omitempty"`
		Repos  []listedRepo `json:"repos"`
	}{Repos: []listedRepo{}}
	for _, did := range slices.Sorted(maps.Keys(all)) {
		if string(did) <= q.Get("cursor") {
			continue
		}
		if len(answer.Repos) == limit {
			break
		}
		commit := s.repo(did).commit
		answer.Repos = append(answer.Repos, listedRepo{DID: did, Head: commit.CID, Rev: commit.Rev, Active: true})
		answer.Cursor = string(did)
	}
	return answer, nil
}
