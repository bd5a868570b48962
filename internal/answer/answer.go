// Package answer looks into answers of servers without taking them from their reader.
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
	// maxRefusal is more than the body of a refusal needs.
	maxRefusal = 4 << 10
	// wait is how long the body of a refusal is waited for.
	wait = 5 * time.Second
)

// ErrorName reads the name of the error from a small JSON body, and leaves the body as it
// was. It is "" where the body names none.
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
	json.Unmarshal(start, &words) // what cannot be read names nothing
	return words.Error
}

// A failedReader repeats an error that has been met already.
type failedReader struct{ err error }

func (r failedReader) Read([]byte) (int, error) { return 0, r.err }
