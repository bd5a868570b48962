package paging_test

import (
	"errors"
	"strconv"
	"testing"

	"github.com/gimucco/atproto-go/xrpc/paging"
	"github.com/google/go-cmp/cmp"
)

type page struct {
	Items  []string
	Cursor *string
}

// server serves pages in turn and notes the cursors it was asked for.
type server struct {
	pages []page
	asked []string
	err   error // of the request behind the last page
}

func (s *server) fetch(cursor *string) (*page, *string, error) {
	asked := "<nil>"
	if cursor != nil {
		asked = *cursor
	}
	s.asked = append(s.asked, asked)
	if len(s.pages) == 0 {
		return nil, nil, s.err
	}
	p := s.pages[0]
	s.pages = s.pages[1:]
	return &p, p.Cursor, nil
}

func items(p *page) []string { return p.Items }

func isEmpty(p *page) bool { return len(p.Items) == 0 }

func TestPages(t *testing.T) {
	broken := errors.New("broken")
	for _, tc := range []struct {
		name  string
		s     server
		want  []string
		asked []string
		err   error
	}{
		{"X26 ends without a cursor", server{pages: []page{{Items: []string{"a", "b"}}}}, []string{"a", "b"}, []string{"<nil>"}, nil},
		{"X26 an empty page goes on", server{pages: []page{{[]string{"a"}, new("1")}, {nil, new("2")}, {Items: []string{"b"}}}}, []string{"a", "b"}, []string{"<nil>", "1", "2"}, nil},
		{"X26 an empty cursor ends", server{pages: []page{{[]string{"a"}, new("")}}}, []string{"a"}, []string{"<nil>"}, nil},
		{"X26 a repeated cursor is an error", server{pages: []page{{[]string{"a"}, new("1")}, {[]string{"b"}, new("1")}}}, []string{"a", "b"}, []string{"<nil>", "1"}, paging.ErrRepeatedCursor},
		{"P86 X26 a repeated cursor with an empty page is the end", server{pages: []page{{[]string{"a"}, new("1")}, {nil, new("1")}}}, []string{"a"}, []string{"<nil>", "1"}, nil},
		{"P86 X26 so is one that came earlier", server{pages: []page{{[]string{"a"}, new("1")}, {[]string{"b"}, new("2")}, {[]string{"c"}, new("3")}, {nil, new("2")}}}, []string{"a", "b", "c"}, []string{"<nil>", "1", "2", "3"}, nil},
		{"P86 X26 an empty page with a new cursor is not", server{pages: []page{{[]string{"a"}, new("1")}, {nil, new("2")}, {nil, new("3")}, {[]string{"b"}, nil}}}, []string{"a", "b"}, []string{"<nil>", "1", "2", "3"}, nil},
		{"an error is final", server{pages: []page{{[]string{"a"}, new("1")}}, err: broken}, []string{"a"}, []string{"<nil>", "1"}, broken},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			var failed error
			for e, err := range paging.All(paging.Pages(tc.s.fetch, isEmpty), items) {
				if err != nil {
					failed = err
					continue
				}
				got = append(got, *e)
			}
			if !errors.Is(failed, tc.err) {
				t.Errorf("error %v, want %v", failed, tc.err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("elements (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.asked, tc.s.asked); diff != "" {
				t.Errorf("cursors (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPagesNoticesCyclesOfAnyLength(t *testing.T) {
	for lead := range 5 {
		for length := 1; length <= 40; length++ {
			calls := 0
			fetch := func(*string) (*page, *string, error) {
				n := calls
				calls++
				if n >= lead {
					n = lead + (n-lead)%length
				}
				return &page{}, new(strconv.Itoa(n)), nil
			}
			var failed error
			for _, err := range paging.Pages(fetch, nil) {
				if calls > 1000 {
					break
				}
				failed = err
			}
			if !errors.Is(failed, paging.ErrRepeatedCursor) {
				t.Errorf("a cycle of %d after %d is not noticed", length, lead)
			}
		}
	}
}

func TestStoppingEarlyAsksNoMore(t *testing.T) {
	s := server{pages: []page{{[]string{"a", "b"}, new("1")}, {[]string{"c"}, nil}}}
	for e, err := range paging.Values(paging.Pages(s.fetch, isEmpty), items) {
		if err != nil || e != "a" {
			t.Fatal(e, err)
		}
		break
	}
	if diff := cmp.Diff([]string{"<nil>"}, s.asked); diff != "" {
		t.Error(diff)
	}
}
