package xrpc

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/xrpc/lex"
)

func TestSubscriptionIsAWebSocket(t *testing.T) {
	t.Run("X2 X38 at the path of the method, with its parameters and header fields", func(t *testing.T) {
		var got []string
		streaming(t, func(c *connection) {
			got = append(got, c.Method, c.URL.String(), c.Header.Get("X-Mine"), c.Header.Get("Authorization"), c.Header.Get("User-Agent"), c.Header.Get("Sec-WebSocket-Protocol"))
			c.post(7)
		}, func(t *testing.T, c *Caller) {
			withToken := NewCaller(Bearer(c.doer, "token"))
			var info ResponseInfo
			s := Subscribe[event](t.Context(), withToken, subscribe, &at{cursor: new(int64(6))}, []Option{WithHeader("X-Mine", "1"), WithParam("extra", true), WithResponse(&info)})
			if len(got) > 0 {
				t.Error("it connects before it is read")
			}
			texts, err := take(s, 1)
			if diff := cmp.Diff([]string{"post 7"}, texts); diff != "" || err != nil {
				t.Error(diff, err)
			}
			if diff := cmp.Diff([]string{"GET", "/xrpc/com.example.subscribe?cursors=none&extra=true&cursor=6", "1", "Bearer token", userAgent, ""}, got); diff != "" {
				t.Error(diff)
			}
			if info.Status != 101 {
				t.Errorf("the response is %+v", info)
			}
		})
	})
	for _, tt := range []struct {
		status   int
		name     ErrorName
		attempts int
	}{
		{400, "InvalidRequest", 1},
		{401, "AuthenticationRequired", 1},
		{403, "Forbidden", 1},
		{404, "XRPCNotSupported", 1},
		{405, "InvalidRequest", 1},
		{426, "InvalidRequest", 1},
		{429, "RateLimitExceeded", 3},
		{500, "InternalServerError", 3},
		{501, "MethodNotImplemented", 1},
		{502, "UpstreamFailure", 3},
		{503, "NotEnoughResources", 3},
		{504, "UpstreamTimeout", 3},
		{505, "InternalServerError", 1},
		{521, "InternalServerError", 3}, // of a well-known proxy
	} {
		t.Run(fmt.Sprintf("X38 a refusal with %d", tt.status), func(t *testing.T) {
			attempts := 0
			served(t, func(w http.ResponseWriter, r *http.Request) {
				attempts++
				w.WriteHeader(tt.status)
			}, func(t *testing.T, c *Caller) {
				s := Subscribe[event](t.Context(), c, subscribe, nil, nil)
				_, err := during(s, time.Hour)
				e, ok := errors.AsType[*Error](err)
				if !ok || e.Status != tt.status || !errors.Is(err, tt.name) || attempts != tt.attempts {
					t.Errorf("%d attempts, %v", attempts, err)
				}
				if _, again := take(s, 1); again != err || attempts != tt.attempts {
					t.Errorf("read again, it fails with %v", again)
				}
			})
		})
	}
	t.Run("X38 a pause that the server asks for is kept", func(t *testing.T) {
		attempts := 0
		served(t, func(w http.ResponseWriter, r *http.Request) {
			attempts++
			w.Header().Set("Retry-After", "600")
			w.WriteHeader(429)
		}, func(t *testing.T, c *Caller) {
			start := time.Now()
			var log streamLog
			_, err := take(Subscribe[event](t.Context(), c, subscribe, nil, []Option{log.option()}), 1)
			if d := time.Since(start); !errors.Is(err, ErrRateLimitExceeded) || d != 20*time.Minute {
				t.Errorf("%v after %s", err, d)
			}
			if len(log.events) != 2 || log.events[0].Kind != StreamBroken || log.events[0].Pause != 10*time.Minute || !errors.Is(log.events[0].Err, ErrRateLimitExceeded) {
				t.Errorf("told %v", log.events)
			}
		})
	})
	for _, tt := range []struct {
		name   string
		answer func(w http.ResponseWriter)
		want   string
	}{
		{"a page", func(w http.ResponseWriter) { io.WriteString(w, "<html>") }, "xrpc: com.example.subscribe: invalid response (HTTP 200): it does not open a WebSocket"},
		{"a redirect", func(w http.ResponseWriter) {
			w.Header().Set("Location", "https://other.example.com/")
			w.WriteHeader(302)
		}, `the server points to "https://other.example.com/", which is not followed`},
	} {
		t.Run("X38 "+tt.name+" is no WebSocket", func(t *testing.T) {
			attempts := 0
			served(t, func(w http.ResponseWriter, r *http.Request) { attempts++; tt.answer(w) }, func(t *testing.T, c *Caller) {
				_, err := take(Subscribe[event](t.Context(), c, subscribe, nil, nil), 1)
				if err == nil || !strings.Contains(err.Error(), tt.want) || attempts != 1 {
					t.Errorf("%d attempts, %v", attempts, err)
				}
			})
		})
	}
	t.Run("X38 an answer whose key is not that of the request", func(t *testing.T) {
		served(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "websocket")
			w.Header().Set("Sec-WebSocket-Accept", "wrong")
			w.WriteHeader(101)
		}, func(t *testing.T, c *Caller) {
			_, err := take(Subscribe[event](t.Context(), c, subscribe, nil, nil), 1)
			if _, ok := errors.AsType[*StreamError](err); !ok || !errors.Is(err, ErrMalformedFrame) {
				t.Error(err)
			}
		})
	})
	t.Run("X38 a server that does not answer", func(t *testing.T) {
		served(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, func(t *testing.T, c *Caller) {
			start := time.Now()
			_, err := during(Subscribe[event](t.Context(), c, subscribe, nil, []Option{once()}), time.Hour)
			if d := time.Since(start); !errors.Is(err, ErrHeaderTimeout) || d != DefaultHeaderTimeout {
				t.Errorf("%v after %s", err, d)
			}
		})
	})
	t.Run("X38 over TLS, to a server that speaks HTTP/2 otherwise", func(t *testing.T) {
		var versions []string
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			versions = append(versions, r.Proto)
			if r.Header.Get("Upgrade") == "" {
				w.Header().Set("Content-Type", "application/json")
				io.WriteString(w, "{}")
				return
			}
			rawSocket(func(s *rawConn) { s.frame(0x82, cborOf(t, `{"op":1,"t":"#post"}`, `{"seq":7,"text":"hi"}`)) })(w, r)
		}))
		server.EnableHTTP2 = true
		server.StartTLS()
		defer server.Close()
		roots := x509.NewCertPool()
		roots.AddCert(server.Certificate())
		client, err := NewClient(server.URL, ClientConfig{AllowLoopback: true, RootCAs: roots})
		if err != nil {
			t.Fatal(err)
		}
		c := NewCaller(client)
		if _, err := Call[value](t.Context(), c, query, nil, Input{}, nil); err != nil {
			t.Fatal(err)
		}
		texts, err := take(Subscribe[event](t.Context(), c, subscribe, nil, nil), 1)
		if diff := cmp.Diff([]string{"hi"}, texts); diff != "" || err != nil {
			t.Error(diff, err)
		}
		if diff := cmp.Diff([]string{"HTTP/2.0", "HTTP/1.1"}, versions); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("X38 a transport that hides the connection is told so", func(t *testing.T) {
		c := NewCaller(doerFunc(func(context.Context, *Request) (*http.Response, error) { return answer(101, "", ""), nil }))
		_, err := take(Subscribe[event](t.Context(), c, subscribe, nil, nil), 1)
		if err == nil || !strings.Contains(err.Error(), "must not wrap the body of a response with status 101") {
			t.Error(err)
		}
	})
	for _, tt := range []struct {
		name     string
		err      error
		attempts int
	}{
		{"of a session that can be tried again", sessionError{io.ErrUnexpectedEOF, true}, 3},
		{"of a session that is over, whatever the reason", sessionError{&SendError{Err: io.ErrUnexpectedEOF}, false}, 1},
		{"of the network, wrapped by somebody", fmt.Errorf("mine: %w", &SendError{Err: io.ErrUnexpectedEOF}), 3},
		{"of what is refused here", fmt.Errorf("mine: %w", &SendError{Err: io.ErrUnexpectedEOF, final: true}), 1},
		{"of a time that ran out", fmt.Errorf("mine: %w", ErrHeaderTimeout), 3},
	} {
		t.Run("X44 a failure "+tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				attempts := 0
				c := NewCaller(doerFunc(func(context.Context, *Request) (*http.Response, error) { attempts++; return nil, tt.err }))
				_, err := during(Subscribe[event](t.Context(), c, subscribe, nil, nil), time.Hour)
				if !errors.Is(err, tt.err) || attempts != tt.attempts {
					t.Errorf("%d attempts, %v", attempts, err)
				}
			})
		})
	}
	t.Run("X38 what a Doer fails with is final", func(t *testing.T) {
		ended, attempts := errors.New("the session is over"), 0
		c := NewCaller(doerFunc(func(context.Context, *Request) (*http.Response, error) { attempts++; return nil, ended }))
		_, err := take(Subscribe[event](t.Context(), c, subscribe, nil, nil), 1)
		if !errors.Is(err, ended) || attempts != 1 {
			t.Errorf("%d attempts, %v", attempts, err)
		}
	})
}

