package site

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A draft is a post as its form has it.
type draft struct {
	Text, Alt string

	// Key is the key that its record will have. It is made with the form, so that a form that is
	// sent twice makes one post.
	Key syntax.TID

	picture string // a file; "": none
}

const (
	maxPicture = 20 << 20 // bytes of a picture, as it comes
	maxField   = 64 << 10
	// maxForm is how much of a form is read at all. It is far more than maxPicture, because a browser shows the
	// answer only after it has sent the whole form.
	maxForm = 64 << 20
)

// readDraft reads the form, field by field, so that the text is kept when the picture is too large.
// The picture is written into folder, or nowhere if folder is "".
func readDraft(w http.ResponseWriter, r *http.Request, folder string) (*draft, error) {
	d := new(draft)
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	form, err := r.MultipartReader()
	if errors.Is(err, http.ErrNotMultipart) { // a form without a field for pictures
		if err := r.ParseForm(); err != nil {
			return d, unreadable(err)
		}
		for name := range r.PostForm {
			d.set(name, r.PostForm.Get(name))
		}
		return d, nil
	}
	if err != nil {
		return d, unreadable(err)
	}
	var wrong error // about the picture; the fields after it are still read
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			return d, wrong
		}
		if err != nil {
			return d, unreadable(err)
		}
		if part.FileName() != "" {
			if folder != "" && part.FormName() == "picture" {
				d.picture, wrong = keep(part, folder)
			}
			continue
		}
		value, err := io.ReadAll(io.LimitReader(part, maxField))
		if err != nil {
			return d, unreadable(err)
		}
		d.set(part.FormName(), string(value))
	}
}

// set sets a field of the form.
func (d *draft) set(name, value string) {
	value = strings.TrimSpace(strings.ReplaceAll(value, "\r\n", "\n")) // as forms are sent
	switch name {
	case "text":
		d.Text = value
	case "alt":
		d.Alt = value
	case "key":
		d.Key, _ = syntax.ParseTID(value)
	}
}

func unreadable(err error) error {
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return tooLarge()
	}
	return &problem{http.StatusBadRequest, "The form did not arrive completely. Please send it again."}
}

func tooLarge() error {
	return &problem{http.StatusRequestEntityTooLarge, fmt.Sprintf("The picture has more than %d MB. Choose a smaller one.", maxPicture>>20)}
}

// keep writes a picture into a file.
func keep(part *multipart.Part, folder string) (string, error) {
	name := filepath.Join(folder, "picture")
	file, err := os.Create(name)
	if err != nil {
		return "", err
	}
	n, err := io.Copy(file, io.LimitReader(part, maxPicture+1))
	if err := errors.Join(err, file.Close()); err != nil {
		return "", unreadable(err)
	}
	if n > maxPicture {
		return "", tooLarge()
	}
	return name, nil
}

// draftKey is the key of the draft in the context of its request.
type draftKey struct{}

func withDraft(r *http.Request, d *draft) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), draftKey{}, d))
}

// draftOf returns what the user typed into the form of a request. The request may not have reached its handler,
// because nobody is logged in.
func draftOf(w http.ResponseWriter, r *http.Request) *draft {
	if d, ok := r.Context().Value(draftKey{}).(*draft); ok {
		return d
	}
	if r.Method != http.MethodPost || r.URL.Path != "/post" {
		return nil
	}
	d, _ := readDraft(w, r, "") // as much of it as can be read
	return d
}
