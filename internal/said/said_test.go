package said

import (
	"strings"
	"testing"
	"unicode"
)

func TestWords(t *testing.T) {
	for in, want := range map[string]string{
		"invalid_grant": "invalid_grant", "InvalidRequest": "InvalidRequest", "a.b-c:d": "a.b-c:d", "": `""`,
		"two words": `"two words"`, "a\nlevel=ERROR": `"a\nlevel=ERROR"`, "\x1b[2J": `"\x1b[2J"`, "x\u202ey": `"x\u202ey"`, "\xff": `"\xff"`,
		`"client_id" mismatch`: `"\"client_id\" mismatch"`,
	} {
		t.Run("P80 "+in, func(t *testing.T) {
			if got := Word(in); got != want {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestAllIsBoundedAndPrints(t *testing.T) {
	for _, in := range []string{
		strings.Repeat("a", 400<<10), strings.Repeat("\n", 400<<10), strings.Repeat("\xff", 400<<10), strings.Repeat("語", 200<<10), "\x1b]0;title\a", "a\r\nb", "\u2028", "\u200f", "\ufeff\x00",
	} {
		for name, write := range map[string]func(string) string{"Word": Word, "Quote": Quote, "Text": Text} {
			t.Run("P80 "+name+" of "+Word(in), func(t *testing.T) {
				got := write(in)
				if len(got) > 5*MaxText || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
					t.Errorf("%d bytes, %q", len(got), got[:min(len(got), 100)])
				}
			})
		}
	}
	t.Run("P80 what prints stays", func(t *testing.T) {
		const text = `oauth: "x\ny": grüße 語 …`
		if got := Text(text); got != text {
			t.Errorf("got %q", got)
		}
	})
}

func TestVisible(t *testing.T) {
	for in, want := range map[string]bool{"abc~!-._": true, "": true, "a b": false, "a\n": false, "é": false, "\x7f": false, "12345678901": false} {
		if got := Visible(in, 10); got != want {
			t.Errorf("P80 %q: got %v", in, got)
		}
	}
}
