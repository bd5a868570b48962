package oauthtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/repo"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A repository holds the records and blobs of an account in memory, and the signed tree of its records.
type repository struct {
	records map[string]map[string]*record // collection → record key
	blobs   map[string]*blob
	signed  *repo.Builder
	commit  commit // the last
}

type record struct {
	cid    string
	value  json.RawMessage
	cbor   []byte
	status string // result of the validation when it was written
	blobs  []string
}

// A commit is the state of a repository.
type commit struct {
	CID string     `json:"cid"`
	Rev syntax.TID `json:"rev"`
}

// repo returns the repository of an account. It begins with an empty commit. s.mu is held.
func (s *Server) repo(did syntax.DID) *repository {
	r, ok := s.repos[did]
	if !ok {
		r = &repository{
			records: make(map[string]map[string]*record),
			blobs:   make(map[string]*blob),
			signed:  repo.NewBuilder(did, s.mustAccount(did).key),
		}
		s.repos[did] = r
		s.commit(r, nil)
	}
	return r
}

// A write is one change to a repository.
type write struct {
	action     string // create, update, delete, or put, which is create or update
	collection string
	rkey       string
	value      map[string]any
	swap       *string // what must be there before: nil means anything, empty means nothing
	validate   *bool   // nil means: if the lexicon is known
}

// A written record, as the writing methods return it.
type written struct {
	URI              string  `json:"uri"`
	CID              string  `json:"cid"`
	Commit           *commit `json:"commit,omitempty"`
	ValidationStatus string  `json:"validationStatus,omitempty"`
}

// apply carries out all writes, or none. s.mu is held.
func (s *Server) apply(auth *session, writes []*write, swapCommit string) ([]written, *xrpcError) {
	repository := s.repo(auth.did)
	if swapCommit != "" && swapCommit != repository.commit.CID {
		return nil, fail("InvalidSwap", "Commit was at %s", repository.commit.CID)
	}
	records := make(map[string]map[string]*record, len(repository.records))
	for collection, all := range repository.records {
		records[collection] = maps.Clone(all)
	}
	var results []written
	var refs []blobRef
	for _, w := range writes {
		result, blobs, failed := s.applyOne(auth, repository, records, w)
		if failed != nil {
			return nil, failed
		}
		results = append(results, result)
		refs = append(refs, blobs...)
	}
	for _, ref := range refs {
		repository.blobs[ref.cid].referred = true
	}
	changes := repository.changes(records, writes)
	repository.records = records
	repository.dropBlobs()
	s.commit(repository, changes)
	for i := range results {
		results[i].Commit = new(repository.commit)
	}
	return results, nil
}

// changes returns the changes that writes make together. A path that is written twice changes once,
// and a record that did not exist is not deleted.
func (r *repository) changes(after map[string]map[string]*record, writes []*write) []repo.Write {
	var changes []repo.Write
	done := make(map[string]bool)
	for _, w := range writes {
		path := w.collection + "/" + w.rkey
		was, is := r.records[w.collection][w.rkey], after[w.collection][w.rkey]
		switch {
		case done[path] || was == nil && is == nil:
		case is == nil:
			changes = append(changes, repo.Write{Path: path})
		default:
			changes = append(changes, repo.Write{Path: path, Record: is.cbor})
		}
		done[path] = true
	}
	return changes
}

// dropBlobs removes blobs that records referred to and no record refers to any more, like the
// reference.
func (r *repository) dropBlobs() {
	used := make(map[string]bool)
	for _, all := range r.records {
		for _, record := range all {
			for _, cid := range record.blobs {
				used[cid] = true
			}
		}
	}
	maps.DeleteFunc(r.blobs, func(cid string, b *blob) bool { return b.referred && !used[cid] })
}

// commit makes the next commit of a repository. Revisions rise even if the clock stands still. s.mu
// is held.
func (s *Server) commit(r *repository, changes []repo.Write) {
	rev := syntax.TIDOf(s.Now(), 0)
	if rev <= r.commit.Rev {
		rev = syntax.TIDOf(r.commit.Rev.Time().Add(time.Microsecond), 0)
	}
	event, err := r.signed.Commit(rev, changes...)
	if err != nil {
		panic(err) // paths and records were checked, and the key is valid
	}
	r.commit = commit{CID: string(event.Commit), Rev: rev}
	s.publish(event)
}

