package syntax_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/xrpc/syntax"
	"github.com/google/go-cmp/cmp"
)

func TestError(t *testing.T) {
	t.Run("names the kind, the value and the rule", func(t *testing.T) {
		_, err := syntax.ParseDID("did:WEB:a")
		want := &syntax.Error{Kind: syntax.KindDID, Value: "did:WEB:a", Reason: "has a method with other characters than a to z"}
		got, ok := errors.AsType[*syntax.Error](err)
		if !ok {
			t.Fatalf("got %T, want *syntax.Error", err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if want := `invalid did "did:WEB:a": has a method with other characters than a to z`; err.Error() != want {
			t.Errorf("got %s, want %s", err, want)
		}
	})
	t.Run("cuts long values at a rune", func(t *testing.T) {
		_, err := syntax.ParseHandle("a" + strings.Repeat("é", 5000))
		e, _ := errors.AsType[*syntax.Error](err)
		if want := "a" + strings.Repeat("é", 39) + "…"; e.Value != want {
			t.Errorf("got %q, want %q", e.Value, want)
		}
	})
	t.Run("an at-identifier is reported as one", func(t *testing.T) {
		for _, s := range []string{"did:plc:", "@alice.test"} {
			_, err := syntax.ParseAtIdentifier(s)
			if e, ok := errors.AsType[*syntax.Error](err); !ok || e.Kind != syntax.KindAtIdentifier {
				t.Errorf("%q: got %v", s, err)
			}
		}
	})
	t.Run("a failed parse returns nothing", func(t *testing.T) {
		if d, err := syntax.ParseDID("did:"); d != "" || err == nil {
			t.Errorf("got %q, %v", d, err)
		}
	})
}

func TestLimits(t *testing.T) {
	long := func(prefix string, length int, suffix string) string {
		return prefix + strings.Repeat("a", length-len(prefix)-len(suffix)) + suffix
	}
	labels := func(length int, suffix string) string { // labels of 60 characters
		s := suffix
		for len(s) < length {
			n := min(60, length-len(s)-1)
			s = strings.Repeat("a", n) + "." + s
		}
		return s
	}
	tests := []struct {
		name  string
		parse func(string) error
		value func(length int) string
		max   int
	}{
		{"L40 DID", parsers["did"], func(n int) string { return long("did:a:", n, "") }, 2048},
		{"L41 handle", parsers["handle"], func(n int) string { return labels(n, "test") }, 253},
		{"L42 NSID", parsers["nsid"], func(n int) string { return labels(n, "name") }, 317},
		{"L42 NSID name", parsers["nsid"], func(n int) string { return "com.example." + long("", n, "") }, 63},
		{"L44 record key", parsers["recordkey"], func(n int) string { return long("", n, "") }, 512},
		{"L45 URI", parsers["uri"], func(n int) string { return long("a:", n, "") }, 8 << 10},
		{"L37 record key in an AT URI", parsers["aturi"], func(n int) string { return "at://did:a:b/a.b.c/" + long("", n, "") }, 512},
		{"L38 CID", parsers["cid"], func(n int) string { return long("z", n, "") }, 256},
		{"L39 datetime", parsers["datetime"], func(n int) string {
			return "2000-01-01T00:00:00." + strings.Repeat("0", n-21) + "Z"
		}, 64},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.parse(tt.value(tt.max)); err != nil {
				t.Errorf("%d characters: %v", tt.max, err)
			}
			if tt.parse(tt.value(tt.max+1)) == nil {
				t.Errorf("%d characters were accepted", tt.max+1)
			}
		})
	}
}

