package main

import (
	"time"

	"github.com/schollz/progressbar/v3"
)

// worthABar is how many bytes take long enough to show a bar.
const worthABar = 64 << 10

// progress shows how far something is that takes its time, to a person at a terminal. report
// takes bytes so far and in all, -1 where that is not known; end takes the bar away, once. What is small has no bar.
func (p *program) progress(what string) (report func(done, size int64), end func()) {
	if p.terminal == nil {
		return func(int64, int64) {}, func() {}
	}
	var bar *progressbar.ProgressBar
	report = func(done, size int64) {
		if bar == nil && max(done, size) < worthABar {
			return
		}
		if bar == nil {
			bar = progressbar.NewOptions64(size,
				progressbar.OptionSetWriter(p.terminal),
				progressbar.OptionSetDescription(printable(what)),
				progressbar.OptionShowBytes(true),
				progressbar.OptionSetWidth(30),
				progressbar.OptionThrottle(100*time.Millisecond),
				progressbar.OptionSetRenderBlankState(true),
				progressbar.OptionClearOnFinish(),
			)
		}
		bar.Set64(done)
	}
	return report, func() {
		if bar != nil {
			bar.Clear()
			bar = nil // what is printed now stays
		}
	}
}
