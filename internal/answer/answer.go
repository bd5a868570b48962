// Package answer looks into servers' answers without consuming them.
package answer

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"time"
)

const (
	// maxRefusal is larger than the body of any refusal.
	maxRefusal = 4 << 10
	// wait is how long the body of a refusal is read.
	wait = 5 * time.Second
)

// ErrorName returns the name of the error in a small JSON body, and leaves the body unread. It is
// "" if the body has none.
func ErrorName(resp *http.Response) string {
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return ""
	}
	body := resp.Body
	late := time.AfterFunc(wait, func() { body.Close() })
	start, err := io.ReadAll(io.LimitReader(body, maxRefusal))
	late.Stop()
	rest := io.Reader(body)
	if err != nil {
		rest = failedReader{err}
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(start), rest), body}
	var words struct {
		Error string `json:"error"`
	}
	json.Unmarshal(start, &words) // a body that cannot be read has no name
	return words.Error
}

// A failedReader repeats an error that was read before.
type failedReader struct{ err error }

func (r failedReader) Read([]byte) (int, error) { return 0, r.err }