func TestAccessors(t *testing.T) {
	tests := []struct {
		name      string
		got, want any
	}{
		{"DID method", syntax.DID("did:web:localhost%3A80").Method(), "web"},
		{"DID identifier", syntax.DID("did:web:localhost%3A80").Identifier(), "localhost%3A80"},
		{"DID zero", syntax.DID("").Method() + syntax.DID("").Identifier(), ""},
		{"handle normalized", syntax.Handle("Alice.Example.COM").Normalize(), syntax.Handle("alice.example.com")},
		{"handle TLD", syntax.Handle("Alice.Example.COM").TLD(), "com"},
		{"NSID authority", syntax.NSID("app.bsky.Feed.getLikes").Authority(), "feed.bsky.app"},
		{"NSID name", syntax.NSID("app.bsky.feed.getLikes").Name(), "getLikes"},
		{"NSID segments", syntax.NSID("a.b.c").Segments(), []string{"a", "b", "c"}},
		{"NSID zero", syntax.NSID("").Authority() + syntax.NSID("").Name(), ""},
		{"AT URI authority", syntax.ATURI("at://did:a:b/a.b.c/k").Authority(), syntax.AtIdentifier("did:a:b")},
		{"AT URI collection", syntax.ATURI("at://did:a:b/a.b.c/k").Collection(), syntax.NSID("a.b.c")},
		{"AT URI record key", syntax.ATURI("at://did:a:b/a.b.c/k").RecordKey(), syntax.RecordKey("k")},
		{"AT URI without path", syntax.ATURI("at://did:a:b").Collection(), syntax.NSID("")},
		{"AT URI of another scheme", syntax.ATURI("https://a.b/a.b.c").Authority(), syntax.AtIdentifier("")},
		{"record URI", syntax.RecordURI("did:a:b", "a.b.c", "k"), syntax.ATURI("at://did:a:b/a.b.c/k")},
		{"URI scheme", syntax.URI("HTTPS://a").Scheme(), "https"},
		{"URI without scheme", syntax.URI("a").Scheme(), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.got); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("an at-identifier is a DID or a handle or neither", func(t *testing.T) {
		for _, tt := range []struct {
			id          syntax.AtIdentifier
			did, handle bool
		}{{"did:plc:a", true, false}, {"alice.test", false, true}, {"did:plc", false, false}, {"@alice.test", false, false}, {"", false, false}} {
			_, did := tt.id.DID()
			_, handle := tt.id.Handle()
			if did != tt.did || handle != tt.handle {
				t.Errorf("%q: got %v, %v", tt.id, did, handle)
			}
		}
	})
}

func TestHandleReserved(t *testing.T) {
	t.Run("O26 reserved top level domains", func(t *testing.T) {
		for _, tld := range []string{"alt", "arpa", "example", "internal", "invalid", "local", "localhost", "onion", "LOCAL"} {
			h, err := syntax.ParseHandle("alice." + tld)
			if err != nil {
				t.Errorf("%s: %v", tld, err) // the syntax allows them
			}
			if !h.Reserved() {
				t.Errorf("%s is not reserved", h)
			}
		}
		for _, h := range []syntax.Handle{"alice.test", "alice.com", "local.com", "xlocal.xlocal"} {
			if h.Reserved() {
				t.Errorf("%s is reserved", h)
			}
		}
	})
	t.Run("O26 handle.invalid is reserved", func(t *testing.T) {
		if !syntax.HandleInvalid.Reserved() || syntax.HandleInvalid.Validate() != nil {
			t.Error("it is not")
		}
	})
}

func TestDatetime(t *testing.T) {
	t.Run("L39 moments", func(t *testing.T) {
		for s, want := range map[syntax.Datetime]string{
			"1985-04-12T23:20:50.123Z":              "1985-04-12T23:20:50.123Z",
			"1985-04-12T23:20:50.1235678912345Z":    "1985-04-12T23:20:50.123567891Z",
			"1985-04-12T23:20:50-07:30":             "1985-04-13T06:50:50Z",
			"1985-04-12T23:20:50.5+01:45":           "1985-04-12T21:35:50.5Z",
			"2016-12-31T23:59:60Z":                  "2017-01-01T00:00:00Z",
			"2024-02-29T00:00:00Z":                  "2024-02-29T00:00:00Z",
			"0000-01-01T00:00:00Z":                  "0000-01-01T00:00:00Z",
			"0000-01-01T01:00:00+01:00":             "0000-01-01T00:00:00Z",
			"1985-04-12T23:20:50.000000000000001Z":  "1985-04-12T23:20:50Z",
			"1985-04-12T23:20:50.00000000100+00:00": "1985-04-12T23:20:50.000000001Z",
		} {
			got, err := s.Time()
			if err != nil {
				t.Error(err)
				continue
			}
			if got := got.UTC().Format(time.RFC3339Nano); got != want {
				t.Errorf("%s: got %s, want %s", s, got, want)
			}
		}
	})
	t.Run("L39 moments that do not exist", func(t *testing.T) {
		for _, s := range []string{
			"2023-02-29T00:00:00Z", "2023-04-31T00:00:00Z", "2023-01-01T24:00:00Z", "2023-01-01T00:60:00Z",
			"2023-01-01T00:00:61Z", "2023-01-01T00:00:00+24:00", "2023-01-01T00:00:00+00:60", "2023-01-01T00:00:00-00:00",
			"0000-01-01T00:59:59+01:00",
		} {
			if _, err := syntax.ParseDatetime(s); err == nil {
				t.Errorf("%s was accepted", s)
			}
		}
	})
	t.Run("P110 a lenient reader takes what real records have", func(t *testing.T) {
		for s, want := range map[syntax.Datetime]string{
			"2023-07-20T10:11:12.5+02:00":   "2023-07-20T08:11:12.5Z", // as Time reads it
			"2016-12-31T23:59:60Z":          "2017-01-01T00:00:00Z",
			"2023-07-20T10:11:12":           "2023-07-20T10:11:12Z",
			"2023-07-20T10:11:12.123456":    "2023-07-20T10:11:12.123456Z",
			"2023-07-20T10:11:12-00:00":     "2023-07-20T10:11:12Z",
			"2023-07-20T10:11:12.5-0000":    "2023-07-20T10:11:12.5Z",
			"2023-07-20T10:11:12+0000":      "2023-07-20T10:11:12Z",
			"2023-07-20T10:11:12-0730":      "2023-07-20T17:41:12Z",
			"2023-07-20T10:11:12+02":        "2023-07-20T08:11:12Z",
			"2023-07-20 10:11:12":           "2023-07-20T10:11:12Z",
			"2023-07-20 10:11:12.123 +0200": "2023-07-20T08:11:12.123Z",
			"2023-07-20t10:11:12z":          "2023-07-20T10:11:12Z",
			"2023-07-20T10:11:12,25Z":       "2023-07-20T10:11:12.25Z",
			"2023-07-20T10:11Z":             "2023-07-20T10:11:00Z",
			"2023-07-20T10:11":              "2023-07-20T10:11:00Z",
			"2023-07-20T10:11+01:00":        "2023-07-20T09:11:00Z",
			"2023-07-20":                    "2023-07-20T00:00:00Z",
		} {
			at, err := s.LenientTime()
			if err != nil {
				t.Error(err)
				continue
			}
			if got := at.UTC().Format(time.RFC3339Nano); got != want {
				t.Errorf("%s: got %s, want %s", s, got, want)
			}
			if strict, err := s.Time(); err == nil && !strict.Equal(at) {
				t.Errorf("%s: Time says %v, and LenientTime %v", s, strict, at)
			}
		}
	})
	t.Run("P110 what says no moment is refused with the reason of Time", func(t *testing.T) {
		for _, s := range []syntax.Datetime{
			"", "yesterday", "1689847872", "2023-07", "2023-07-20T", "2023-07-20T10", "2023-07-20X10:11:12", "20-07-2023 10:11:12", "2023-13-01",
			"2023-02-30", "2023-02-30 10:11:12", "2023-07-20T25:11", "2023-07-20T10:11:12.Z", "2023-07-20T10:11:12..5Z", "2023-07-20T10:11:12+25", "2023-07-20T10:11:12+020",
			"2023-07-20T10:11:12 CET", "2023-07-20T10:11:12Z ", " 2023-07-20T10:11:12Z", "2023-07-20T10:11:12ZZ", "２０２３-07-20",
			syntax.Datetime("2023-07-20 10:11:12." + strings.Repeat("0", 100)),
		} {
			at, err := s.LenientTime()
			_, strict := s.Time()
			if err == nil || strict == nil || err.Error() != strict.Error() {
				t.Errorf("%q: %v, %v; Time says %v", s, at, err, strict)
			}
		}
	})
	t.Run("what is made is UTC with milliseconds", func(t *testing.T) {
		at := time.Date(2026, 1, 2, 3, 4, 5, 6_999_999, time.FixedZone("", 3600))
		if got, want := syntax.DatetimeOf(at), syntax.Datetime("2026-01-02T02:04:05.006Z"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if err := syntax.Now().Validate(); err != nil {
			t.Error(err)
		}
	})
	t.Run("a year that cannot be written is not valid", func(t *testing.T) {
		for _, year := range []int{-1, 10000} {
			if d := syntax.DatetimeOf(time.Date(year, 1, 2, 0, 0, 0, 0, time.UTC)); d.Validate() == nil {
				t.Errorf("%s was accepted", d)
			}
		}
	})
}

func TestTID(t *testing.T) {
	t.Run("L43 time and clock come back", func(t *testing.T) {
		at := time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC)
		id := syntax.TIDOf(at, 1023)
		if err := id.Validate(); err != nil {
			t.Fatal(err)
		}
		if !id.Time().Equal(at) || id.ClockID() != 1023 {
			t.Errorf("%s: got %s and %d", id, id.Time(), id.ClockID())
		}
	})
	t.Run("L43 a known one", func(t *testing.T) {
		const id = syntax.TID("3jzfcijpj2z2a")
		if got := id.Time().UnixMicro(); got != 1688137381887007 || id.ClockID() != 6 {
			t.Errorf("got %d and %d", got, id.ClockID())
		}
		if got := syntax.TIDOf(id.Time(), id.ClockID()); got != id {
			t.Errorf("got %s, want %s", got, id)
		}
	})
	t.Run("L43 the highest bit comes back too", func(t *testing.T) {
		const id = syntax.TID("jzzzzzzzzzzzz")
		if got := syntax.TIDOf(id.Time(), id.ClockID()); got != id {
			t.Errorf("got %s, want %s", got, id)
		}
	})
	t.Run("what is no TID has no time", func(t *testing.T) {
		for _, id := range []syntax.TID{"", "zzzzzzzzzzzzz", "222222222222!"} {
			if !id.Time().IsZero() || id.ClockID() != 0 {
				t.Errorf("%q has", id)
			}
		}
	})
	t.Run("times that do not fit", func(t *testing.T) {
		for _, at := range []time.Time{{}, time.Unix(1<<40, 0)} {
			if err := syntax.TIDOf(at, 0).Validate(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestTIDClock(t *testing.T) {
	t.Run("increases while the clock stands and when it goes back", func(t *testing.T) {
		times := []int64{5_000, 5_000, 4_000, 9_000}
		c := syntax.NewTIDClock(func() time.Time {
			at := time.UnixMicro(times[0])
			times = times[1:]
			return at
		}, 7)
		var got []int64
		for range 4 {
			id := c.NewTID()
			if id.ClockID() != 7 {
				t.Errorf("clock %d", id.ClockID())
			}
			got = append(got, id.Time().UnixMicro())
		}
		if diff := cmp.Diff([]int64{5_000, 5_001, 5_002, 9_000}, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("the zero clock makes no TID twice", func(t *testing.T) {
		var c syntax.TIDClock
		var mu sync.Mutex
		seen := make(map[syntax.TID]bool)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 500 {
					id := c.NewTID()
					mu.Lock()
					seen[id] = true
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if len(seen) != 4000 {
			t.Errorf("%d of 4000 are different", len(seen))
		}
		for id := range seen {
			if err := id.Validate(); err != nil {
				t.Fatal(err)
			}
			if since := time.Since(id.Time()); since > time.Minute || since < -time.Minute {
				t.Fatalf("%s is of %s", id, id.Time())
			}
		}
	})
}

func TestParseAllocatesNothing(t *testing.T) {
	for name, s := range map[string]string{
		"did": "did:plc:7iza6de2dwap2sbkpav7c6c6", "handle": "alice.bsky.social", "nsid": "app.bsky.feed.post",
		"aturi": "at://did:plc:7iza6de2dwap2sbkpav7c6c6/app.bsky.feed.post/3jzfcijpj2z2a", "tid": "3jzfcijpj2z2a",
		"datetime": "1985-04-12T23:20:50.123Z", "language": "pt-BR",
		"cid": "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi", "uri": "https://example.com/",
	} {
		if n := testing.AllocsPerRun(100, func() { parsers[name](s) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
