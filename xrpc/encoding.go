package xrpc

import (
	"fmt"
	"mime"
	"strings"
)

// octetStream is the type of bytes of unknown content.
const octetStream = "application/octet-stream"

// contentTypeFor returns the content type to send: the body's own type, which the lexicon's
// encoding must allow, or the type that the encoding names (X8).
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
		return "", fmt.Errorf("the body has no content type: set one of the form %s", encoding)
	case strings.HasPrefix(mediaType(encoding), "text/") && !strings.Contains(encoding, ";"):
		return encoding + "; charset=utf-8", nil
	}
	return encoding, nil
}

// matchesEncoding ignores parameters and letter case. An encoding may be a wildcard such as image/*
// (X9).
func matchesEncoding(encoding, contentType string) bool {
	want, got := mediaType(encoding), mediaType(contentType)
	if group, ok := strings.CutSuffix(want, "/*"); ok {
		return got != "" && (group == "*" || strings.HasPrefix(got, group+"/"))
	}
	return got != "" && got == want
}

// mediaType returns type and subtype in lower case, even if the parameters are not valid; "" if
// there are none.
func mediaType(contentType string) string {
	if contentType == "application/json" { // the most common case
		return contentType
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		// One cause is a parameter that comes twice. The type in front is clear all the same.
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