func (s *Server) applyOne(auth *session, repository *repository, records map[string]map[string]*record, w *write) (result written, blobs []blobRef, failed *xrpcError) {
	if _, err := syntax.ParseNSID(w.collection); err != nil {
		return result, nil, fail("InvalidRequest", "Input/collection must be a valid nsid")
	}
	if w.rkey == "" && w.action == "create" {
		w.rkey = string(s.freeKey(records[w.collection]))
	}
	if _, err := syntax.ParseRecordKey(w.rkey); err != nil {
		return result, nil, fail("InvalidRequest", "Input/rkey must be a valid record key")
	}
	current := records[w.collection][w.rkey]
	actions := []scope.Action{scope.Action(w.action)}
	if w.action == "put" {
		actions = []scope.Action{scope.Create, scope.Update}
	}
	for _, action := range actions {
		if failed := s.requires(auth, scope.Repo(syntax.NSID(w.collection), action)); failed != nil {
			return result, nil, failed
		}
	}
	if w.swap != nil {
		at := ""
		if current != nil {
			at = current.cid
		}
		if at != *w.swap {
			if at == "" {
				at = "null"
			}
			return result, nil, fail("InvalidSwap", "Record was at %s", at)
		}
	}
	result.URI = "at://" + string(auth.did) + "/" + w.collection + "/" + w.rkey
	switch {
	case w.action == "create" && current != nil:
		return result, nil, fail("InvalidRequest", "Record already exists: %s", result.URI)
	case w.action == "update" && current == nil:
		return result, nil, fail("InvalidRequest", "Could not locate record: %s", result.URI)
	case w.action == "delete":
		delete(records[w.collection], w.rkey)
		return result, nil, nil
	}
	r, failed := newRecord(w)
	if failed != nil {
		return result, nil, failed
	}
	blobs = blobRefs(w.value, nil)
	for _, ref := range blobs {
		stored := repository.blobs[ref.cid]
		switch {
		case stored == nil:
			return result, nil, fail("BlobNotFound", "Could not find blob: %s", ref.cid)
		case ref.mediaType != stored.mediaType:
			return result, nil, fail("InvalidMimeType", "Referenced Mimetype does not match stored blob. Expected: %s, Got: %s", stored.mediaType, ref.mediaType)
		case ref.size != strconv.Itoa(len(stored.data)):
			return result, nil, fail("InvalidSize", "Referenced Size does not match stored blob. Expected: %d, Got: %s", len(stored.data), ref.size)
		}
	}
	for _, ref := range blobs {
		r.blobs = append(r.blobs, ref.cid)
	}
	if records[w.collection] == nil {
		records[w.collection] = make(map[string]*record)
	}
	records[w.collection][w.rkey] = r
	result.CID = r.cid
	result.ValidationStatus = r.status
	return result, blobs, nil
}

// freeKey returns a record key that sorts after all others.
func (s *Server) freeKey(taken map[string]*record) syntax.TID {
	t := s.Now()
	for {
		key := syntax.TIDOf(t, 0)
		if taken[string(key)] == nil {
			return key
		}
		t = t.Add(time.Microsecond)
	}
}

// A blobRef is a reference to a blob in a record.
type blobRef struct{ cid, mediaType, size string }

// blobRefs appends the blobs that a value refers to.
func blobRefs(value any, refs []blobRef) []blobRef {
	switch v := value.(type) {
	case []any:
		for _, item := range v {
			refs = blobRefs(item, refs)
		}
	case object:
		return blobRefs(map[string]any(v), refs)
	case map[string]any:
		if v["$type"] == "blob" {
			if ref, ok := v["ref"].(map[string]any); ok {
				if link, ok := ref["$link"].(string); ok {
					return append(refs, blobRef{link, fmt.Sprint(v["mimeType"]), fmt.Sprint(v["size"])})
				}
			}
		}
		for _, item := range v {
			refs = blobRefs(item, refs)
		}
	}
	return refs
}

