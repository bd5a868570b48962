package xrpc

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/xrpc/lex"
)

// What servers send that is wrong, endless or slow: an error with a type, within limits of size and
// time, and nothing left behind, whatever the kind of call.
func TestBadAnswers(t *testing.T) {
	const kib, mib = 1 << 10, 1 << 20
	typed := func(w http.ResponseWriter) { w.Header().Set("Content-Type", "application/json") }
	isError := func(name ErrorName, body int) func(*testing.T, error) {
		return func(t *testing.T, err error) {
			if e, ok := errors.AsType[*Error](err); !ok || e.Name != name || len(e.Body) != body {
				t.Errorf("got %v", err)
			}
		}
	}
	isInvalid := func(cause error, beginning string) func(*testing.T, error) {
		return func(t *testing.T, err error) {
			e, ok := errors.AsType[*InvalidResponseError](err)
			if !ok || e.Status != 200 || e.Header.Get("X-Trace") != "7" || cause != nil && !errors.Is(err, cause) {
				t.Fatalf("got %v", err)
			}
			if !strings.HasPrefix(string(e.Body), beginning) || len(e.Body) > 64*kib {
				t.Errorf("kept %d bytes: %.40q", len(e.Body), e.Body)
			}
		}
	}
	isNetwork := func(cause error) func(*testing.T, error) {
		return func(t *testing.T, err error) {
			if e, ok := errors.AsType[*SendError](err); !ok || e.Sent != SentMaybe || e.NSID == "" || !errors.Is(err, cause) {
				t.Errorf("got %v", err)
			}
		}
	}
	isTimeout := func(cause error) func(*testing.T, error) {
		return func(t *testing.T, err error) {
			isNetwork(cause)(t, err)
			late, ok := errors.AsType[net.Error](err)
			if !ok || !late.Timeout() || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
				t.Errorf("not recognised as a time that ran out: %v", err)
			}
		}
	}
	none := func(t *testing.T, err error) {
		if err != nil {
			t.Errorf("got %v", err)
		}
	}
	for _, tt := range []struct {
		name             string
		serve            func(w http.ResponseWriter, r *http.Request)
		call, send, open func(t *testing.T, err error) // what it has to be; nil: not tried
		within           time.Duration
	}{
		{"P87 X13 an error of 100 MB", func(w http.ResponseWriter, _ *http.Request) {
			typed(w)
			w.WriteHeader(400)
			io.WriteString(w, `{"padding":"`)
			pour(w, 100*mib)
			io.WriteString(w, `","error":"Late"}`)
		}, isError("InvalidRequest", 64*kib), isError("InvalidRequest", 64*kib), isError("InvalidRequest", 64*kib), 0},
		{"P87 an error whose name comes behind what is kept", func(w http.ResponseWriter, _ *http.Request) {
			typed(w)
			w.WriteHeader(400)
			io.WriteString(w, `{"padding":"`)
			pour(w, 200*kib)
			io.WriteString(w, `","error":"InvalidSwap"}`)
		}, isError("InvalidSwap", 64*kib), isError("InvalidSwap", 64*kib), isError("InvalidSwap", 64*kib), 0},
		{"P87 an error that is cut off behind its name", func(w http.ResponseWriter, _ *http.Request) {
			typed(w)
			w.WriteHeader(400)
			io.WriteString(w, `{"error":"InvalidSwap","message":"it wa`)
		}, isError("InvalidSwap", 39), isError("InvalidSwap", 39), isError("InvalidSwap", 39), 0},
		{"X46 an error that drips", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(503)
			drip(w, r)
		}, isError("NotEnoughResources", 2), isError("NotEnoughResources", 2), isError("NotEnoughResources", 2), errorTime},
		{"X46 P85 a bomb of gzip", func(w http.ResponseWriter, _ *http.Request) {
			typed(w)
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			io.WriteString(z, `{"a":"`)
			pour(z, 64*mib)
			z.Close()
		}, isInvalid(ErrOutputTooLarge, `{"a":"xxx`), none, nil, 0},
		{"X46 P85 a size that is too large", func(w http.ResponseWriter, _ *http.Request) {
			typed(w)
			w.Header().Set("Content-Length", strconv.Itoa(64*mib))
			io.WriteString(w, `{"a":"`)
			pour(w, mib)
		}, isInvalid(ErrOutputTooLarge, `{"a":"xxx`), none, nil, 0},
		{"P85 gzip that is none", func(w http.ResponseWriter, _ *http.Request) {
			typed(w)
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, `{"a":"0123456789"}`)
		}, isInvalid(gzip.ErrHeader, ""), none, nil, 0},
		{"X46 P85 100,000 levels", func(w http.ResponseWriter, _ *http.Request) {
			typed(w)
			io.WriteString(w, `{"a":`+strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)+"}")
		}, isInvalid(lex.ErrDepth, `{"a":[[[`), none, nil, 0},
		{"P85 JSON that ends too early", func(w http.ResponseWriter, _ *http.Request) {
			typed(w)
			io.WriteString(w, `{"a":[1,`)
		}, isInvalid(lex.ErrSyntax, `{"a":[1,`), none, nil, 0},
		{"P85 X9 a page", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, `<html>Bad Gateway`)
		}, isInvalid(nil, `<html>`), none, isInvalid(nil, `<html>`), 0},
		{"X46 an answer that drips", func(w http.ResponseWriter, r *http.Request) {
			typed(w)
			drip(w, r)
		}, isTimeout(ErrOutputTimeout), none, nil, DefaultOutputTimeout},
		{"P84 an answer that stops", func(w http.ResponseWriter, r *http.Request) {
			typed(w)
			io.WriteString(w, `{"a":`)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, isTimeout(ErrIdle), none, nil, DefaultIdleTimeout},
		{"P84 no answer", func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		}, isTimeout(ErrHeaderTimeout), isTimeout(ErrHeaderTimeout), isTimeout(ErrHeaderTimeout), DefaultHeaderTimeout},
		{"P84 a connection that breaks in an answer", func(w http.ResponseWriter, _ *http.Request) {
			typed(w)
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, `{"a":`)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, isNetwork(io.ErrUnexpectedEOF), isNetwork(io.ErrUnexpectedEOF), nil, 0},
		{"P82 a typed answer that is elsewhere", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				t.Error("the redirect was followed")
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(302)
		}, isError("InvalidRequest", 0), isError("InvalidRequest", 0), nil, 0},
		{"P84 an answer that has no end", func(w http.ResponseWriter, r *http.Request) {
			typed(w)
			for r.Context().Err() == nil {
				pour(w, mib)
			}
		}, isInvalid(ErrOutputTooLarge, "xxx"), none, nil, 0},
	} {
		serve := func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Trace", "7")
			tt.serve(w, r)
		}
		for kind, check := range map[string]func(*testing.T, error){"Call": tt.call, "Send": tt.send, "Open": tt.open} {
			if check == nil {
				continue
			}
			t.Run(tt.name+", for "+kind, func(t *testing.T) {
				served(t, serve, func(t *testing.T, c *Caller) {
					start := time.Now()
					var err error
					switch kind {
					case "Call":
						_, err = Call[value](t.Context(), c, query, nil, Input{}, nil)
					case "Send":
						err = Send(t.Context(), c, query, nil, Input{}, nil)
					case "Open":
						_, err = Open(t.Context(), c, query, nil, Input{}, nil)
					}
					check(t, err)
					if took := time.Since(start); took > tt.within && took > drainTime {
						t.Errorf("took %s", took)
					}
				})
			})
		}
	}
}