// A sessionError says whether it can be tried again, as those of sessions do.
type sessionError struct {
	error
	again bool
}

func (e sessionError) Temporary() bool { return e.again }
func (e sessionError) Unwrap() error   { return e.error }

// golden are frames as a server of the reference sends them.
const (
	goldenPost  = "a2617465" + "23706f7374" + "626f7001" + "a263736571" + "07" + "6474657874" + "626869" // {t:"#post",op:1}{seq:7,text:"hi"}
	goldenError = "a1626f7020" + "a1656572726f72" + "6c4675747572" + "65437572736f72"                    // {op:-1}{error:"FutureCursor"}
)

func TestFrames(t *testing.T) {
	raw := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	const header = `{"op":1,"t":"#post"}`
	for _, tt := range []struct {
		name  string
		frame []byte
		text  string // of the message
		skip  string // why it is left out
		fault string // the end of the error
	}{
		{"X39 header and payload", raw(goldenPost), "hi", "", ""},
		{"X39 an error", raw(goldenError), "", "", "FutureCursor (in the stream)"},
		{"X39 an error with a message", cborOf(t, `{"op":-1}`, `{"error":"FutureCursor","message":"no\nsuch"}`), "", "", `FutureCursor (in the stream): "no\nsuch"`},
		{"X39 an error that names none", cborOf(t, `{"op":-1}`, `{"message":"?"}`), "", "", "malformed frame: error: it has no name"},
		{"X40 a header without op", cborOf(t, `{"t":"#post"}`, `{"seq":7}`), "", "", `malformed frame: header: lex: document: required field "op" is missing (at byte 9)`},
		{"X40 a message without t", cborOf(t, `{"op":1}`, `{"seq":7}`), "", "", "malformed frame: header: a message without t"},
		{"X40 a header with fields that are not known", cborOf(t, `{"op":1,"t":"#post","x":{"y":[1]}}`, `{"seq":7,"text":"hi"}`), "hi", "", ""},
		{"X40 a payload with fields that are not known", cborOf(t, header, `{"seq":7,"text":"hi","x":[1]}`), "hi", "", ""},
		{"X40 an op that is not known", cborOf(t, `{"op":2,"t":"#post"}`, `{"seq":7}`), "", `a message of an unknown kind, "op 2"`, ""},
		{"X40 a t that is not known", cborOf(t, `{"op":1,"t":"#other"}`, `{"seq":7}`), "", `a message of an unknown kind, "com.example.subscribe#other"`, ""},
		{"X40 a t that is not known, with a payload that is broken", append(cborOf(t, `{"op":1,"t":"#other"}`), 0xa1), "", "", "malformed frame: lex: document: the document ends within an object (at byte 1)"},
		{"X40 no payload", cborOf(t, header), "", "", "malformed frame: lex: document: the document ends where an object should be (at byte 0)"},
		{"X40 nothing", nil, "", "", "malformed frame: header: lex: document: the document ends where an object should be (at byte 0)"},
		{"X40 a third document", cborOf(t, header, `{"seq":7,"text":"hi"}`, `{}`), "", "", "malformed frame: lex: document: data after the document (at byte 14)"},
		{"X40 a third document behind an error", cborOf(t, `{"op":-1}`, `{"error":"FutureCursor"}`, `1`), "", "", "data after the document (at byte 20)"},
		{"X40 a payload that is cut short", raw(goldenPost[:len(goldenPost)-2]), "", "", "the document ends within a string (at byte 12)"},
		{"X40 keys out of order", append(cborOf(t, header), raw("a26474657874626869637365710"+"7")...), "", "", `key "seq" is not in order (at byte 9)`},
		{"X40 a header that is a number", []byte{7}, "", "", "a number where an object should be (at byte 0)"},
		{"X40 a message that is not what its lexicon says", cborOf(t, header, `{"seq":"7"}`), "", `a message "com.example.subscribe#post" that does not follow its lexicon: lex: seq: a string where an integer should be (at byte 5)`, ""},
		{"X40 a message without its required field", cborOf(t, header, `{"text":"hi"}`), "", `a message "com.example.subscribe#post" that does not follow its lexicon: lex: document: required field "seq" is missing (at byte 9)`, ""},
		{"X41 t in full", cborOf(t, `{"op":1,"t":"com.example.subscribe#post"}`, `{"seq":7,"text":"hi"}`), "hi", "", ""},
		{"X41 t is the type, whatever the payload calls itself", cborOf(t, header, `{"$type":"com.example.other","seq":7,"text":"hi"}`), "hi", "", ""},
		{"X41 an #info", cborOf(t, `{"op":1,"t":"#info"}`, `{"name":"Hello"}`), "Hello", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			streaming(t, func(c *connection) {
				c.binary(tt.frame)
				c.post(8)
				c.hold()
			}, func(t *testing.T, c *Caller) {
				var log streamLog
				texts, err := during(Subscribe[event](t.Context(), c, subscribe, nil, []Option{once(), log.option()}), time.Minute)
				var want []string
				if tt.text != "" {
					want = append(want, tt.text)
				}
				if tt.fault == "" {
					want = append(want, "post 8")
				}
				if diff := cmp.Diff(want, texts); diff != "" {
					t.Error(diff)
				}
				if (tt.fault != "") != (err != nil) || err != nil && !strings.HasSuffix(err.Error(), tt.fault) {
					t.Errorf("it fails with %v", err)
				}
				if strings.Contains(tt.fault, "malformed") && !errors.Is(err, ErrMalformedFrame) {
					t.Errorf("%v is no ErrMalformedFrame", err)
				}
				var skipped []string
				for _, e := range log.events {
					if e.Kind == StreamSkipped {
						skipped = append(skipped, e.Err.Error())
					}
				}
				if got := strings.Join(skipped, "; "); got != tt.skip {
					t.Errorf("left out: %q", got)
				}
			})
		})
	}
	t.Run("X39 a text message is no frame", func(t *testing.T) {
		streaming(t, func(c *connection) { c.text(`{}`); c.hold() }, func(t *testing.T, c *Caller) {
			_, err := take(Subscribe[event](t.Context(), c, subscribe, nil, []Option{once()}), 1)
			if !errors.Is(err, ErrMalformedFrame) || !strings.Contains(err.Error(), "it is a text message, which xrpc.v0.cbor does not use") {
				t.Error(err)
			}
		})
	})
	t.Run("X40 a server whose frames are malformed every time ends the stream", func(t *testing.T) {
		connections := 0
		streaming(t, func(c *connection) { connections++; c.binary([]byte{7}) }, func(t *testing.T, c *Caller) {
			_, err := during(Subscribe[event](t.Context(), c, subscribe, nil, nil), time.Hour)
			if e, ok := errors.AsType[*StreamError](err); !ok || !errors.Is(err, ErrMalformedFrame) || e.NSID != subscribe.NSID || connections != 3 {
				t.Errorf("%d connections, %v", connections, err)
			}
			if _, ok := errors.AsType[*lex.Error](err); !ok {
				t.Errorf("%v does not say what is malformed", err)
			}
		})
	})
	t.Run("X40 one malformed frame does not, where the next connection brings more", func(t *testing.T) {
		streaming(t, func(c *connection) {
			if c.number%2 == 1 {
				c.binary([]byte{7})
				return
			}
			c.post(int64(c.number))
			c.binary([]byte{7})
		}, func(t *testing.T, c *Caller) {
			texts, err := take(Subscribe[event](t.Context(), c, subscribe, nil, nil), 4)
			if diff := cmp.Diff([]string{"post 2", "post 4", "post 6", "post 8"}, texts); diff != "" || err != nil {
				t.Error(diff, err)
			}
		})
	})
	t.Run("X40 with validation, a message that breaks a constraint is left out", func(t *testing.T) {
		streaming(t, func(c *connection) {
			c.binary(cborOf(c.t, header, `{"seq":1,"text":"invalid"}`))
			c.post(2)
			c.hold()
		}, func(t *testing.T, c *Caller) {
			var log streamLog
			texts, err := take(Subscribe[event](t.Context(), c, subscribe, nil, []Option{WithValidation(true), log.option()}), 1)
			if diff := cmp.Diff([]string{"post 2"}, texts); diff != "" || err != nil || len(log.events) != 2 || log.events[1].Kind != StreamSkipped {
				t.Error(diff, err, log.events)
			}
		})
	})
}

