package syntax

import (
	"strings"
	"time"
)

// A Datetime is a time in the form that RFC 3339, ISO 8601 and the WHATWG HTML standard share:
// upper-case T and Z, seconds, any number of fractional digits, and a time zone that is not -00:00.
type Datetime string

// maxDatetime allows more fractional digits than anybody needs.
const maxDatetime = 64

const datetimeLayout = "2006-01-02T15:04:05.000Z"

// ParseDatetime checks s and returns it as a Datetime with the same text.
func ParseDatetime(s string) (Datetime, error) {
	d := Datetime(s)
	if err := d.Validate(); err != nil {
		return "", err
	}
	return d, nil
}

// Now returns the current time; see DatetimeOf.
func Now() Datetime { return DatetimeOf(time.Now()) }

// DatetimeOf returns t in the form that the protocol prefers: UTC, with milliseconds; smaller units
// are cut off. If the year is outside 0 to 9999, the Datetime is not valid.
func DatetimeOf(t time.Time) Datetime { return Datetime(t.UTC().Format(datetimeLayout)) }

// Validate checks the syntax, and that the time exists. It refuses a thirteenth month, the 30th of
// February, and times before the year 0. It also refuses leap seconds, because servers do not
// accept them.
func (d Datetime) Validate() error {
	_, err := d.parse()
	if err == nil && number(string(d[17:19])) == leapSecond {
		return invalid(KindDatetime, string(d), "has the second 60: servers do not accept leap seconds")
	}
	return err
}

const leapSecond = 60

// Time returns the time in its own time zone, or an *Error if it is not valid. Units below a
// nanosecond are cut off. A leap second, which old data may have in any minute, becomes the first
// second of the next minute.
func (d Datetime) Time() (time.Time, error) { return d.parse() }

// LenientTime is Time for other forms that real records contain: a time without a time zone (read
// as UTC), with -00:00, +0000 or +00, with a space or a lower-case t instead of T, with a
// lower-case z, with a decimal comma, without seconds, or a date alone. Use it for reading only:
// servers refuse these forms when they are written.
func (d Datetime) LenientTime() (time.Time, error) {
	t, err := d.parse()
	if err == nil {
		return t, nil
	}
	if tidied, ok := tidy(string(d)); ok {
		if t, tidiedErr := Datetime(tidied).parse(); tidiedErr == nil {
			return t, nil
		}
	}
	return time.Time{}, err
}

// tidy converts a time in another spelling to the form of a Datetime.
func tidy(s string) (string, bool) {
	const date, minutes, seconds = "dddd-dd-dd", "dddd-dd-ddTdd:dd", "dddd-dd-ddTdd:dd:dd"
	if len(s) > maxDatetime || !hasForm(s, date) {
		return "", false
	}
	if len(s) == len(date) {
		return s + "T00:00:00Z", true
	}
	if c := s[len(date)]; c != 'T' && c != 't' && c != ' ' {
		return "", false
	}
	s = s[:len(date)] + "T" + s[len(date)+1:]
	if !hasForm(s, minutes) {
		return "", false
	}
	if !hasForm(s, seconds) {
		s = s[:len(minutes)] + ":00" + s[len(minutes):]
	}
	if len(s) > len(seconds) && s[len(seconds)] == ',' {
		s = s[:len(seconds)] + "." + s[len(seconds)+1:]
	}
	end := len(seconds)
	for end < len(s) && (s[end] == '.' || isDigit(s[end])) {
		end++
	}
	moment, zone := s[:end], strings.TrimPrefix(s[end:], " ")
	switch {
	case zone == "", zone == "z":
		zone = "Z"
	case len(zone) == 3 && (hasForm(zone, "+dd") || hasForm(zone, "-dd")):
		zone += ":00"
	case len(zone) == 5 && (hasForm(zone, "+dddd") || hasForm(zone, "-dddd")):
		zone = zone[:3] + ":" + zone[3:]
	}
	if zone == "-00:00" {
		zone = "Z"
	}
	return moment + zone, true
}

func (d Datetime) parse() (time.Time, error) {
	s := string(d)
	bad := func(reason string) (time.Time, error) { return time.Time{}, invalid(KindDatetime, s, reason) }
	if len(s) > maxDatetime {
		return bad("is longer than 64 characters")
	}
	const form = "dddd-dd-ddTdd:dd:dd"
	if !hasForm(s, form) {
		return bad("does not start like 2006-01-02T15:04:05")
	}
	year, month, day := number(s[0:4]), number(s[5:7]), number(s[8:10])
	hour, minute, second := number(s[11:13]), number(s[14:16]), number(s[17:19])
	rest := s[len(form):]

	nanos := 0
	if rest != "" && rest[0] == '.' {
		digits := 1
		for digits < len(rest) && isDigit(rest[digits]) {
			if digits <= 9 {
				nanos = nanos*10 + int(rest[digits]-'0')
			}
			digits++
		}
		if digits == 1 {
			return bad("has a point without digits after it")
		}
		for i := digits; i <= 9; i++ {
			nanos *= 10
		}
		rest = rest[digits:]
	}

	zone := time.UTC
	switch {
	case rest == "Z":
	case hasForm(rest, "+dd:dd") && len(rest) == 6, hasForm(rest, "-dd:dd") && len(rest) == 6:
		hours, minutes := number(rest[1:3]), number(rest[4:6])
		if hours > 23 || minutes > 59 {
			return bad("has a time zone that does not exist")
		}
		offset := hours*3600 + minutes*60
		if rest[0] == '-' {
			if offset == 0 {
				return bad("has the time zone -00:00")
			}
			offset = -offset
		}
		if offset != 0 {
			zone = time.FixedZone("", offset)
		}
	case rest == "":
		return bad("has no time zone")
	default:
		return bad("does not end with a fraction and a time zone")
	}

	if month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > leapSecond {
		return bad("has a month, day, hour, minute or second that does not exist")
	}
	if time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Day() != day {
		return bad("has a day that its month does not have")
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, nanos, zone)
	if t.UTC().Year() < 0 {
		return bad("is before the year 0")
	}
	return t, nil
}

// hasForm reports whether s starts with form, where d means a digit.
func hasForm(s, form string) bool {
	if len(s) < len(form) {
		return false
	}
	for i := range len(form) {
		if form[i] == 'd' {
			if !isDigit(s[i]) {
				return false
			}
		} else if s[i] != form[i] {
			return false
		}
	}
	return true
}

func number(digits string) int {
	n := 0
	for i := range len(digits) {
		n = n*10 + int(digits[i]-'0')
	}
	return n
}
