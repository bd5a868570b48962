package oauth

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
)

// maxLoginForm is larger than any DID and path.
const maxLoginForm = 64 << 10

// Reasons to refuse a form.
var (
	errOtherSite = errors.New("it was sent from another site")
	errNoForm    = errors.New("it is not an HTML form")
)

// posted returns a handler for forms that pages of this origin post.
func (web *Web) posted(h http.HandlerFunc) http.Handler {
	web.check()
	protection := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		private(w)
		if r.Method != http.MethodPost {
			notAllowed(w, http.MethodPost)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxLoginForm)
		if err := readForm(r, protection); err != nil {
			web.failed(w, r, &Error{Kind: ErrForm, Err: err})
			return
		}
		h(w, r)
	})
}

// readForm reads the form of r; it may be missing.
func readForm(r *http.Request, protection *http.CrossOriginProtection) error {
	if err := protection.Check(r); err != nil {
		return fmt.Errorf("%w: %w", errOtherSite, err)
	}
	if r.ContentLength != 0 {
		media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || media != contentTypeForm {
			return fmt.Errorf("%w but %q", errNoForm, r.Header.Get("Content-Type"))
		}
	}
	return r.ParseForm()
}