func TestFramesOfOneDocument(t *testing.T) {
	const post = `{"$type":"message","payload":{"$type":"com.example.subscribe#post","seq":7,"text":"hi"}}`
	for _, tt := range []struct {
		name, frame, text, skip, fault string
	}{
		{"a message", post, "hi", "", ""},
		{"a message whose $type comes last", `{"payload":{"seq":7,"text":"hi","$type":"com.example.subscribe#post"},"$type":"message","x":1}`, "hi", "", ""},
		{"an error", `{"$type":"error","error":"FutureCursor","message":"because"}`, "", "", `FutureCursor (in the stream): "because"`},
		{"an error without a name", `{"$type":"error"}`, "", "", "malformed frame: error: it has no name"},
		{"a frame of a kind that is not known", `{"$type":"hello"}`, "", `a message of an unknown kind, "hello"`, ""},
		{"a message of a kind that is not known", `{"$type":"message","payload":{"$type":"com.example.subscribe#other"}}`, "", `a message of an unknown kind, "com.example.subscribe#other"`, ""},
		{"a message that is not what its lexicon says", `{"$type":"message","payload":{"$type":"com.example.subscribe#post","seq":true}}`, "", `that does not follow its lexicon: lex: seq: a boolean where an integer should be (at byte 43)`, ""},
		{"a frame without a $type", `{"payload":{}}`, "", "", `required field "$type" is missing`},
		{"a message without a payload", `{"$type":"message"}`, "", "", "malformed frame: a message without a payload"},
		{"a payload without a $type", `{"$type":"message","payload":{}}`, "", "", "malformed frame: a payload without a $type"},
		{"text that is no JSON", `{"$type"`, "", "", "malformed frame: lex: document: "},
		{"two documents", post + `{}`, "", "", "data after the document (at byte 90)"},
	} {
		for _, subprotocol := range []string{"xrpc.v1.json", "xrpc.v1.cbor"} {
			t.Run("X39 X41 L33 "+subprotocol+": "+tt.name, func(t *testing.T) {
				asText := subprotocol == "xrpc.v1.json"
				var frame []byte
				if !asText {
					switch {
					case strings.HasSuffix(tt.frame, `"}}{}`):
						frame = cborOf(t, post, `{}`)
					case tt.frame == `{"$type"`:
						frame = []byte{0xa1}
					default:
						frame = cborOf(t, tt.frame)
					}
				}
				streaming(t, func(c *connection) {
					if got := c.Header.Get("Sec-WebSocket-Protocol"); got != subprotocol {
						t.Errorf("offered %q", got)
					}
					if asText {
						c.text(tt.frame)
						c.text(strings.Replace(post, "7", "8", 1))
					} else {
						c.binary(frame)
						c.binary(cborOf(c.t, strings.Replace(post, "7", "8", 1)))
					}
					c.hold()
				}, func(t *testing.T, c *Caller) {
					m := subscribe
					m.Subprotocol = subprotocol
					var log streamLog
					texts, err := take(Subscribe[event](t.Context(), c, m, nil, []Option{once(), log.option()}), 1)
					if tt.fault != "" {
						if fault, _, _ := strings.Cut(tt.fault, " (at byte"); err == nil || !strings.Contains(err.Error(), fault) {
							t.Errorf("got %q, %v", texts, err)
						}
						return
					}
					if diff := cmp.Diff([]string{"hi"}, texts); diff != "" || err != nil {
						t.Error(diff, err)
					}
					told := log.events[len(log.events)-1]
					if why, _, _ := strings.Cut(tt.skip, " (at byte"); (why != "") != (told.Kind == StreamSkipped) || why != "" && !strings.Contains(told.Err.Error(), why) {
						t.Errorf("told %v", told)
					}
				})
			})
		}
	}
	t.Run("X39 a server that agrees on nothing speaks as the lexicon says", func(t *testing.T) {
		served(t, rawSocket(func(s *rawConn) { s.frame(0x81, []byte(post)); s.hold() }), func(t *testing.T, c *Caller) {
			m := subscribe
			m.Subprotocol = "xrpc.v1.json"
			texts, err := take(Subscribe[event](t.Context(), c, m, nil, nil), 1)
			if diff := cmp.Diff([]string{"hi"}, texts); diff != "" || err != nil {
				t.Error(diff, err)
			}
		})
	})
	t.Run("L33 a subprotocol that is not known here is told before anything is sent", func(t *testing.T) {
		m := subscribe
		m.Subprotocol = "xrpc.v9.json"
		_, err := take(Subscribe[event](t.Context(), NewCaller(doerFunc(nil)), m, nil, nil), 1)
		if err == nil || !strings.Contains(err.Error(), `the subprotocol "xrpc.v9.json" is not known here`) {
			t.Error(err)
		}
	})
}

