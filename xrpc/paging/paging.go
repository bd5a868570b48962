// Package paging follows the cursor of a query from page to page. Generated clients
// use it for their …Pages and …All methods; an application seldom needs it itself.
package paging

import (
	"errors"
	"fmt"
	"iter"
)

// ErrRepeatedCursor is the error of a server that hands out a cursor again: going on
// would never end.
var ErrRepeatedCursor = errors.New("the server repeats a cursor")

// Pages yields page after page. fetch gets a page: the first by a nil cursor, each
// other by the cursor that fetch returned along with the page before it, as its
// second result. A nil or empty cursor ends the sequence; an empty page does not, unless the server repeats
// a cursor along with it: some do so at the end. empty says whether a page is that; nil: none is. An
// error is yielded once and is final.
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

// repeats notices a cycle of cursors of any length while remembering one of them: the
// remembered one moves up at steps that grow by powers of two (Brent's algorithm).
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

// All yields the elements of all pages, each by a pointer into its page.
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

// Values is All for elements that are small: it yields them by value.
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
