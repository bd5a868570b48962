package xrpc

import (
	"fmt"
	"mime"
	"strings"
)

// checkEncoding refuses a content type that the lexicon's encoding does not allow.
func checkEncoding(encoding, contentType string) error {
	if contentType == "" || encoding == "" || encoding == "*/*" || matchesEncoding(encoding, contentType) {
		return nil
	}
	return fmt.Errorf("content type %q is not %q", contentType, encoding)
}

// matchesEncoding compares without regard to parameters and letter case; an
// encoding may be a wildcard such as image/*.
func matchesEncoding(encoding, contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	if group, ok := strings.CutSuffix(strings.ToLower(encoding), "/*"); ok {
		return group == "*" || strings.HasPrefix(media, group+"/")
	}
	return strings.EqualFold(media, encoding)
}

// typed returns b with a content type: its own, else the encoding's.
func (b *Body) typed(encoding string) *Body {
	if b.contentType == "" {
		b.contentType = "application/octet-stream"
		if encoding != "" && !strings.Contains(encoding, "*") {
			b.contentType = encoding
		}
	}
	return b
}