func TestSequenceNumbers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		cursor *int64
		sent   [][]int64 // over each connection
		want   []string
		fault  *SequenceError
	}{
		{"X42 they grow, with gaps", nil, [][]int64{{1, 2, 7, 1 << 40, maxSequence}}, []string{"post 1", "post 2", "post 7", "post 1099511627776", "post 9007199254740991"}, nil},
		{"X42 one that goes back", nil, [][]int64{{5, 4}}, []string{"post 5"}, &SequenceError{Last: 5, Got: 4}},
		{"X42 one that comes twice", nil, [][]int64{{5, 6, 6}}, []string{"post 5", "post 6"}, &SequenceError{Last: 6, Got: 6}},
		{"X42 zero", nil, [][]int64{{0}}, nil, &SequenceError{Got: 0}},
		{"X42 below zero", nil, [][]int64{{-7}}, nil, &SequenceError{Got: -7}},
		{"X42 too large", nil, [][]int64{{5, maxSequence + 1}}, []string{"post 5"}, &SequenceError{Last: 5, Got: maxSequence + 1}},
		{"X43 a cursor: its own message is known", new(int64(5)), [][]int64{{5, 6}}, []string{"post 6"}, nil},
		{"X43 a cursor: servers that begin behind it", new(int64(5)), [][]int64{{6, 7}}, []string{"post 6", "post 7"}, nil},
		{"X42 a cursor: one before it", new(int64(5)), [][]int64{{4}}, nil, &SequenceError{Last: 5, Got: 4}},
		{"X42 a cursor: its own message twice", new(int64(5)), [][]int64{{5, 5}}, nil, &SequenceError{Last: 5, Got: 5}},
		{"X42 a cursor: its own message late", new(int64(5)), [][]int64{{6, 5}}, []string{"post 6"}, &SequenceError{Last: 6, Got: 5}},
		{"X43 the cursor 0 is the oldest", new(int64(0)), [][]int64{{1, 2}}, []string{"post 1", "post 2"}, nil},
		{"X43 after a break, the message of the cursor comes again and is left out", nil, [][]int64{{5, 6}, {6, 7}}, []string{"post 5", "post 6", "post 7"}, nil},
		{"X42 after a break, one before the cursor", nil, [][]int64{{5, 6}, {5, 6, 7}}, []string{"post 5", "post 6"}, &SequenceError{Last: 6, Got: 5}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			streaming(t, func(c *connection) {
				if c.number <= len(tt.sent) {
					c.post(tt.sent[c.number-1]...)
				}
				if c.number >= len(tt.sent) {
					c.hold()
				}
			}, func(t *testing.T, c *Caller) {
				var wrong *SequenceError
				texts, err := during(Subscribe[event](t.Context(), c, subscribe, &at{cursor: tt.cursor}, []Option{WithStreamEvents(func(e StreamEvent) {
					errors.As(e.Err, &wrong)
				})}), time.Minute)
				if diff := cmp.Diff(tt.want, texts); diff != "" || err != nil {
					t.Error(diff, err)
				}
				if diff := cmp.Diff(tt.fault, wrong); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
	t.Run("X42 a server that starts anew below the cursor, time and again, ends the stream", func(t *testing.T) {
		streaming(t, func(c *connection) { c.post(1, 2) }, func(t *testing.T, c *Caller) {
			texts, err := during(Subscribe[event](t.Context(), c, subscribe, &at{cursor: new(int64(500))}, nil), time.Hour)
			if wrong, ok := errors.AsType[*SequenceError](err); !ok || *wrong != (SequenceError{Last: 500, Got: 1}) || texts != nil {
				t.Error(texts, err)
			}
		})
	})
	t.Run("X43 where connections overlap, all that comes again is left out", func(t *testing.T) {
		m := subscribe
		m.Overlaps = true
		streaming(t, func(c *connection) {
			if c.number == 1 {
				c.post(5, 6, 7)
				return
			}
			c.post(4, 6, 7, 8)
			c.hold()
		}, func(t *testing.T, c *Caller) {
			texts, err := during(Subscribe[event](t.Context(), c, m, nil, nil), time.Minute)
			if diff := cmp.Diff([]string{"post 5", "post 6", "post 7", "post 8"}, texts); diff != "" || err != nil {
				t.Error(diff, err)
			}
		})
	})
}

func TestCursor(t *testing.T) {
	t.Run("X43 none is the present, and Cursor says none until something is processed", func(t *testing.T) {
		var queries []string
		streaming(t, func(c *connection) {
			queries = append(queries, c.URL.RawQuery)
			c.post(int64(c.number))
		}, func(t *testing.T, c *Caller) {
			s := Subscribe[event](t.Context(), c, subscribe, &at{}, nil)
			if s.Cursor() != nil {
				t.Errorf("it begins at %d", *s.Cursor())
			}
			if _, err := take(s, 3); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(new(int64(2)), s.Cursor()); diff != "" {
				t.Error("post 3 was not asked to be gone behind: ", diff)
			}
			if diff := cmp.Diff([]string{"cursors=none", "cursors=none&cursor=1", "cursors=none&cursor=2"}, queries); diff != "" {
				t.Error(diff)
			}
		})
	})
	t.Run("X43 a given one is that of the first connection, and of Cursor", func(t *testing.T) {
		var queries []string
		streaming(t, func(c *connection) {
			if queries = append(queries, c.URL.RawQuery); c.number == 2 {
				c.post(9)
			}
		}, func(t *testing.T, c *Caller) {
			s := Subscribe[event](t.Context(), c, subscribe, &at{cursor: new(int64(0))}, nil)
			if diff := cmp.Diff(new(int64(0)), s.Cursor()); diff != "" {
				t.Error(diff)
			}
			if _, err := take(s, 1); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff([]string{"cursors=none&cursor=0", "cursors=none&cursor=0"}, queries); diff != "" {
				t.Error(diff)
			}
		})
	})
	t.Run("X43 a loop that is left while it works on a message gets it again", func(t *testing.T) {
		streaming(t, func(c *connection) { c.post(5, 6, 7); c.hold() }, func(t *testing.T, c *Caller) {
			s := Subscribe[event](t.Context(), c, Method{NSID: subscribe.NSID, Kind: KindSubscription, Cursor: "cursor", Overlaps: true}, nil, nil)
			first, err := take(s, 2)
			second, err2 := take(s, 2)
			if diff := cmp.Diff([][]string{{"post 5", "post 6"}, {"post 6", "post 7"}}, [][]string{first, second}); diff != "" || err != nil || err2 != nil {
				t.Error(diff, err, err2)
			}
		})
	})
	t.Run("X43 what Cursor returns is the caller's", func(t *testing.T) {
		s := Subscribe[event](t.Context(), NewCaller(doerFunc(nil)), subscribe, &at{cursor: new(int64(5))}, nil)
		*s.Cursor() = 7
		if *s.Cursor() != 5 {
			t.Errorf("it became %d", *s.Cursor())
		}
	})
	t.Run("X43 FutureCursor is final: nothing is begun anew behind the program's back", func(t *testing.T) {
		const future ErrorName = "FutureCursor"
		connections := 0
		streaming(t, func(c *connection) { connections++; c.fail("FutureCursor") }, func(t *testing.T, c *Caller) {
			s := Subscribe[event](t.Context(), c, subscribe, &at{cursor: new(int64(500))}, nil)
			_, err := during(s, time.Hour)
			e, ok := errors.AsType[*Error](err)
			if !ok || !errors.Is(err, future) || e.Message != "because" || e.Status != 101 || e.NSID != subscribe.NSID || connections != 1 {
				t.Errorf("%d connections, %v", connections, err)
			}
			if _, err := take(s, 1); !errors.Is(err, future) || connections != 1 {
				t.Errorf("read again: %d connections, %v", connections, err)
			}
		})
	})
	t.Run("X43 OutdatedCursor is told, and comes as the message that it is", func(t *testing.T) {
		streaming(t, func(c *connection) {
			c.binary(cborOf(c.t, `{"op":1,"t":"#info"}`, `{"name":"OutdatedCursor","message":"too old"}`))
			c.post(600)
			c.hold()
		}, func(t *testing.T, c *Caller) {
			var log streamLog
			texts, err := take(Subscribe[event](t.Context(), c, subscribe, &at{cursor: new(int64(5))}, []Option{log.option()}), 2)
			if diff := cmp.Diff([]string{"OutdatedCursor", "post 600"}, texts); diff != "" || err != nil {
				t.Error(diff, err)
			}
			if diff := cmp.Diff([]string{"opened at 5", `notice: xrpc: com.example.subscribe: OutdatedCursor (in the stream): "too old"`}, log.kinds()); diff != "" {
				t.Error(diff)
			}
			if told := log.events[1]; !errors.Is(told.Err, ErrOutdatedCursor) || *told.Cursor != 5 {
				t.Errorf("told %+v", told)
			}
		})
	})
	t.Run("X43 ConsumerTooSlow goes on from what was processed", func(t *testing.T) {
		streaming(t, func(c *connection) {
			switch c.number {
			case 1:
				c.post(5, 6)
				c.fail("ConsumerTooSlow")
			case 2:
				if got := c.URL.Query().Get("cursor"); got != "6" {
					t.Errorf("it goes on from %q", got)
				}
				c.post(7)
				c.hold()
			}
		}, func(t *testing.T, c *Caller) {
			var log streamLog
			texts, err := take(Subscribe[event](t.Context(), c, subscribe, nil, []Option{log.option()}), 3)
			if diff := cmp.Diff([]string{"post 5", "post 6", "post 7"}, texts); diff != "" || err != nil {
				t.Error(diff, err)
			}
			if diff := cmp.Diff([]string{"opened", `broken: xrpc: com.example.subscribe: ConsumerTooSlow (in the stream): "because"`, "opened at 6"}, log.kinds()); diff != "" {
				t.Error(diff)
			}
		})
	})
}

func TestConnectionsThatBreak(t *testing.T) {
	t.Run("X44 are made anew, each message comes once and in order", func(t *testing.T) {
		streaming(t, func(c *connection) {
			from := int64(0)
			if cursor := c.URL.Query().Get("cursor"); cursor != "" {
				json.Unmarshal([]byte(cursor), &from)
			}
			for n := max(from, 1); n <= 100; n++ {
				if c.post(n); n%7 == 0 && n > from {
					return // in the middle of it
				}
			}
			c.hold()
		}, func(t *testing.T, c *Caller) {
			var want []string
			for n := range 100 {
				want = append(want, fmt.Sprintf("post %d", n+1))
			}
			texts, err := take(Subscribe[event](t.Context(), c, subscribe, nil, nil), 100)
			if diff := cmp.Diff(want, texts); diff != "" || err != nil {
				t.Error(diff, err)
			}
		})
	})
	t.Run("X44 pauses grow, are random in part, and begin anew after a message", func(t *testing.T) {
		streaming(t, func(c *connection) {
			if c.number == 9 {
				c.post(9)
			}
		}, func(t *testing.T, c *Caller) {
			var pauses []time.Duration
			s := Subscribe[event](t.Context(), c, subscribe, nil, []Option{WithStreamEvents(func(e StreamEvent) {
				if e.Kind == StreamBroken {
					pauses = append(pauses, e.Pause)
				}
			})})
			go func() { time.Sleep(time.Hour); s.Close() }()
			for range s.Messages() {
				if len(pauses) != 8 {
					t.Errorf("%d pauses before the message", len(pauses))
				}
			}
			random := false
			for i, pause := range pauses {
				longest := min(500*time.Millisecond<<i, 30*time.Second)
				if i == 8 { // behind the message
					longest = 500 * time.Millisecond
				} else if i > 8 {
					break
				}
				if pause < longest/2 || pause > longest {
					t.Errorf("pause %d is %s, not from %s to %s", i, pause, longest/2, longest)
				}
				random = random || pause != longest/2 && pause != longest
			}
			if !random || len(pauses) < 9 {
				t.Errorf("the pauses are %v", pauses)
			}
		})
	})
	t.Run("X44 more often in a row than WithReconnect allows are an error", func(t *testing.T) {
		connections := 0
		streaming(t, func(c *connection) {
			if connections++; c.number == 2 {
				c.post(5)
			}
		}, func(t *testing.T, c *Caller) {
			texts, err := take(Subscribe[event](t.Context(), c, subscribe, nil, []Option{WithReconnect(RetryPolicy{Attempts: 3})}), 9)
			if _, ok := errors.AsType[*StreamError](err); !ok || connections != 4 || len(texts) != 1 {
				t.Errorf("%d connections, %q, %v", connections, texts, err)
			}
		})
	})
	t.Run("X44 a connection that stood for long does not count, where little happens", func(t *testing.T) {
		connections := 0
		streaming(t, func(c *connection) {
			connections++
			gone := c.conn.CloseRead(context.Background())
			select {
			case <-time.After(40 * time.Second):
			case <-gone.Done():
			}
		}, func(t *testing.T, c *Caller) {
			s := Subscribe[event](t.Context(), c, subscribe, nil, []Option{WithReconnect(RetryPolicy{Attempts: 2})})
			texts, err := during(s, 10*time.Minute)
			if texts != nil || err != nil || connections < 14 {
				t.Errorf("%d connections, %q, %v", connections, texts, err)
			}
		})
	})
	t.Run("X44 the very first is tried three times", func(t *testing.T) {
		attempts := 0
		c := NewCaller(doerFunc(func(context.Context, *Request) (*http.Response, error) {
			attempts++
			return nil, &SendError{NSID: subscribe.NSID, Sent: SentNo, Err: io.ErrClosedPipe}
		}))
		synctest.Test(t, func(t *testing.T) {
			_, err := during(Subscribe[event](t.Context(), c, subscribe, nil, nil), time.Hour)
			if _, ok := errors.AsType[*SendError](err); !ok || attempts != 3 {
				t.Errorf("%d attempts, %v", attempts, err)
			}
		})
	})
	t.Run("X44 a server that was there once is waited for", func(t *testing.T) {
		streaming(t, func(c *connection) { c.post(int64(c.number)) }, func(t *testing.T, c *Caller) {
			attempts, back := 0, time.Now().Add(8*time.Hour)
			through := NewCaller(doerFunc(func(ctx context.Context, req *Request) (*http.Response, error) {
				if attempts++; attempts > 1 && time.Now().Before(back) {
					return nil, &SendError{NSID: subscribe.NSID, Sent: SentNo, Err: io.ErrClosedPipe}
				}
				return c.doer.Do(ctx, req)
			}))
			texts, err := take(Subscribe[event](t.Context(), through, subscribe, nil, nil), 2)
			if diff := cmp.Diff([]string{"post 1", "post 2"}, texts); diff != "" || err != nil || attempts < 8*60*60/30 {
				t.Error(diff, err, attempts)
			}
		})
	})
	t.Run("X44 a server that is silent is asked for a sign of life, and given up without one", func(t *testing.T) {
		for _, alive := range []bool{true, false} {
			var log streamLog
			served(t, rawSocket(func(s *rawConn) {
				if alive {
					s.answerPings()
				} else {
					s.hold()
				}
			}), func(t *testing.T, c *Caller) {
				start := time.Now()
				texts, err := during(Subscribe[event](t.Context(), c, subscribe, nil, []Option{once(), log.option()}), time.Hour)
				if d := time.Since(start); alive && (err != nil || d != time.Hour) || !alive && (!errors.Is(err, ErrIdle) || d < DefaultIdleTimeout || d > 2*DefaultIdleTimeout) {
					t.Errorf("alive %t: %q, %v after %s", alive, texts, err, d)
				}
			})
		}
	})
	t.Run("X44 a consumer that takes its time is not a server that is silent", func(t *testing.T) {
		streaming(t, func(c *connection) { c.post(1, 2); c.hold() }, func(t *testing.T, c *Caller) {
			var log streamLog
			s := Subscribe[event](t.Context(), c, subscribe, nil, []Option{log.option()})
			n := 0
			for _, err := range s.Messages() {
				if err != nil {
					t.Error(err)
				}
				time.Sleep(24 * time.Hour)
				if n++; n == 2 {
					break
				}
			}
			if diff := cmp.Diff([]string{"opened"}, log.kinds()); diff != "" {
				t.Error(diff)
			}
		})
	})
	t.Run("X44 nothing is read that nobody asked for", func(t *testing.T) {
		var sent atomic.Int64
		streaming(t, func(c *connection) {
			for n := range int64(1000) {
				c.post(n + 1)
				sent.Store(n + 1)
			}
		}, func(t *testing.T, c *Caller) {
			for range Subscribe[event](t.Context(), c, subscribe, nil, nil).Messages() {
				synctest.Wait()
				// Below the network, which has no buffer here, one of 4 KB reads.
				if n := sent.Load(); n > 150 {
					t.Errorf("%d messages were taken from the server for one", n)
				}
				break
			}
		})
	})
	t.Run("X44 the close code of the server is told", func(t *testing.T) {
		streaming(t, func(c *connection) { c.conn.Close(websocket.StatusPolicyViolation, "line\nbreak") }, func(t *testing.T, c *Caller) {
			_, err := take(Subscribe[event](t.Context(), c, subscribe, nil, []Option{once()}), 1)
			if err == nil || err.Error() != `xrpc: com.example.subscribe: the connection ended: the server closed it with code 1008: "line\nbreak"` {
				t.Error(err)
			}
		})
	})
}

func TestHostileServersOfStreams(t *testing.T) {
	const fin, binary, more = 0x80, 0x02, 0x00
	for _, tt := range []struct {
		name   string
		script func(s *rawConn)
		want   error
		within time.Duration
	}{
		{"a message without end", func(s *rawConn) {
			s.frame(binary, make([]byte, 1000))
			for range 20_000 {
				s.frame(more, make([]byte, 1000))
			}
			s.hold()
		}, ErrOutputTooLarge, time.Minute},
		{"a message of nothing without end", func(s *rawConn) {
			s.frame(binary, []byte{1})
			for s.frame(more, nil) {
				time.Sleep(time.Second)
			}
		}, ErrOutputTimeout, 6 * time.Minute},
		{"a length that is a lie", func(s *rawConn) {
			s.raw([]byte{fin | binary, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3})
		}, io.ErrUnexpectedEOF, time.Minute},
		{"a length that is a lie, and silence", func(s *rawConn) {
			s.raw([]byte{fin | binary, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3})
			s.hold()
		}, ErrIdle, 2 * time.Minute},
		{"a message cut short", func(s *rawConn) { s.raw([]byte{fin | binary, 100, 1, 2, 3}) }, io.ErrUnexpectedEOF, time.Minute},
		{"a header cut short", func(s *rawConn) { s.raw([]byte{fin | binary}) }, io.EOF, time.Minute},
		{"a byte now and then", func(s *rawConn) {
			s.raw([]byte{fin | binary, 126, 0xff, 0xff})
			for s.raw([]byte{1}) {
				time.Sleep(20 * time.Second)
			}
		}, ErrOutputTimeout, 6 * time.Minute},
		{"pings that nobody reads the answer of", func(s *rawConn) {
			for s.frame(fin|0x09, []byte("ping")) {
			}
		}, ErrIdle, 2 * time.Minute},
		{"frames of a kind that there is not", func(s *rawConn) { s.frame(fin|0x0b, []byte("x")); s.hold() }, nil, time.Minute},
		{"reserved bits", func(s *rawConn) { s.frame(fin|0x40|binary, []byte("x")); s.hold() }, nil, time.Minute},
		{"a continuation of nothing", func(s *rawConn) { s.frame(fin|more, []byte("x")); s.hold() }, nil, time.Minute},
		{"a control frame that is too large", func(s *rawConn) { s.raw([]byte{fin | 0x09, 126, 1, 0}); s.hold() }, nil, time.Minute},
		{"noise", func(s *rawConn) { s.raw([]byte("HTTP/1.1 200 OK\r\n\r\n")); s.hold() }, nil, time.Minute},
	} {
		t.Run("X44 X46 "+tt.name, func(t *testing.T) {
			served(t, rawSocket(tt.script), func(t *testing.T, c *Caller) {
				start := time.Now()
				_, err := during(Subscribe[event](t.Context(), c, subscribe, nil, []Option{once()}), time.Hour)
				if _, ok := errors.AsType[*StreamError](err); !ok || tt.want != nil && !errors.Is(err, tt.want) || time.Since(start) > tt.within {
					t.Errorf("%v after %s", err, time.Since(start))
				}
			})
		})
	}
	t.Run("X44 X46 a message may be as large as the limit and no larger", func(t *testing.T) {
		frame := cborOf(t, `{"op":1,"t":"#post"}`, `{"seq":7,"text":"`+strings.Repeat("a", 10_000)+`"}`)
		for _, less := range []int64{0, 1} {
			streaming(t, func(c *connection) { c.binary(frame); c.hold() }, func(t *testing.T, c *Caller) {
				_, err := take(Subscribe[event](t.Context(), c, subscribe, nil, []Option{once(), WithMaxOutput(int64(len(frame)) - less)}), 1)
				if (less > 0) != errors.Is(err, ErrOutputTooLarge) || less == 0 && err != nil {
					t.Errorf("%d bytes less than it: %v", less, err)
				}
			})
		}
	})
	t.Run("X46 by default a message may have 5 MiB", func(t *testing.T) {
		o, err := NewCaller(nil).options(subscribe, nil)
		if err != nil || o.maxOutput != 5<<20 {
			t.Errorf("%d, %v", o.maxOutput, err)
		}
	})
}

func TestEndOfAStream(t *testing.T) {
	quiet := func(c *connection) { c.hold() }
	t.Run("Close ends a loop that waits, without an error", func(t *testing.T) {
		streaming(t, quiet, func(t *testing.T, c *Caller) {
			s := Subscribe[event](t.Context(), c, subscribe, nil, nil)
			if texts, err := during(s, time.Second); texts != nil || err != nil {
				t.Error(texts, err)
			}
			if texts, err := take(s, 1); texts != nil || err != nil {
				t.Error("read again: ", texts, err)
			}
		})
	})
	t.Run("Close before the first loop, and twice", func(t *testing.T) {
		s := Subscribe[event](t.Context(), NewCaller(doerFunc(nil)), subscribe, nil, nil)
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Error(err)
		}
		if texts, err := take(s, 1); texts != nil || err != nil {
			t.Error(texts, err)
		}
	})
	t.Run("Close ends a pause", func(t *testing.T) {
		streaming(t, func(*connection) {}, func(t *testing.T, c *Caller) {
			s := Subscribe[event](t.Context(), c, subscribe, nil, []Option{WithReconnect(RetryPolicy{FirstPause: time.Hour})})
			start := time.Now()
			if _, err := during(s, time.Minute); err != nil || time.Since(start) != time.Minute {
				t.Error(err, time.Since(start))
			}
		})
	})
	t.Run("X45 the context ends it, and its cause is told", func(t *testing.T) {
		left := errors.New("the user left")
		streaming(t, quiet, func(t *testing.T, c *Caller) {
			ctx, cancel := context.WithCancelCause(t.Context())
			s := Subscribe[event](ctx, c, subscribe, nil, nil)
			time.AfterFunc(time.Minute, func() { cancel(left) })
			_, err := take(s, 1)
			if !errors.Is(err, left) || !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "com.example.subscribe") {
				t.Error(err)
			}
		})
	})
	t.Run("a second loop at the same time is refused, and the first goes on", func(t *testing.T) {
		streaming(t, func(c *connection) { c.post(1, 2); c.hold() }, func(t *testing.T, c *Caller) {
			s := Subscribe[event](t.Context(), c, subscribe, nil, nil)
			n := 0
			for _, err := range s.Messages() {
				if err != nil {
					t.Fatal(err)
				}
				if _, err := take(s, 1); !errors.Is(err, errStreamInUse) {
					t.Errorf("the second loop: %v", err)
				}
				if n++; n == 2 {
					break
				}
			}
		})
	})
	t.Run("what is wrong before anything is sent is the first error", func(t *testing.T) {
		for _, tt := range []struct {
			opt  Option
			want string
		}{
			{WithHeader("Authorization", "x"), "credentials are the Doer's business"},
			{WithCID("bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"), "WithCID and WithBlobLimits are for bodies"},
			{WithReconnect(RetryPolicy{FirstPause: 3}), "WithReconnect: FirstPause is 3ns"},
			{WithParam("cursors", "x"), "the method declares this parameter"},
		} {
			_, err := take(Subscribe[event](t.Context(), NewCaller(doerFunc(nil)), subscribe, &at{}, []Option{tt.opt}), 1)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "com.example.subscribe") {
				t.Errorf("%v, want %q", err, tt.want)
			}
		}
		if _, err := take(Subscribe[event](t.Context(), nil, subscribe, nil, nil), 1); err == nil || !strings.Contains(err.Error(), "the client has no Doer") {
			t.Error(err)
		}
	})
	t.Run("a stream without a cursor begins with its own parameters again", func(t *testing.T) {
		m := Method{NSID: subscribe.NSID, Kind: KindSubscription}
		streaming(t, func(c *connection) {
			if c.URL.RawQuery != "cursors=none&cursor=5" {
				t.Errorf("the query is %s", c.URL.RawQuery)
			}
			c.post(int64(c.number))
		}, func(t *testing.T, c *Caller) {
			texts, err := take(Subscribe[event](t.Context(), c, m, &at{cursor: new(int64(5))}, []Option{WithReconnect(RetryPolicy{Attempts: 2})}), 3)
			if diff := cmp.Diff([]string{"post 1", "post 2", "post 3"}, texts); diff != "" || err != nil {
				t.Error(diff, err)
			}
		})
	})
}

