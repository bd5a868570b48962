package identity_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// spellings are ways to write the handle alice.example that people type, and that apps,
// browsers and keyboards make of it when it is copied.
var spellings = map[string]string{
	"as it is":                             "alice.example",
	"capitals":                             "ALICE.EXAMPLE",
	"a capital, from a phone":              "Alice.example",
	"mixed":                                "aLiCe.ExAmple",
	"an @":                                 "@alice.example",
	"an @ and capitals":                    "@Alice.Example",
	"an @ and a space behind":              "@ alice.example",
	"spaces around":                        "  alice.example  ",
	"a space behind, from a phone":         "alice.example ",
	"a tab":                                "\talice.example",
	"a line":                               "alice.example\n",
	"a line of Windows":                    "alice.example\r\n",
	"a trailing dot":                       "alice.example.",
	"a trailing slash":                     "alice.example/",
	"a trailing dot and slash":             "alice.example./",
	"a no-break space":                     "\u00a0alice.example\u00a0",
	"an ideographic space":                 "alice.example\u3000",
	"a line separator":                     "alice.example\u2028",
	"embedding, as a profile page has it":  "\u202aalice.example\u202c",
	"embedding behind the @":               "@\u202aalice.example\u202c",
	"embedding before the @":               "\u202a@alice.example\u202c",
	"right-to-left embedding":              "\u202balice.example\u202c",
	"left-to-right override":               "\u202dalice.example\u202c",
	"left-to-right isolate":                "\u2066alice.example\u2069",
	"right-to-left isolate":                "\u2067alice.example\u2069",
	"first-strong isolate behind the @":    "@\u2068alice.example\u2069",
	"a zero-width space":                   "\u200balice.example",
	"a zero-width non-joiner":              "alice.example\u200c",
	"a zero-width joiner":                  "alice.example\u200d",
	"marks of direction":                   "\u200ealice.example\u200f",
	"a byte order mark":                    "\ufeffalice.example",
	"a byte order mark behind the @":       "@\ufeffalice.example",
	"a word joiner":                        "\u2060alice.example\u2060",
	"a soft hyphen":                        "alice.example\u00ad",
	"an Arabic mark":                       "\u061calice.example",
	"a variation selector":                 "@\ufe0falice.example",
	"a filler":                             "\u3164alice.example",
	"several, with spaces between":         "\u202a \u200b@\u2068 alice.example \u2069\u202c\n",
	"the end of an embedding and a slash":  "alice.example\u202c/",
	"a NUL":                                "alice.example\x00",
	"an at:// URI":                         "at://alice.example",
	"an at:// URI in capitals":             "AT://Alice.Example",
	"an at:// URI with a slash":            "at://alice.example/",
	"an at:// URI of a record":             "at://alice.example/app.bsky.feed.post/3jui7kd54zh2y",
	"an at:// URI with an @":               "at://@alice.example",
	"a profile":                            "https://bsky.app/profile/alice.example",
	"a profile in capitals":                "HTTPS://BSKY.APP/profile/Alice.Example",
	"a profile with a slash":               "https://bsky.app/profile/alice.example/",
	"a profile by http":                    "http://bsky.app/profile/alice.example",
	"a profile with www":                   "https://www.bsky.app/profile/alice.example",
	"a profile without a scheme":           "bsky.app/profile/alice.example",
	"a profile with a query":               "https://bsky.app/profile/alice.example?lang=en#top",
	"a profile with an @":                  "https://bsky.app/profile/@alice.example",
	"a post":                               "https://bsky.app/profile/alice.example/post/3jui7kd54zh2y",
	"a profile with invisible characters":  "\u2068https://bsky.app/profile/alice.example\u2069",
	"a profile with marks in its path":     "https://bsky.app/profile/%E2%80%AAalice.example%E2%80%AC",
	"a profile with a percent in the path": "https://bsky.app/profile/alice%2Eexample",
}

