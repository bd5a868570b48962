package syntax_test

import (
	"testing"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// What the reference server says of each, strictly.
func TestLanguagesAsServersTakeThem(t *testing.T) {
	for _, tag := range []string{
		"en", "ja", "pt-BR", "qaa-Latn", "zh-Hant-TW", "zh-yue", "zh-yue-HK", "zh-yue-cmn", "zh-cmn-Hans-CN", "zh-aaa-bbb-ccc", "es-419",
		"sl-rozaj", "sl-rozaj-biske", "de-1901-1996", "de-Latn-DE-1996", "hy-Latn-IT-arevela", "en-1234", "en-1abc", "en-Latn-abcde", "mn-Cyrl-MN",
		"en-a-bbb", "en-a-bb-b-cc", "en-a-bbb-x-a-ccc", "de-DE-u-co-phonebk", "x-private", "x-a-b", "X-abc", "en-x-a", "en-x-12345678",
		"i-klingon", "i-default", "sgn-BE-FR", "en-GB-oed", "art-lojban", "zh-min", "zh-min-nan", "zh-guoyu", "zh-xiang", "no-bok", "cel-gaulish",
	} {
		t.Run("P89 L46 "+tag+" is one", func(t *testing.T) {
			if err := syntax.Language(tag).Validate(); err != nil {
				t.Error(err)
			}
		})
	}
	for _, tag := range []string{
		"", "a", "i", "i-a", "i-nope", "I-KLINGON", "x", "x-", "x-abc-", "x-123456789", "a-b", "abcd", "abcde", "abcdefgh", "abcdefghi", "EN", "eN-us", "ENG", "123",
		"en_US", "en-", "-en", "en--US", "en-12", "en-419-US", "en-us-us", "en-US-Latn", "zh-HK-Hant", "zh-HK-yue", "en-Latn-abcd", "en-abcd-Latn", "zh-aaa-bbb-ccc-ddd",
		"sl-rozaj-rozaj", "de-1996-1996", "en-rozaj-ROZAJ", "en-a-bbb-a-ccc", "en-A-bb-a-cc", "de-u-co-u-xx", "en-a", "en-x", "en-a-b", "en-a-bbb-x",
	} {
		t.Run("P89 L46 "+tag+" is none", func(t *testing.T) {
			if err := syntax.Language(tag).Validate(); err == nil {
				t.Error("it was taken")
			}
		})
	}
}

func TestLeapSeconds(t *testing.T) {
	for _, s := range []syntax.Datetime{"2016-12-31T23:59:60Z", "2026-01-02T03:04:60Z", "2016-12-31T23:59:60.5Z", "2016-12-31T23:59:60+00:00"} {
		t.Run("P89 "+string(s)+" can be read, and not written", func(t *testing.T) {
			if err := s.Validate(); err == nil {
				t.Error("it is valid")
			}
			if at, err := s.Time(); err != nil || at.UTC().Second() != 0 {
				t.Errorf("got %s, %v", at, err)
			}
		})
	}
	t.Run("P89 the second 61 cannot be read either", func(t *testing.T) {
		if at, err := syntax.Datetime("2016-12-31T23:59:61Z").Time(); err == nil {
			t.Errorf("got %s", at)
		}
	})
}