// Frames are read without trust: whatever comes is a message, left out, or an error.
func FuzzFrames(f *testing.F) {
	f.Add(cborOf(f, `{"op":1,"t":"#post"}`, `{"seq":7,"text":"hi"}`), false)
	f.Add(cborOf(f, `{"op":-1}`, `{"error":"FutureCursor"}`), false)
	f.Add(cborOf(f, `{"op":2}`, `{}`, `[1]`), false)
	f.Add(cborOf(f, `{"$type":"message","payload":{"$type":"com.example.subscribe#post","seq":7}}`), false)
	f.Add([]byte(`{"$type":"message","payload":{"$type":"com.example.subscribe#post","seq":7}}`), true)
	f.Add([]byte(`{"$type":"error","error":"FutureCursor","message":null}`), true)
	o, err := NewCaller(nil).options(subscribe, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte, text bool) {
		for _, how := range []framing{framingHeader, framingCBOR, framingJSON} {
			got, err := parseFrame(subscribe, how, o, text, data)
			if err != nil || got.fault != nil || got.unknown != nil {
				continue
			}
			if got.kind == "" {
				t.Errorf("%d: a message without a type", how)
			}
			var e event
			if got.format == formatCBOR {
				err = lex.UnmarshalCBOR(got.payload, &e, got.options(o)...)
			} else {
				err = lex.UnmarshalJSON(got.payload, &e, got.options(o)...)
			}
			if err == nil && e.Kind != got.kind {
				t.Errorf("%d: %q was read as %q", how, got.kind, e.Kind)
			}
			if err == nil && got.malformed(o) != nil {
				t.Errorf("%d: what could be read is malformed: %v", how, got.malformed(o))
			}
			got.notice(subscribe.NSID)
		}
	})
}
