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

// An Error is an answer that is not a success, for handlers that want to say more than the name of an error: a status
// of its own, or a message that is not the text of the error that they keep.
type Error struct {
	Status  int            // of HTTP; 0 is that of Name
	Name    xrpc.ErrorName // "" is the one that the specification gives to Status
	Message string         // for people
	Err     error          // the cause, for the log alone; may be nil
}

// Error has what the caller gets, and the cause.
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

// ErrConsumerTooSlow is why a stream ends whose consumer does not take what it is sent.
const ErrConsumerTooSlow xrpc.ErrorName = "ConsumerTooSlow"

// errTime is the cause when Timeout is over.
var errTime = errors.New("the time for the call is over (service.Timeout)")

// maxMessage is how much of a message is sent, in bytes.
const maxMessage = 2000

// panicked is a panic of a handler.
type panicked struct {
	cause any
	stack []byte
}

// Error has the value and where it came from.
func (p *panicked) Error() string { return fmt.Sprintf("panic: %v\n%s", p.cause, p.stack) }

// invalid refuses a call.
func invalid(format string, args ...any) *Error {
	return &Error{Name: xrpc.ErrInvalidRequest, Message: fmt.Sprintf(format, args...)}
}

// answerFor is what an error is answered with. Nothing of an error that has no name leaves.
func answerFor(err error) *Error {
	if e := forCaller(err); e != nil {
		return e
	}
	if errors.Is(err, errTime) {
		return &Error{Name: xrpc.ErrNotEnoughResources, Message: "the call took too long; try again later", Err: err}
	}
	return &Error{Name: xrpc.ErrInternalServerError, Err: err}
}

// forCaller finds the first error in err that the caller may know of, nil if there is none.
func forCaller(err error) *Error { return find(err, nil) }

// find looks into err, which is what the errors around it wrap, outermost first.
func find(err error, around []error) *Error {
	switch e := err.(type) {
	case *panicked:
		return nil
	case *Error:
		return e
	case *http.MaxBytesError:
		return tooLarge(e.Limit)
	case *xrpc.Error: // of a service that the handler asked
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
		for _, inner := range e.Unwrap() {
			if found := find(inner, append(around, err)); found != nil {
				return found
			}
		}
	}
	return nil
}

func tooLarge(limit int64) *Error {
	return &Error{Name: xrpc.ErrPayloadTooLarge, Message: fmt.Sprintf("the body has more than %d bytes", limit)}
}

// messageOf is what follows a name in the outermost error that begins with it: what stands before the name is how the
// service came there.
func messageOf(name xrpc.ErrorName, around []error) string {
	for _, err := range around {
		if text, ok := strings.CutPrefix(err.Error(), name.Error()+": "); ok {
			return text
		}
	}
	return ""
}

// refuse answers with an error, and logs what is the service's own.
func (c *call) refuse(err error) {
	e := c.declared(answerFor(err))
	if e.status() >= 500 {
		c.log(err, e)
	}
	if c.answered {
		// Half of an answer must not pass for all of it.
		panic(http.ErrAbortHandler)
	}
	write(c.w, c.r, e)
}

// declared finds errors that the method has not, where answers are checked.
func (c *call) declared(e *Error) *Error {
	name := e.name()
	if !c.options.checked || e.status() >= 500 || slices.Contains(c.served.errors, name) || name == xrpc.NameOfStatus(e.status()) {
		return e
	}
	return &Error{Name: xrpc.ErrInternalServerError, Err: fmt.Errorf("the lexicon of %s declares no error %s: %w", c.served.method.NSID, name.Error(), e)}
}

// log tells the service what its caller is not told.
func (c *call) log(err error, e *Error) {
	if c.options.logger == nil {
		return
	}
	if _, failed := errors.AsType[*panicked](err); c.r.Context().Err() != nil && !failed {
		return // the caller has gone, and whatever the handler met comes of that
	}
	c.options.logger.ErrorContext(c.r.Context(), "service: a call failed", "method", string(c.served.method.NSID), "status", e.status(), "error", err.Error())
}

// An answerBody is the JSON of an error.
type answerBody struct {
	Error   string `json:"error"`
	Message string `json:"message,omitempty"`
}

// bodyOf is what a caller is told. What went wrong inside is not its business.
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
