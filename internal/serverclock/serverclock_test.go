package serverclock

import (
	"net/http"
	"testing"
	"time"
)

func TestServerClocks(t *testing.T) {
	ours := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	date := func(d time.Duration) string { return ours.Add(d).Format(http.TimeFormat) }
	for _, tt := range []struct {
		name     string
		date     string
		age      string
		received time.Duration // after it was sent
		want     time.Duration
	}{
		{"O71 the same time", date(0), "", 0, 0},
		{"O71 within the tolerance", date(4 * time.Second), "", 0, 0},
		{"O71 ahead", date(time.Minute), "", 0, time.Minute},
		{"O71 behind", date(-time.Minute), "", 0, -time.Minute},
		{"O71 a slow answer does not make clocks differ", date(0), "", 9 * time.Second, 0},
		{"O71 nor does one that was dated when it was asked for", date(9 * time.Second), "", 9 * time.Second, 0},
		{"O71 of a slow answer the least is taken", date(time.Minute), "", 8 * time.Second, 52 * time.Second},
		{"an answer that is too slow tells nothing", date(time.Minute), "", 11 * time.Second, 0},
		{"a cache tells nothing", date(time.Minute), "5", 0, 0},
		{"no Date", "", "", 0, 0},
		{"a Date that is none", "yesterday", "", 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var clocks Clocks
			h := http.Header{}
			h.Set("Date", tt.date)
			if tt.age != "" {
				h.Set("Age", tt.age)
			}
			ahead, news := clocks.Measure("https://a.example.com", h, ours, ours.Add(tt.received))
			if ahead != tt.want || news != (tt.want != 0) || clocks.Get("https://a.example.com") != tt.want {
				t.Errorf("got %s, news %t; want %s", ahead, news, tt.want)
			}
			if clocks.Get("https://b.example.com") != 0 {
				t.Error("one server's clock was taken for another's")
			}
		})
	}
	t.Run("what is known is no news, what changed is", func(t *testing.T) {
		var clocks Clocks
		for _, step := range []struct{ server, want time.Duration }{
			{time.Minute, time.Minute}, {time.Minute + 2*time.Second, time.Minute}, {2 * time.Minute, 2 * time.Minute}, {0, 0}, {0, 0},
		} {
			known := clocks.Get("x")
			ahead, news := clocks.Measure("x", http.Header{"Date": {date(step.server)}}, ours, ours)
			if ahead != step.want || news != (ahead != known) {
				t.Errorf("after %s: %s, news %t", step.server, ahead, news)
			}
		}
	})
	t.Run("the table does not grow for ever", func(t *testing.T) {
		var clocks Clocks
		for i := range 3 * maxServers {
			clocks.Measure(string(rune(i)), http.Header{"Date": {date(time.Hour)}}, ours, ours)
		}
		if len(clocks.ahead) > maxServers {
			t.Errorf("%d servers", len(clocks.ahead))
		}
	})
}