func TestParseTypedHandles(t *testing.T) {
	if len(spellings) < 41 {
		t.Fatalf("only %d spellings", len(spellings))
	}
	want := identity.Typed{Account: "alice.example"}
	for name, typed := range spellings {
		t.Run("P64 P65 "+name, func(t *testing.T) {
			got, err := identity.ParseTyped(typed)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%q: %v %s", typed, err, diff)
			}
			if strings.Trim(typed, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.") != "" || strings.HasSuffix(typed, ".") {
				if _, err := syntax.ParseHandle(typed); err == nil {
					t.Error("the strict syntax takes it, too")
				}
			}
		})
	}
}

func TestParseTypedOthers(t *testing.T) {
	const plc = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"
	for typed, want := range map[string]identity.Typed{
		"":                                      {},
		" \t\r\n":                               {},
		"\u200b\u202c":                          {},
		plc:                                     {Account: plc},
		" " + plc + "\u202c":                    {Account: plc},
		"@\u202a" + plc + "\u202c/":             {Account: plc},
		"@" + plc:                               {Account: plc},
		"DID:PLC:EWVI7NXZYOUN6ZHXRHS64OIZ":      {Account: plc},
		plc + "/":                               {Account: plc},
		plc + ".":                               {Account: plc},
		"at://" + plc:                           {Account: plc},
		"at://" + plc + "/app.bsky.feed.post/x": {Account: plc},
		"https://bsky.app/profile/" + plc:       {Account: plc},
		"https://bsky.app/profile/did%3Aplc%3Aewvi7nxzyoun6zhxrhs64oiz": {Account: plc},
		"did:web:alice.example":      {Account: "did:web:alice.example"},
		"DID:Web:alice.example":      {Account: "did:web:alice.example"},
		"https://pds.example":        {Server: "https://pds.example"},
		"https://PDS.example/":       {Server: "https://pds.example"},
		"HTTPS://pds.example:443":    {Server: "https://pds.example"},
		"\u202ahttps://pds.example":  {Server: "https://pds.example"},
		"https://pds.example:8443/":  {Server: "https://pds.example:8443"},
		"http://localhost:2583":      {Server: "http://localhost:2583"},
		"https://[2001:db8::1]:3000": {Server: "https://[2001:db8::1]:3000"},
	} {
		t.Run("P65 "+typed, func(t *testing.T) {
			got, err := identity.ParseTyped(typed)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%v %s", err, diff)
			}
		})
	}
}

