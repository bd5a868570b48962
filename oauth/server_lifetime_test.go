package oauth

import (
	"strings"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/internal/token"
)

func TestLifetimesInEverySpelling(t *testing.T) {
	const cap = 30 * 24 * time.Hour
	for said, want := range map[string]time.Duration{
		`3600`: time.Hour, `3600.0`: time.Hour, `3.6e3`: time.Hour, `36E+2`: time.Hour, `3600000e-3`: time.Hour,
		`3599.84`: 3599*time.Second + 840*time.Millisecond, `0.5`: 500 * time.Millisecond, `1`: time.Second,
		`"3600"`: time.Hour, `" 3600 "`: time.Hour, `"3.6e3"`: time.Hour, `"3\u0036" `: 36 * time.Second,
		`2592000`: cap, `2592000.5`: cap, `2592001`: cap, `1e30`: cap, `"1e30"`: cap, `1e308`: cap, `1e309`: cap, `1e99999999999999999999`: cap,
		`4294967297`: cap, `9223372036`: cap, `9223372036854775807`: cap, `9223372036854775808`: cap, strings.Repeat("9", 100_000): cap,
		`0`: 0, `0.0`: 0, `-0`: 0, `-1`: 0, `-1e30`: 0, `-1e309`: 0, `1e-30`: 0, `1e-400`: 0, `"0"`: 0, `"-5"`: 0,
		``: 0, `null`: 0, `true`: 0, `false`: 0, `{}`: 0, `[]`: 0, `[3600]`: 0, `{"a":3600}`: 0,
		`""`: 0, `" "`: 0, `"soon"`: 0, `"3600s"`: 0, `"1h"`: 0, `"inf"`: 0, `"+Inf"`: 0, `"NaN"`: 0, `"0x10"`: 0, `"1_000"`: 0, `"null"`: 0, `"\"3600\""`: 0,
		`"3600 3600"`: 0, `"\u0000"`: 0, `"3600`: 0,
	} {
		name := said
		if len(name) > 40 {
			name = name[:40]
		}
		t.Run("P61 O81 "+name, func(t *testing.T) {
			if got := readLifetime([]byte(said)); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestTokensWithoutARefreshTokenAreNeverDue(t *testing.T) {
	t.Run("O82 never without a refresh token", func(t *testing.T) {
		now := time.Unix(1_800_000_000, 0)
		tokens := tokenSet{Access: "a", Life: token.Life{IssuedAt: now.Add(-time.Hour), ExpiresAt: now}}
		if tokens.isDue(now, 1) {
			t.Error("they are")
		}
		if tokens.Refresh = "r"; !tokens.isDue(now, 1) {
			t.Error("nor with one")
		}
	})
}
