package identity

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/gimucco/atproto-go/internal/safehttp"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

const (
	// maxSightings is for how many DIDs the last answers are remembered.
	maxSightings = 10_000
	// maxReplaced is how many replaced documents are remembered for one DID.
	maxReplaced = 4
)

// directories are PLC directories. Some may be mirrors that lag behind others.
//
// A document does not say how old it is. So if a document differs from the last one, it is either
// new or from a mirror that lags. Then the other directories are asked too. If they do not agree,
// the date of the last change in their logs decides. For a single directory nothing is remembered,
// because no other can contradict it.
type directories struct {
	urls []string
	seen *lru.Cache[syntax.DID, sighting] // nil for a single directory
}

// A sighting is what directories last said about a DID. It never changes.
type sighting struct {
	last     digest
	replaced []digest // earlier documents, the latest at the end
}

// A digest identifies what a document says, however its JSON is written.
type digest [sha256.Size]byte

func digestOf(doc *Document) digest {
	said := *doc
	said.Raw = nil
	text, _ := json.Marshal(said) // strings and lists of strings can always be encoded
	return sha256.Sum256(text)
}

// A statement is the document of one directory.
type statement struct {
	directory string
	doc       *Document
	digest    digest
}

func newDirectories(urls []string) directories {
	d := directories{urls: make([]string, 0, len(urls))}
	for _, u := range urls {
		d.urls = append(d.urls, strings.TrimSuffix(u, "/"))
	}
	if len(urls) > 1 {
		d.seen, _ = lru.New[syntax.DID, sighting](maxSightings) // it only refuses a number below one
	}
	return d
}

// resolve asks the directories in order. A directory that does not know the DID may lag behind the
// next one, so only a document ends the search.
func (d directories) resolve(ctx context.Context, client *safehttp.Client, did syntax.DID) (*Document, error) {
	before, known := d.sighting(did)
	var said []statement
	var failed error
	for _, directory := range d.urls {
		doc, err := fetchDocument(ctx, client, directory+"/"+string(did), did)
		if err == nil {
			said = append(said, statement{directory, doc, digestOf(doc)})
			if len(said) == 1 && (!known || said[0].digest == before.last) {
				break
			}
			continue
		}
		// The result is "not found" only if every directory answered.
		if failed == nil || errors.Is(failed, ErrNotFound) {
			failed = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	if len(said) == 0 {
		return nil, failed
	}
	newest := newestOf(ctx, client, did, said, before)
	if slices.Contains(before.replaced, newest.digest) && failed != nil && !errors.Is(failed, ErrNotFound) {
		return nil, failure(string(did), ErrUnreachable, "%s is behind: its document was replaced since; the directories that may have a newer one: %w", newest.directory, failed)
	}
	d.remember(did, before, newest.digest)
	return newest.doc, nil
}

func (d directories) sighting(did syntax.DID) (s sighting, ok bool) {
	if d.seen == nil {
		return sighting{}, false
	}
	return d.seen.Get(did)
}

func (d directories) remember(did syntax.DID, before sighting, last digest) {
	if d.seen == nil || before.last == last {
		return
	}
	now := sighting{last: last}
	if before.last != (digest{}) {
		replaced := slices.DeleteFunc(slices.Clone(before.replaced), func(old digest) bool { return old == last })
		replaced = append(replaced, before.last)
		now.replaced = replaced[max(0, len(replaced)-maxReplaced):]
	}
	d.seen.Add(did, now)
}

// newestOf returns the statement with the latest change. If the logs do not show it, a document
// that was not replaced before counts as newer, and then the one of a later directory: mirrors
// stand before what they mirror.
func newestOf(ctx context.Context, client *safehttp.Client, did syntax.DID, said []statement, before sighting) statement {
	newest := said[0]
	for _, s := range said[1:] {
		if s.digest == newest.digest {
			continue
		}
		is, err := lastChange(ctx, client, newest.directory, did)
		if err == nil {
			var other time.Time
			if other, err = lastChange(ctx, client, s.directory, did); err == nil && !is.Equal(other) {
				if other.After(is) {
					newest = s
				}
				continue
			}
		}
		if !slices.Contains(before.replaced, s.digest) {
			newest = s
		}
	}
	return newest
}

// lastChange returns when a DID last changed, from the log of a directory
// (https://web.plc.directory/api/redoc). Changes that were undone do not count.
func lastChange(ctx context.Context, client *safehttp.Client, directory string, did syntax.DID) (time.Time, error) {
	body, err := client.GetJSON(ctx, directory+"/"+string(did)+"/log/audit")
	if err != nil {
		return time.Time{}, err
	}
	var changes []object
	if err := json.Unmarshal(body, &changes); err != nil {
		return time.Time{}, err
	}
	var last time.Time
	for _, change := range changes {
		var nullified bool
		if err := change.read("nullified", &nullified); err != nil {
			return time.Time{}, err
		}
		at, err := time.Parse(time.RFC3339, change.text("createdAt"))
		if err != nil {
			return time.Time{}, fmt.Errorf("createdAt: %w", err)
		}
		if !nullified && at.After(last) {
			last = at
		}
	}
	if last.IsZero() {
		return time.Time{}, errors.New("the log is empty")
	}
	return last, nil
}
