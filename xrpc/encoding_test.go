package xrpc

import (
	"context"
	"net/http"
	"testing"
)

func TestContentTypes(t *testing.T) {
	for _, tt := range []struct {
		name, encoding, own string
		want                string // "": refused
	}{
		{"X8 anything, and the caller says", "*/*", "image/png", "image/png"},
		{"X8 anything, and nobody says", "*/*", "", "application/octet-stream"},
		{"X8 anything, and the caller says what is none", "*/*", "picture", ""},
		{"X8 anything, and the caller says two lines", "*/*", "image/png\r\nX: y", ""},
		{"X8 text, and nobody says", "text/*", "", "text/plain; charset=utf-8"},
		{"X8 text, and the caller says", "text/*", "text/markdown; charset=latin1", "text/markdown; charset=latin1"},
		{"X8 a text of one type", "text/vtt", "", "text/vtt; charset=utf-8"},
		{"X8 an image, and nobody says", "image/*", "", ""},
		{"X8 an image, and the caller says", "image/*", "image/png", "image/png"},
		{"X8 an image, and the caller says it in capitals", "image/*", "IMAGE/PNG", "IMAGE/PNG"},
		{"X8 an image, and the caller says something else", "image/*", "text/plain", ""},
		{"X8 an image, and the caller says a group that begins like it", "image/*", "imagery/png", ""},
		{"X8 one type, and nobody says", "video/mp4", "", "video/mp4"},
		{"X8 one type, with parameters", "video/mp4", "video/mp4; codecs=avc1", "video/mp4; codecs=avc1"},
		{"X8 another type", "video/mp4", "video/webm", ""},
		{"X8 no encoding", "", "", "application/octet-stream"},
		{"X8 no encoding, and the caller says what is none", "", "picture", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := contentTypeFor(tt.encoding, tt.own)
			if got != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	t.Run("X8 a body keeps what it was made with", func(t *testing.T) {
		body := BytesBody([]byte("x"), "")
		c := NewCaller(roundTripDoer(func() {}))
		if _, err := Call[value](t.Context(), c, upload, nil, Raw(body), nil); err != nil || body.ContentType() != "" {
			t.Errorf("the type is %q, %v", body.ContentType(), err)
		}
	})
}

func TestTypesOfAnswers(t *testing.T) {
	for _, tt := range []struct {
		name, encoding, contentType string
		typed, stream               bool // taken
	}{
		{"X9 the type itself", "application/json", "application/json", true, true},
		{"X9 with parameters", "application/json", "application/json; charset=utf-8", true, true},
		{"X9 in capitals", "application/json", "Application/JSON;CHARSET=UTF-8", true, true},
		{"X9 with a parameter that is none", "application/json", "application/json; charset", true, true},
		{"X9 with a parameter twice", "application/json", "application/json; charset=utf-8; charset=utf-8", true, true},
		{"X9 an encoding with parameters", "application/json; charset=utf-8", "application/json", true, true},
		{"X9 another type", "application/json", "text/html", false, false},
		{"X9 one that begins like it", "application/json", "application/json5", false, false},
		{"X9 bytes", "application/json", "application/octet-stream", false, true},
		{"X9 nothing said", "application/json", "", false, true},
		{"X9 no type", "application/json", "json", false, false},
		{"X9 a group", "image/*", "image/png", true, true},
		{"X9 X10 anything", "*/*", "application/json", true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := NewCaller(doerFunc(func(context.Context, *Request) (*http.Response, error) { return answer(200, tt.contentType, "{}"), nil }))
			m := Method{NSID: "a.b.c", Output: tt.encoding}
			_, err := Call[value](t.Context(), c, m, nil, Input{}, nil)
			if (err == nil) != tt.typed {
				t.Errorf("typed: %v", err)
			}
			d, err := Open(t.Context(), c, m, nil, Input{}, nil)
			if (err == nil) != tt.stream {
				t.Errorf("as a stream: %v", err)
			}
			if err == nil {
				d.Close()
			}
			if err := Send(t.Context(), c, m, nil, Input{}, nil); err != nil {
				t.Errorf("X10 an output that nobody looks at: %v", err)
			}
		})
	}
}