func TestParseTypedRefusals(t *testing.T) {
	for _, tt := range []struct {
		typed string
		kind  error
		says  []string // of the message: what is wrong, and what to type
	}{
		{"alice", identity.ErrInvalidHandle, []string{"first part", "alice.bsky.social"}},
		{"@alice", identity.ErrInvalidHandle, []string{"first part", "alice.bsky.social"}},
		{"ALICE", identity.ErrInvalidHandle, []string{"type the whole of it, such as alice.bsky.social"}},
		{"@", identity.ErrInvalidHandle, []string{"names nobody", "type a handle"}},
		{"at://", identity.ErrInvalidHandle, []string{"names nobody"}},
		{"alice@example.com", identity.ErrInvalidHandle, []string{"e-mail", "type the handle"}},
		{"Alice.Smith+x@mail.example.com", identity.ErrInvalidHandle, []string{"e-mail"}},
		{"@alice@mastodon.example", identity.ErrInvalidHandle, []string{"another network", "type the handle"}},
		{"acct:alice@mastodon.example", identity.ErrInvalidHandle, []string{"another network"}},
		{"@@alice.example", identity.ErrInvalidHandle, []string{"'@'", "alice.example"}},
		{"Alice Smith", identity.ErrInvalidHandle, []string{"space", "not the name that is shown"}},
		{"alice .example", identity.ErrInvalidHandle, []string{"space"}},
		{"alice\u00a0.example", identity.ErrInvalidHandle, []string{"space", "U+00A0"}},
		{"Alice (@alice.example)", identity.ErrInvalidHandle, []string{"space", "if you mean alice.example, type that alone"}},
		{"alice.example, bob.example", identity.ErrInvalidHandle, []string{"type a handle"}},
		{"\"alice.example\"", identity.ErrInvalidHandle, []string{"if you mean alice.example"}},
		{"<alice.example>", identity.ErrInvalidHandle, []string{"if you mean alice.example"}},
		{"alice_smith.bsky.social", identity.ErrInvalidHandle, []string{"underscore"}},
		{"alice..example", identity.ErrInvalidHandle, []string{"empty part"}},
		{"-alice.example", identity.ErrInvalidHandle, []string{"hyphen"}},
		{"alice.123", identity.ErrInvalidHandle, []string{"does not start with a letter"}},
		{"127.0.0.1", identity.ErrInvalidHandle, []string{"does not start with a letter"}},
		{"alice.bsky.soc…", identity.ErrInvalidHandle, []string{"cut off"}},
		{"handle.invalid", identity.ErrReservedTLD, []string{"DID"}},
		{"pds.example:3000", identity.ErrInvalidHandle, []string{"https://pds.example:3000"}},
		{"alice.example/path", identity.ErrInvalidHandle, []string{"'/'", "if you mean alice.example"}},

		{"alice\u200b.example", identity.ErrInvalidHandle, []string{"alice<U+200B>.example", "invisible", "by hand"}},
		{"al\u202aice.example", identity.ErrInvalidHandle, []string{"al<U+202A>ice.example", "invisible character in it, U+202A"}},
		{"alice.ex\u2066am\u2069ple", identity.ErrInvalidHandle, []string{"U+2066", "U+2069"}},
		{"alice\ufeff.example", identity.ErrInvalidHandle, []string{"U+FEFF"}},
		{"ali\u00adce.example", identity.ErrInvalidHandle, []string{"U+00AD"}},
		{"alice\u2060.example", identity.ErrInvalidHandle, []string{"U+2060"}},
		{"al\u034fice.example", identity.ErrInvalidHandle, []string{"U+034F"}},
		{"ali\x00ce.example", identity.ErrInvalidHandle, []string{"U+0000"}},
		{"\u202eelpmaxe.ecila", identity.ErrInvalidHandle, []string{"U+202E"}},
		{"alice.example\u202e", identity.ErrInvalidHandle, []string{"U+202E"}},
		{"alice.\xffexample", identity.ErrInvalidHandle, []string{"<0xff>", "not a character"}},
		{"at://al\u200bice.example", identity.ErrInvalidHandle, []string{"U+200B"}},
		{"https://bsky.app/profile/al\u200bice.example", identity.ErrInvalidHandle, []string{"U+200B"}},
		{"\u0430lice.example", identity.ErrInvalidHandle, []string{"U+0430", "letters a to z"}},
		{"al\u0131ce.example", identity.ErrInvalidHandle, []string{"U+0131"}},
		{"\u212alice.example", identity.ErrInvalidHandle, []string{"U+212A"}}, // the Kelvin sign, a k in lower case
		{"alice\u3002example", identity.ErrInvalidHandle, []string{"U+3002", "alice.example"}},
		{"\uff20alice.example", identity.ErrInvalidHandle, []string{"U+FF20", "alice.example"}},
		{"\uff41\uff4c\uff49\uff43\uff45.example", identity.ErrInvalidHandle, []string{"U+FF41", "if you mean alice.example"}},
		{"\u2024alice.example", identity.ErrInvalidHandle, []string{"U+2024"}},
		{"“alice.example”", identity.ErrInvalidHandle, []string{"U+201C", "if you mean alice.example"}},
		{"alice’s.example", identity.ErrInvalidHandle, []string{"U+2019"}},
		{"ålice.example", identity.ErrInvalidHandle, []string{"U+00E5", "xn--"}},

		{"did:plc:ewvi7nxz youn6zhxrhs64oiz", identity.ErrInvalidDID, []string{"a space", "copy the whole DID"}},
		{"did:plc:ewvi\u200b7nxzyoun6zhxrhs64oiz", identity.ErrInvalidDID, []string{"U+200B"}},
		{"did:plc", identity.ErrInvalidDID, []string{"copy the whole DID"}},
		{"did:", identity.ErrInvalidDID, []string{"copy the whole DID"}},
		{"did:plc:ewvi7nxzyoun6zhxrhs64oiz/app.bsky.feed.post", identity.ErrInvalidDID, []string{"'/'"}},

		{"https://mastodon.example/@alice", identity.ErrInvalidService, []string{"more than scheme, host and port", "https://mastodon.example for the server"}},
		{"https://other.example/profile/alice.example", identity.ErrInvalidService, []string{"if you mean alice.example"}},
		{"https://bsky.app", identity.ErrInvalidService, []string{"not a server to log in at", "address of your profile"}},
		{"https://bsky.app/profile/", identity.ErrInvalidService, []string{"not a server to log in at"}},
		{"https://bsky.app/settings", identity.ErrInvalidService, []string{"not a server to log in at"}},
		{"https://user:secret@pds.example", identity.ErrInvalidService, []string{"credentials"}},
		{"https://pds.exаmple", identity.ErrInvalidService, []string{"U+0430", "by hand"}},
		{"https://pds\u200b.example", identity.ErrInvalidService, []string{"U+200B"}},
		{"https://", identity.ErrInvalidService, []string{"not a URL"}},
		{"https://pds.example:port", identity.ErrInvalidService, []string{"not a URL"}},
		{"ftp://alice.example", identity.ErrInvalidService, []string{"neither an https URL", "if you mean alice.example"}},
		{"web+at://alice.example", identity.ErrInvalidService, []string{"if you mean alice.example"}},
		{strings.Repeat("a.", 2000) + "example", identity.ErrInvalidHandle, []string{"4007 bytes", "type a handle"}},
		{"did:web:" + strings.Repeat("a", 2048), identity.ErrInvalidHandle, []string{"bytes"}},
	} {
		t.Run("P64 P65 "+tt.typed[:min(len(tt.typed), 60)], func(t *testing.T) {
			got, err := identity.ParseTyped(tt.typed)
			if got != (identity.Typed{}) || !errors.Is(err, tt.kind) {
				t.Fatalf("got %+v, %v", got, err)
			}
			input, ok := errors.AsType[*identity.InputError](err)
			if !ok || input.Input == "" || input.Reason == "" || input.Advice == "" {
				t.Errorf("got %#v", input)
			}
			message := err.Error()
			for _, part := range tt.says {
				if !strings.Contains(message, part) {
					t.Errorf("%q does not say %q", message, part)
				}
			}
			if len(message) > 600 || strings.ContainsFunc(message, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("the message is not fit to be shown: %q", message)
			}
			if strings.Contains(message, "secret") {
				t.Errorf("%q tells a password", message)
			}
		})
	}
}

func FuzzParseTyped(f *testing.F) {
	for _, typed := range spellings {
		f.Add(typed)
	}
	f.Add("https://pds.example:8443")
	f.Fuzz(func(t *testing.T, typed string) {
		got, err := identity.ParseTyped(typed)
		if err != nil {
			if message := err.Error(); len(message) > 1000 || strings.ContainsFunc(message, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q", message)
			}
			return
		}
		for _, again := range []string{string(got.Account), got.Server} {
			if same, err := identity.ParseTyped(again); again != "" && (err != nil || same != got) {
				t.Errorf("%q is understood as %+v, and that as %+v, %v", typed, got, same, err)
			}
		}
		if got.Account != "" && got.Account.Validate() != nil {
			t.Errorf("%q is no identifier", got.Account)
		}
	})
}
