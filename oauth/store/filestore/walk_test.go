package filestore

import (
	"testing"
	"time"

	"github.com/gimucco/atproto-go/oauth/store"
)

// Purge looks at a file, and takes its lock only then. A process may have prolonged the record
// between the two.
func TestPurgeLooksAgain(t *testing.T) {
	s := opened(t)
	for name, tt := range map[string]struct {
		keep   time.Duration
		purged int
	}{
		"P77 a record that was prolonged stays":     {time.Hour, 0},
		"P77 a record that nobody keeps is removed": {time.Nanosecond, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := &store.Record{Key: store.RecordKey{Kind: store.RecordSession, DID: "did:web:alice.test", ID: name}, Revision: 1, Keep: tt.keep, Data: []byte("x")}
			if err := s.Put(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			n, err := s.purge(t.Context(), s.path(r.Key), time.Now().Add(time.Second))
			if err != nil || n != tt.purged {
				t.Errorf("%d were purged, %v", n, err)
			}
			if _, err := s.Get(t.Context(), r.Key); (err == nil) != (tt.purged == 0) {
				t.Errorf("then it is there: %v", err)
			}
		})
	}
}