// An object is a record as it was sent; its numbers keep their spelling.
type object map[string]any

// UnmarshalJSON implements json.Unmarshaler.
func (o *object) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return d.Decode((*map[string]any)(o))
}

// recordInput is the input of the methods that write one record.
type recordInput struct {
	Repo       string          `json:"repo"`
	Collection string          `json:"collection"`
	Rkey       string          `json:"rkey"`
	Record     object          `json:"record"`
	SwapRecord json.RawMessage `json:"swapRecord"`
	SwapCommit string          `json:"swapCommit"`
	Validate   *bool           `json:"validate"`
}

// writeOne makes one change.
func (s *Server) writeOne(c *call, action string) (*written, *xrpcError) {
	var in recordInput
	if failed := c.input(&in); failed != nil {
		return nil, failed
	}
	w := &write{action: action, collection: in.Collection, rkey: in.Rkey, value: in.Record, validate: in.Validate}
	switch {
	case in.SwapRecord == nil:
	case string(in.SwapRecord) == "null":
		w.swap = new("")
	default:
		if err := json.Unmarshal(in.SwapRecord, &w.swap); err != nil {
			return nil, fail("InvalidRequest", "Input/swapRecord must be a string or null")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if failed := s.ownRepo(c, in.Repo); failed != nil {
		return nil, failed
	}
	if action == "put" {
		if same := s.unchanged(c.auth, w); same != nil {
			return same, nil
		}
	}
	results, failed := s.apply(c.auth, []*write{w}, in.SwapCommit)
	if failed != nil {
		return nil, failed
	}
	return &results[0], nil
}

// unchanged returns the answer to a put that changes nothing. As at the reference, it makes no
// commit and checks no swap. s.mu is held.
func (s *Server) unchanged(auth *session, w *write) *written {
	current := s.repo(auth.did).records[w.collection][w.rkey]
	if current == nil {
		return nil
	}
	r, failed := newRecord(w)
	if failed != nil || r.cid != current.cid {
		return nil
	}
	return &written{URI: "at://" + string(auth.did) + "/" + w.collection + "/" + w.rkey, CID: r.cid, ValidationStatus: r.status}
}

// ownRepo refuses writes to another account's repository. s.mu is held.
func (s *Server) ownRepo(c *call, id string) *xrpcError {
	a := s.account(id)
	if a == nil {
		return fail("InvalidRequest", "Could not find repo: %s", id)
	}
	if a.DID != c.auth.did {
		return &xrpcError{status: 401, name: "AuthenticationRequired", message: "Authentication Required"}
	}
	return nil
}

func (s *Server) createRecord(c *call) (any, *xrpcError) {
	w, failed := s.writeOne(c, "create")
	return w, failed
}

func (s *Server) putRecord(c *call) (any, *xrpcError) {
	w, failed := s.writeOne(c, "put")
	return w, failed
}

func (s *Server) deleteRecord(c *call) (any, *xrpcError) {
	w, failed := s.writeOne(c, "delete")
	if failed != nil {
		return nil, failed
	}
	return map[string]any{"commit": w.Commit}, nil
}

func (s *Server) applyWrites(c *call) (any, *xrpcError) {
	const prefix = "com.atproto.repo.applyWrites#"
	var in struct {
		Repo       string `json:"repo"`
		SwapCommit string `json:"swapCommit"`
		Validate   *bool  `json:"validate"`
		Writes     []struct {
			Type       string `json:"$type"`
			Collection string `json:"collection"`
			Rkey       string `json:"rkey"`
			Value      object `json:"value"`
		} `json:"writes"`
	}
	if failed := c.input(&in); failed != nil {
		return nil, failed
	}
	if len(in.Writes) > 200 {
		return nil, fail("InvalidRequest", "Too many writes. Max: 200")
	}
	var writes []*write
	for _, w := range in.Writes {
		action, ok := strings.CutPrefix(w.Type, prefix)
		if !ok || action != "create" && action != "update" && action != "delete" {
			return nil, fail("InvalidRequest", "Action not supported: %s", w.Type)
		}
		writes = append(writes, &write{action: action, collection: w.Collection, rkey: w.Rkey, value: w.Value, validate: in.Validate})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if failed := s.ownRepo(c, in.Repo); failed != nil {
		return nil, failed
	}
	results, failed := s.apply(c.auth, writes, in.SwapCommit)
	if failed != nil {
		return nil, failed
	}
	answers := make([]map[string]string, 0, len(results))
	for i, r := range results {
		answer := map[string]string{"$type": prefix + writes[i].action + "Result"}
		if writes[i].action != "delete" {
			answer["uri"], answer["cid"] = r.URI, r.CID
			if r.ValidationStatus != "" {
				answer["validationStatus"] = r.ValidationStatus
			}
		}
		answers = append(answers, answer)
	}
	return map[string]any{"commit": s.repo(c.auth.did).commit, "results": answers}, nil
}

// A view is a record in the answer of a reading method.
type view struct {
	URI   string          `json:"uri"`
	CID   string          `json:"cid"`
	Value json.RawMessage `json:"value"`
}

func (s *Server) getRecord(c *call) (any, *xrpcError) {
	q := c.r.URL.Query()
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.account(q.Get("repo"))
	if a == nil {
		return nil, fail("InvalidRequest", "Could not find repo: %s", q.Get("repo"))
	}
	uri := "at://" + string(a.DID) + "/" + q.Get("collection") + "/" + q.Get("rkey")
	r := s.repo(a.DID).records[q.Get("collection")][q.Get("rkey")]
	if r == nil || q.Has("cid") && q.Get("cid") != r.cid {
		return nil, fail("RecordNotFound", "Could not locate record: %s", uri)
	}
	return view{uri, r.cid, r.value}, nil
}

// describeRepo describes an account and the collections that have records. As at the reference, the
// DID document is that of the directory, and has to be in order.
func (s *Server) describeRepo(c *call) (any, *xrpcError) {
	id := c.r.URL.Query().Get("repo")
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.account(id)
	if a == nil {
		return nil, fail("InvalidRequest", "Could not find user: %s", id)
	}
	document, err := identity.ParseDocument(a.published(), a.DID)
	if err != nil {
		return nil, fail("InvalidRequest", "Could not resolve DID: %v", err)
	}
	records, collections := s.repo(a.DID).records, []string{}
	for _, collection := range slices.Sorted(maps.Keys(records)) {
		if len(records[collection]) > 0 {
			collections = append(collections, collection)
		}
	}
	claimed, _ := document.Handle()
	return map[string]any{
		"handle":          a.Handle,
		"did":             a.DID,
		"didDoc":          json.RawMessage(a.published()),
		"collections":     collections,
		"handleIsCorrect": claimed == a.Handle,
	}, nil
}

func (s *Server) listRecords(c *call) (any, *xrpcError) {
	q := c.r.URL.Query()
	limit := 50
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 100 {
			return nil, fail("InvalidRequest", "limit must be a number from 1 to 100")
		}
		limit = n
	}
	reverse := q.Get("reverse") == "true"
	if _, err := syntax.ParseNSID(q.Get("collection")); err != nil {
		return nil, fail("InvalidRequest", "collection must be a valid nsid")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.account(q.Get("repo"))
	if a == nil {
		return nil, fail("InvalidRequest", "Could not find repo: %s", q.Get("repo"))
	}
	records := s.repo(a.DID).records[q.Get("collection")]
	keys := slices.Sorted(maps.Keys(records))
	if !reverse {
		slices.Reverse(keys) // newest first
	}
	answer := struct {
		Cursor  string `json:"cursor,omitempty"`
		Records []view `json:"records"`
	}{Records: []view{}}
	for _, key := range keys {
		if cursor := q.Get("cursor"); cursor != "" && (reverse && key <= cursor || !reverse && key >= cursor) {
			continue
		}
		if len(answer.Records) == limit {
			break
		}
		r := records[key]
		answer.Records = append(answer.Records, view{"at://" + string(a.DID) + "/" + q.Get("collection") + "/" + key, r.cid, r.value})
		answer.Cursor = key // also on the last page, like the reference server
	}
	return answer, nil
}
