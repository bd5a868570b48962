package lex

import (
	"strings"
	"testing"
)

// Graphemes of 21 scripts, as Intl.Segmenter of Node counts them (Unicode 17), which the
// reference server does it by.
func TestGraphemes(t *testing.T) {
	for _, tt := range []struct {
		script, text string
		want         int
	}{
		{"Latin", "Zürich naïve e\u0301a\u0308", 15},
		{"Bengali", "ক্ষমা বাংলা র\u200d্যাব", 8},
		{"Hindi", "नमस्ते क्षत्रिय ज्ञान", 10},
		{"Malayalam", "മലയാളം ക്ഷമ സ്ത്രീ", 9},
		{"Telugu", "తెలుగు స్త్రీ క్షమ", 8},
		{"Gujarati", "ગુજરાતી ક્ષમા સ્ત્રી", 9},
		{"Odia", "ଓଡ଼ିଆ କ୍ଷମା", 6},
		{"Tamil", "தமிழ் க்ஷ ஸ்ரீ", 9},
		{"Kannada", "ಕನ್ನಡ ಕ್ಷಮೆ ಸ್ತ್ರೀ", 12},
		{"Punjabi", "ਪੰਜਾਬੀ ਸ੍ਰੀ", 6},
		{"Sinhala", "සිංහල ක්\u200dෂ ශ්\u200dරී", 9},
		{"Thai", "ภาษาไทย น้ำ กำ", 11},
		{"Lao", "ພາສາລາວ ນ້ຳ", 9},
		{"Khmer", "ភាសាខ្មែរ ស្ត្រី", 6},
		{"Burmese", "မြန်မာဘာသာ က္က", 10},
		{"Tibetan", "བོད་སྐད་ རྒྱལ", 9},
		{"Korean", "한국어 각 \u1112\u1161\u11ab", 7},
		{"Japanese", "日本語 が か\u3099", 7},
		{"Arabic", "العَرَبِيَّة", 7},
		{"Hebrew", "עִבְרִית", 5},
		{"Emoji", "👨\u200d👩\u200d👧\u200d👦🇩🇪👍🏽1\ufe0f\u20e3🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", 5},
	} {
		t.Run("P89 L14 "+tt.script, func(t *testing.T) {
			if got := countGraphemes(tt.text); got != tt.want {
				t.Errorf("%d graphemes, want %d", got, tt.want)
			}
			var v Validator
			v.MaxGraphemes(tt.text, tt.want).MinGraphemes(tt.text, tt.want)
			if len(v.violations) > 0 {
				t.Errorf("%v", v.violations)
			}
			if v.MaxGraphemes(tt.text, tt.want-1).MinGraphemes(tt.text, tt.want+1); len(v.violations) != 2 {
				t.Errorf("%v", v.violations)
			}
		})
	}
}

func TestIntegersThatServersTake(t *testing.T) {
	const largest = 1<<53 - 1
	for _, tt := range []struct {
		name            string
		n               int64
		strict, lenient int // violations
	}{
		{"the largest", largest, 0, 0}, {"the smallest", -largest, 0, 0}, {"zero", 0, 0, 0},
		{"one more than the largest", largest + 1, 1, 0}, {"one less than the smallest", -largest - 1, 1, 0},
	} {
		t.Run("P89 P35 "+tt.name, func(t *testing.T) {
			for mode, want := range map[Mode]int{Strict: tt.strict, Lenient: tt.lenient} {
				v := Validator{mode: mode}
				if v.Int(tt.n); len(v.violations) != want {
					t.Errorf("mode %d: %v", mode, v.violations)
				}
			}
		})
	}
	t.Run("P89 P35 within what no lexicon has", func(t *testing.T) {
		for number, want := range map[string]string{"9007199254740991": "", "9007199254740992": "a[0].b: 9007199254740992 has more than 53 bits"} {
			u, err := Raw([]byte(`{"a":[{"b":` + number + `}]}`)) // it is exact
			if err != nil {
				t.Fatal(err)
			}
			var v Validator
			v.Unknown(u)
			got := ""
			if len(v.violations) > 0 {
				got = v.violations[0].String()
			}
			if got != want || !strings.Contains(string(u.json), number) {
				t.Errorf("%s: got %q", number, got)
			}
		}
	})
}
