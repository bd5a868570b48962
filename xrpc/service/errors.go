package service

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gimucco/atproto-go/internal/said"
	"github.com/gimucco/atproto-go/xrpc"
)

// An Error is an answer that is not a success. Use it in handlers that need more than the name of
// an error: another status, or a message that differs from the text of the cause.
type Error struct {
	Status  int            // HTTP status; 0 means that of Name
	Name    xrpc.ErrorName // "" means the name that the specification gives to Status
	Message string         // for people
	Err     error          // the cause, only for the log; may be nil
}

// Error returns what the caller gets, and the cause.
func (e *Error) Error() string {
	text := fmt.Sprintf("service: %s (HTTP %d)", e.name().Error(), e.status())
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the error's name.
func (e *Error) Is(target error) bool { return target == e.name() }

func (e *Error) status() int {
	switch {
	case e.Status >= 400 && e.Status <= 599:
		return e.Status
	case e.Status == 0 && e.Name != "":
		return e.Name.DefaultStatus()
	}
	return http.StatusInternalServerError
}

func (e *Error) name() xrpc.ErrorName {
	if e.Name == "" {
		return xrpc.NameOfStatus(e.status())
	}
	return e.Name
}

// ErrConsumerTooSlow is the error of a stream whose consumer does not read its messages in time.
const ErrConsumerTooSlow xrpc.ErrorName = "ConsumerTooSlow"

// errTime is the cause if the time of Timeout has passed.
var errTime = errors.New("the time for the call is over (service.Timeout)")

// maxMessage is the maximum length of a message, in bytes.
const maxMessage = 2000

// panicked is a panic of a handler.
type panicked struct {
	cause any
	stack []byte
}

// Error returns the value and the stack.
func (p *panicked) Error() string { return fmt.Sprintf("panic: %v\n%s", p.cause, p.stack) }

// invalid refuses a call.
func invalid(format string, args ...any) *Error {
	return &Error{Name: xrpc.ErrInvalidRequest, Message: fmt.Sprintf(format, args...)}
}

// answerFor returns the answer for an error. No part of an error without a name leaves the service.
func answerFor(err error) *Error {
	if e := forCaller(err); e != nil {
		return e
	}
	if errors.Is(err, errTime) {
		return &Error{Name: xrpc.ErrNotEnoughResources, Message: "the call took too long; try again later", Err: err}
	}
	return &Error{Name: xrpc.ErrInternalServerError, Err: err}
}

// forCaller returns the first error in err that the caller may see, or nil.
func forCaller(err error) *Error { return find(err, nil) }

// find searches err. around are the errors that wrap it, the outermost first.
func find(err error, around []error) *Error {
	switch e := err.(type) {
	case *panicked:
		return nil
	case *Error:
		return e
	case *http.MaxBytesError:
		return tooLarge(e.Limit)
	case *xrpc.Error: // from a service that the handler called
		if e.Status < 400 || e.Status > 599 {
			return &Error{Name: xrpc.ErrUpstreamFailure, Err: err}
		}
		return &Error{Status: e.Status, Name: e.Name, Message: e.Message, Err: err}
	case xrpc.ErrorName:
		return &Error{Name: e, Message: messageOf(e, around), Err: err}
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return find(inner, append(around, err))
		}
	case interface{ Unwrap() []error }:
		all := e.Unwrap()
		around = append(around, err)
		if err.Error() == errors.Join(all...).Error() {
			around = nil // their texts contain the texts of the other errors, which are not for the caller
		}
		for _, inner := range all {
			if found := find(inner, around); found != nil {
				return found
			}
		}
	}
	return nil
}

func tooLarge(limit int64) *Error {
	return &Error{Name: xrpc.ErrPayloadTooLarge, Message: fmt.Sprintf("the body has more than %d bytes", limit)}
}

// messageOf returns the text after the name. It is taken from the outermost error that begins with
// the name, or else from the innermost one that has it. Text before the name says how the service
// got there, and is never told: so the last place that has the name counts.
func messageOf(name xrpc.ErrorName, around []error) string {
	for _, err := range around {
		if text, ok := strings.CutPrefix(err.Error(), name.Error()+": "); ok {
			return text
		}
	}
	for _, err := range slices.Backward(around) {
		text := err.Error()
		if at := strings.LastIndex(text, name.Error()); at >= 0 {
			if message, ok := strings.CutPrefix(text[at+len(name.Error()):], ": "); ok {
				return message
			}
		}
	}
	return ""
}

// refuse answers with an error, and logs the service's own errors.
func (c *call) refuse(err error) {
	e := c.declared(answerFor(err))
	if e.status() >= 500 {
		c.log(err, e)
	}
	if c.answered {
		// A part of an answer must not look like all of it.
		panic(http.ErrAbortHandler)
	}
	write(c.w, c.r, e)
}

// declared returns an error if the method does not declare e, if Check is set.
func (c *call) declared(e *Error) *Error {
	name := e.name()
	if !c.options.checked || e.status() >= 500 || slices.Contains(c.served.errors, name) || name == xrpc.NameOfStatus(e.status()) {
		return e
	}
	return &Error{Name: xrpc.ErrInternalServerError, Err: fmt.Errorf("the lexicon of %s declares no error %s: %w", c.served.method.NSID, name.Error(), e)}
}

// log logs what the caller does not get.
func (c *call) log(err error, e *Error) {
	if c.options.logger == nil {
		return
	}
	if _, failed := errors.AsType[*panicked](err); c.r.Context().Err() != nil && !failed {
		return // the caller has left, and the handler's error comes from that
	}
	c.options.logger.ErrorContext(c.r.Context(), "service: a call failed", "method", string(c.served.method.NSID), "status", e.status(), "error", err.Error())
}

// An answerBody is the JSON of an error.
type answerBody struct {
	Error   string `json:"error"`
	Message string `json:"message,omitempty"`
}

// bodyOf returns what the caller gets, without internal details.
func bodyOf(e *Error) answerBody {
	message := said.Cut(e.Message, maxMessage)
	if e.status() == http.StatusInternalServerError {
		message = "Internal Server Error"
	}
	return answerBody{Error: string(e.name()), Message: strings.ToValidUTF8(message, "\uFFFD")}
}

// write sends an error.
func write(w http.ResponseWriter, r *http.Request, e *Error) {
	body, _ := json.Marshal(bodyOf(e)) // strings always marshal
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if e.status() == http.StatusRequestTimeout {
		h.Set("Connection", "close")
	}
	w.WriteHeader(e.status())
	if r.Method != http.MethodHead {
		w.Write(body)
	}
}
