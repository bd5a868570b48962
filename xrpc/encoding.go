package xrpc

import (
	"fmt"
	"mime"
	"strings"
)

// octetStream is the type of bytes of which no more is said.
const octetStream = "application/octet-stream"

// contentTypeFor returns the type under which a body is sent: its own, which has to be what the
// lexicon's encoding allows, or the one that the encoding means (X8).
func contentTypeFor(encoding, own string) (string, error) {
	group, wildcard := strings.CutSuffix(strings.ToLower(mediaType(encoding)), "/*")
	switch {
	case own != "" && mediaType(own) == "":
		return "", fmt.Errorf("content type %.80q is not a MIME type such as image/png", own)
	case own != "" && encoding != "" && !matchesEncoding(encoding, own):
		return "", fmt.Errorf("content type %.80q is not %q", own, encoding)
	case own != "":
		return own, nil
	case encoding == "" || wildcard && group == "*":
		return octetStream, nil
	case wildcard && group == "text":
		return "text/plain; charset=utf-8", nil
	case wildcard:
		return "", fmt.Errorf("the body has no content type: give it one of %s", encoding)
	case strings.HasPrefix(mediaType(encoding), "text/") && !strings.Contains(encoding, ";"):
		return encoding + "; charset=utf-8", nil
	}
	return encoding, nil
}

// matchesEncoding compares without regard to parameters and letter case; an
// encoding may be a wildcard such as image/* (X9).
func matchesEncoding(encoding, contentType string) bool {
	want, got := mediaType(encoding), mediaType(contentType)
	if group, ok := strings.CutSuffix(want, "/*"); ok {
		return got != "" && (group == "*" || strings.HasPrefix(got, group+"/"))
	}
	return got != "" && got == want
}

// mediaType returns type and subtype in lower case, whatever the parameters are worth; "" if there
// are none.
func mediaType(contentType string) string {
	if contentType == "application/json" { // as nearly all are
		return contentType
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		// Among others, a parameter that comes twice: the type before it is said all the same.
		front, _, _ := strings.Cut(contentType, ";")
		if media, _, err = mime.ParseMediaType(front); err != nil {
			return ""
		}
	}
	if group, subtype, ok := strings.Cut(media, "/"); !ok || group == "" || subtype == "" {
		return ""
	}
	return media
}