// pour writes so many bytes, or as many as are taken.
func pour(w io.Writer, bytes int) {
	const piece = 1 << 15
	for ; bytes > 0; bytes -= piece {
		if _, err := io.WriteString(w, strings.Repeat("x", min(bytes, piece))); err != nil {
			return
		}
	}
}

// drip writes a byte every four seconds.
func drip(w http.ResponseWriter, r *http.Request) {
	w.(http.Flusher).Flush()
	for {
		select {
		case <-time.After(4 * time.Second):
		case <-r.Context().Done():
			return
		}
		io.WriteString(w, " ")
		w.(http.Flusher).Flush()
	}
}

// A broken answer is a failure of the network: it passes, and the next attempt may get all of it.
func TestBrokenAnswersAreRetried(t *testing.T) {
	for name, tt := range map[string]struct {
		method Method
		opts   []Option
		want   int
	}{
		"a query":                 {query, nil, 1},
		"a query, by a policy":    {query, []Option{WithRetry(RetryPolicy{})}, 3},
		"a procedure":             {procedure, []Option{WithRetry(RetryPolicy{})}, 1},
		"an idempotent procedure": {procedure, []Option{WithRetry(RetryPolicy{}), Idempotent()}, 3},
	} {
		t.Run("P84 "+name, func(t *testing.T) {
			var attempts atomic.Int32
			served(t, func(w http.ResponseWriter, _ *http.Request) {
				attempts.Add(1)
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("Content-Length", "100")
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			}, func(t *testing.T, c *Caller) {
				_, err := Call[value](t.Context(), c, tt.method, nil, Input{}, tt.opts)
				if e, ok := errors.AsType[*SendError](err); !ok || e.Sent != SentMaybe || int(attempts.Load()) != tt.want {
					t.Errorf("%d attempts, want %d: %v", attempts.Load(), tt.want, err)
				}
			})
		})
	}
	t.Run("P84 the failure that used up the caller's time is told", func(t *testing.T) {
		var attempts atomic.Int32
		served(t, func(w http.ResponseWriter, r *http.Request) {
			if attempts.Add(1) == 1 {
				w.WriteHeader(503)
				return
			}
			<-r.Context().Done()
		}, func(t *testing.T, c *Caller) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			_, err := Call[value](ctx, c, query, nil, Input{}, []Option{WithRetry(RetryPolicy{})})
			if e, ok := errors.AsType[*Error](err); !ok || e.Status != 503 || !errors.Is(err, context.DeadlineExceeded) || attempts.Load() != 2 {
				t.Errorf("after %d attempts: %v", attempts.Load(), err)
			}
		})
	})
	t.Run("P84 a download that breaks says so", func(t *testing.T) {
		served(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "beginning")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, func(t *testing.T, c *Caller) {
			d, err := Open(t.Context(), c, Method{NSID: "com.example.getBlob", Output: "*/*"}, nil, Input{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			got, err := io.ReadAll(d)
			if e, ok := errors.AsType[*SendError](err); !ok || e.NSID != "com.example.getBlob" || !errors.Is(err, io.ErrUnexpectedEOF) || string(got) != "beginning" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	})
	t.Run("P84 a caller's own deadline is recognised in an answer", func(t *testing.T) {
		served(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, func(t *testing.T, c *Caller) {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("the user left"))
			defer cancel()
			_, err := Call[value](ctx, c, query, nil, Input{}, nil)
			late, ok := errors.AsType[net.Error](err)
			if !ok || !late.Timeout() || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "the user left") {
				t.Errorf("got %v", err)
			}
		})
	})
	t.Run("P84 a connection whose answer was read is used again", func(t *testing.T) {
		connections := make(map[string]bool)
		served(t, func(w http.ResponseWriter, r *http.Request) {
			connections[r.RemoteAddr] = true
			io.WriteString(w, "{}")
		}, func(t *testing.T, c *Caller) {
			for range 3 {
				if err := Send(t.Context(), c, query, nil, Input{}, nil); err != nil {
					t.Fatal(err)
				}
			}
		})
		if len(connections) != 1 {
			t.Errorf("came by %d connections", len(connections))
		}
	})
}

