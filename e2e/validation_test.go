package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/e2e/realpds"
	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/internal/scenario"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A post of these fields, which stand for those of a good one. An empty value leaves a field out.
func postWith(t testing.TB, fields map[string]string) lex.Unknown {
	t.Helper()
	all := map[string]string{"$type": `"app.bsky.feed.post"`, "text": `"x"`, "createdAt": `"2026-01-02T03:04:05.006Z"`}
	for name, value := range fields {
		all[name] = value
	}
	var parts []string
	for name, value := range all {
		if value != "" {
			parts = append(parts, fmt.Sprintf("%q:%s", name, value))
		}
	}
	sort.Strings(parts)
	record, err := lex.Raw([]byte("{" + strings.Join(parts, ",") + "}"))
	if err != nil {
		t.Fatalf("%s: %v", parts, err)
	}
	return record
}

func quoted(text string) string {
	data, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string is JSON
	}
	return string(data)
}

// What our validation says of a record, and what the real server says of it, are the same. Where they are not, the
// difference is named here with its reason.
func TestValidationBesideTheServer(t *testing.T) {
	ctx := t.Context()
	server := realpds.Start(t)
	session := scenario.Login(t, server, scenario.NewClient(t, server), server.Environment().Account("alice"))
	repo := comatproto.NewClient(session).Repo

	serverTakes := func(t *testing.T, record lex.Unknown) bool {
		t.Helper()
		_, err := repo.CreateRecord(ctx, &comatproto.RepoCreateRecordInput{
			Repo: syntax.AtIdentifier(session.DID()), Collection: appbsky.FeedPostNSID, Record: record, Validate: new(true),
		})
		if e, ok := errors.AsType[*xrpc.Error](err); ok && e.Status == http.StatusBadRequest {
			return false
		}
		if err != nil {
			t.Fatal(err)
		}
		return true
	}
	weTake := func(record lex.Unknown) bool {
		post, err := lex.As[appbsky.FeedPost](record)
		return err == nil && lex.Validate(post, lex.Strict) == nil
	}

	for script, sample := range map[string]string{
		"Latin": "Zürich naïve e\u0301a\u0308", "Bengali": "ক্ষমা বাংলা র\u200d্যাব", "Hindi": "नमस्ते क्षत्रिय ज्ञान", "Malayalam": "മലയാളം ക്ഷമ സ്ത്രീ",
		"Telugu": "తెలుగు స్త్రీ క్షమ", "Gujarati": "ગુજરાતી ક્ષમા સ્ત્રી", "Odia": "ଓଡ଼ିଆ କ୍ଷମା", "Tamil": "தமிழ் க்ஷ ஸ்ரீ", "Kannada": "ಕನ್ನಡ ಕ್ಷಮೆ ಸ್ತ್ರೀ",
		"Punjabi": "ਪੰਜਾਬੀ ਸ੍ਰੀ", "Sinhala": "සිංහල ක්\u200dෂ ශ්\u200dරී", "Thai": "ภาษาไทย น้ำ กำ", "Lao": "ພາສາລາວ ນ້ຳ", "Khmer": "ភាសាខ្មែរ ស្ត្រី",
		"Burmese": "မြန်မာဘာသာ က္က", "Tibetan": "བོད་སྐད་ རྒྱལ", "Korean": "한국어 각 \u1112\u1161\u11ab", "Japanese": "日本語 が か\u3099",
		"Arabic": "العَرَبِيَّة", "Hebrew": "עִבְרִית", "Emoji": "👨\u200d👩\u200d👧\u200d👦🇩🇪👍🏽1\ufe0f\u20e3🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
	} {
		t.Run("P89 L14 graphemes of "+script, func(t *testing.T) {
			// As many letters behind the sample as our count allows: the server has to find the same end.
			text := func(letters int) lex.Unknown {
				return postWith(t, map[string]string{"text": quoted(sample + " " + strings.Repeat("x", letters))})
			}
			letters := sort.Search(301, func(n int) bool { return !weTake(text(n)) }) - 1
			if letters < 200 {
				t.Fatalf("only %d letters fit behind it", letters)
			}
			if !serverTakes(t, text(letters)) || serverTakes(t, text(letters+1)) {
				t.Errorf("the server does not stop at %d letters", letters)
			}
		})
	}

	for name, tt := range map[string]struct {
		field  string
		values []string
		// differs are values of which we and the server think differently, and why that stays.
		differs map[string]string
	}{
		"P89 L39 times": {"createdAt", []string{
			`"2026-01-02T03:04:05.006Z"`, `"2026-01-02T03:04:05Z"`, `"2026-01-02T03:04:05.1234567Z"`, `"2026-01-02T03:04:05+01:00"`, `"2026-01-02T03:04:05-07:30"`,
			`"2026-01-02T03:04:05-00:00"`, `"2026-01-02T03:04:05+0100"`, `"2026-01-02T03:04:05"`, `"2026-01-02 03:04:05Z"`, `"2026-01-02t03:04:05Z"`, `"2026-01-02T03:04:05z"`,
			`"2026-01-02T03:04Z"`, `"2026-01-02"`, `"2026-1-2T03:04:05Z"`, `"2026-13-02T03:04:05Z"`, `"2026-02-30T03:04:05Z"`, `"2026-01-02T25:04:05Z"`, `"2016-12-31T23:59:60Z"`,
			`"0000-01-01T00:00:00Z"`, `"0001-01-01T00:00:00Z"`, `"-001-01-01T00:00:00Z"`, `"9999-12-31T23:59:59Z"`, `"12026-01-02T03:04:05Z"`, `""`, `"yesterday"`, `1767323045`, ``,
		}, map[string]string{
			`"2026-02-30T03:04:05Z"`: "JavaScript makes the 2nd of March of it; no such day exists, and other readers refuse it",
		}},
		"P89 P35 integers": {"facets", facetsFrom(
			"0", "1", "-1", "-0", "9007199254740991", "9007199254740992", "9223372036854775807", "1.0", "1e3", `"1"`, "true", "null",
		), map[string]string{}},
		"P89 L40 language tags": {"langs", []string{
			`["en"]`, `["en-US"]`, `["EN-us"]`, `["zh-Hant-TW"]`, `["de-1996"]`, `["sr-Latn-RS"]`, `["es-419"]`, `["i-klingon"]`, `["i-navajo"]`, `["x-private"]`, `["en-x-private"]`,
			`["sgn-BE-FR"]`, `["qaa"]`, `["en_US"]`, `["e"]`, `["english"]`, `["123"]`, `[""]`, `["en-"]`, `["-en"]`, `["en us"]`, `["ja","en","fr"]`, `["ja","en","fr","de"]`, `[]`, `["a-DE"]`, `["en-a"]`, `["en-GB-oed"]`,
		}, map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			differences := make(map[string]string)
			for _, value := range tt.values {
				record := postWith(t, map[string]string{tt.field: value})
				if ours, theirs := weTake(record), serverTakes(t, record); ours != theirs {
					differences[value] = fmt.Sprintf("we: %v, the server: %v", ours, theirs)
				}
			}
			for value := range tt.differs {
				if _, ok := differences[value]; !ok {
					t.Errorf("%s is no difference any more", value)
				}
				delete(differences, value)
			}
			if diff := cmp.Diff(map[string]string{}, differences); diff != "" {
				t.Errorf("differences without a reason:\n%s", diff)
			}
		})
	}
}

// facetsFrom returns lists of a facet whose byteStart is each of some values.
func facetsFrom(values ...string) []string {
	var lists []string
	for _, value := range values {
		lists = append(lists, `[{"index":{"byteStart":`+value+`,"byteEnd":1},"features":[]}]`)
	}
	return lists
}
