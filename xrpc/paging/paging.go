// Package paging follows the cursor of a query from page to page. The …Pages and …All methods of
// generated clients use it. An application seldom needs it directly:
//
//	for page, err := range paging.Pages(fetch, nil) { … }
package paging

import (
	"errors"
	"fmt"
	"iter"
)

// ErrRepeatedCursor: a server returned a cursor a second time, so the sequence would never end.
var ErrRepeatedCursor = errors.New("the server repeats a cursor")

// Pages yields one page after the other. fetch returns a page and the cursor of the next one. The
// first call gets a nil cursor; each other call gets the cursor that the call before it returned. A
// nil or empty cursor ends the sequence.
//
// An empty page does not end the sequence, unless its cursor was returned before: some servers do
// that at the end. empty reports whether a page is empty; a nil empty means that no page is. An
// error is yielded once and ends the sequence.
func Pages[P any](fetch func(cursor *string) (*P, *string, error), empty func(*P) bool) iter.Seq2[*P, error] {
	return func(yield func(*P, error) bool) {
		var cursor *string
		var seen repeats
		for {
			page, next, err := fetch(cursor)
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(page, nil) || next == nil || *next == "" {
				return
			}
			if seen.again(*next) {
				if empty == nil || !empty(page) {
					yield(nil, fmt.Errorf("%w: %.80q", ErrRepeatedCursor, *next))
				}
				return
			}
			cursor = next
		}
	}
}

// repeats detects a cycle of cursors of any length. It remembers only one cursor, and replaces it
// at intervals that grow by powers of two (Brent's algorithm).
type repeats struct {
	kept        string
	steps, next int
}

func (r *repeats) again(cursor string) bool {
	if r.steps > 0 && cursor == r.kept {
		return true
	}
	if r.steps == r.next {
		r.kept = cursor
		r.next = 2*r.next + 1
	}
	r.steps++
	return false
}

// All yields the elements of all pages. Each is a pointer into its page.
func All[P, E any](pages iter.Seq2[*P, error], elements func(*P) []E) iter.Seq2[*E, error] {
	return func(yield func(*E, error) bool) {
		for page, err := range pages {
			if err != nil {
				yield(nil, err)
				return
			}
			list := elements(page)
			for i := range list {
				if !yield(&list[i], nil) {
					return
				}
			}
		}
	}
}

// Values is All for small elements: it yields them by value.
func Values[P, E any](pages iter.Seq2[*P, error], elements func(*P) []E) iter.Seq2[E, error] {
	return func(yield func(E, error) bool) {
		for element, err := range All(pages, elements) {
			var v E
			if element != nil {
				v = *element
			}
			if !yield(v, err) {
				return
			}
		}
	}
}