func TestUploadsTakeTheirTime(t *testing.T) {
	const size = 1 << 20
	content := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	bodies := func() map[string]*Body {
		return map[string]*Body{
			"bytes":    BytesBody(content, "image/png"),
			"a stream": StreamBody(bytes.NewReader(content), -1, "image/png"),
		}
	}
	for name, body := range bodies() {
		t.Run("P83 "+name+", sent for longer than the time-out, arrive", func(t *testing.T) {
			received := 0
			served(t, func(w http.ResponseWriter, r *http.Request) {
				buf := make([]byte, 64<<10)
				for {
					n, err := io.ReadFull(r.Body, buf)
					if received += n; err != nil {
						break
					}
					if received < size {
						time.Sleep(DefaultHeaderTimeout) // of the bubble
					}
				}
				time.Sleep(DefaultHeaderTimeout - time.Second)
				w.Header().Set("Content-Type", "application/json")
				io.WriteString(w, "{}")
			}, func(t *testing.T, c *Caller) {
				start := time.Now()
				if _, err := Call[value](t.Context(), c, upload, nil, Raw(body), nil); err != nil {
					t.Error(err)
				}
				if received != size || time.Since(start) < 5*time.Minute {
					t.Errorf("%d bytes arrived in %s", received, time.Since(start))
				}
			})
		})
	}
	for name, body := range bodies() {
		t.Run("P83 P84 "+name+" that the server stops taking are given up", func(t *testing.T) {
			served(t, func(_ http.ResponseWriter, r *http.Request) {
				io.CopyN(io.Discard, r.Body, 1000)
				time.Sleep(2 * DefaultIdleTimeout)
			}, func(t *testing.T, c *Caller) {
				start := time.Now()
				_, err := Call[value](t.Context(), c, upload, nil, Raw(body), nil)
				if e, ok := errors.AsType[*SendError](err); !ok || e.Sent != SentMaybe || !errors.Is(err, ErrIdle) || time.Since(start) != DefaultIdleTimeout {
					t.Errorf("after %s: %v", time.Since(start), err)
				}
			})
		})
	}
	t.Run("P83 a source that is slow is waited for", func(t *testing.T) {
		served(t, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, "{}")
		}, func(t *testing.T, c *Caller) {
			pieces := 3
			slow := readFunc(func(p []byte) (int, error) {
				time.Sleep(2 * DefaultIdleTimeout)
				if pieces--; pieces < 0 {
					return 0, io.EOF
				}
				return copy(p, "piece"), nil
			})
			if _, err := Call[value](t.Context(), c, upload, nil, Raw(StreamBody(slow, -1, "a/b")), nil); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("P83 the time for an answer begins where the body ends", func(t *testing.T) {
		served(t, func(_ http.ResponseWriter, r *http.Request) {
			time.Sleep(10 * time.Second)
			io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}, func(t *testing.T, c *Caller) {
			start := time.Now()
			_, err := Call[value](t.Context(), c, upload, nil, Raw(bodies()["bytes"]), nil)
			if !errors.Is(err, ErrHeaderTimeout) || time.Since(start) != 10*time.Second+DefaultHeaderTimeout {
				t.Errorf("after %s: %v", time.Since(start), err)
			}
		})
	})
}
