package cidform

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

const (
	right  = "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"
	digest = "65062a5a5a00fc16d73c6944237ccbc15b1c4a7234489336891d091741a239d0"
)

func TestCheck(t *testing.T) {
	for _, tt := range []struct{ name, hex, want string }{
		{"by SHA-256", "01711220" + digest, ""},
		{"by a hash that is not known here", "01711e03aabbcc", ""},
		{"by SHA-512", "01711340" + digest + digest, ""},
		{"with an empty digest of the identity", "01550000", ""},
		{"codec of two bytes", "0180011220" + digest, ""},
		{"empty", "", "is not a CID of version 1"},
		{"version 0", "1220" + digest, "is not a CID of version 1"},
		{"version 2", "02711220" + digest, "is not a CID of version 1"},
		{"too long", "01711e6f" + strings.Repeat("00", 0x6f), "is not a CID of version 1"},
		{"a digest too short", "01711220" + digest[2:], "is a CID with a digest of another length than it says"},
		{"a digest too long", "01711220" + digest + "00", "is a CID with a digest of another length than it says"},
		{"SHA-256 of 31 bytes", "0171121f" + digest[2:], "is a CID with a digest of another length than SHA-256 has"},
		{"a codec not in its shortest form", "01f1001220" + digest, "is a CID with a malformed number"},
		{"a number without an end", "0171128080", "is a CID with a malformed number"},
		{"a number beyond 64 bits", "01" + strings.Repeat("ff", 10) + "1220" + digest, "is a CID with a malformed number"},
	} {
		t.Run("P90 "+tt.name, func(t *testing.T) {
			b, err := hex.DecodeString(tt.hex)
			if err != nil {
				t.Fatal(err)
			}
			if got := Check(b); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
			if tt.want != "" || len(b) == 0 {
				return
			}
			text := string(AppendText(nil, b))
			if back, wrong := Append([]byte("x"), text); wrong != "" || string(back) != "x"+string(b) {
				t.Errorf("%s is %x, %s", text, back, wrong)
			}
		})
	}
}

func TestAppend(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"right", right, ""},
		{"empty", "", "is empty"},
		{"the prefix alone", "b", "is not a CID of version 1"},
		{"another base", "zdj7WhuEjrB52m1BisYCtmjH1hSKa7yZ3jEZ9JcXaFRD51wVz", "is not a CID in base32"},
		{"in capitals", strings.ToUpper(right), "is not a CID in base32"},
		{"a capital", right[:20] + "A" + right[21:], "is not a CID in base32"},
		{"a digit that base32 has not", right[:20] + "1" + right[21:], "is not a CID in base32"},
		{"padded", right + "=", "is not a CID in base32"},
		{"a line break", right[:20] + "\n" + right[20:], "is not a CID in base32"},
		{"far too long", "b" + strings.Repeat("a", 1000), "is not a CID in base32"},
		{"spare bits", right[:len(right)-1] + "b", "is a CID in base32 with bits behind its end"},
		{"a character that adds nothing", right + "a", "is a CID in base32 with bits behind its end"},
		{"cut short", right[:len(right)-3], "is a CID in base32 with bits behind its end"},
		{"cut short by whole bytes", right[:len(right)-8], "is a CID with a digest of another length than it says"},
	} {
		t.Run("P90 "+tt.name, func(t *testing.T) {
			if b, wrong := Append(nil, tt.text); wrong != tt.want {
				t.Errorf("%x, %q, want %q", b, wrong, tt.want)
			}
		})
	}
}

// A CID has one text.
func FuzzAppend(f *testing.F) {
	for _, seed := range []string{right, right[:len(right)-1] + "b", "b", "bafy", "bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		b, wrong := Append([]byte("before"), text)
		if !bytes.HasPrefix(b, []byte("before")) {
			t.Fatalf("what was there became %q", b)
		}
		if wrong == "" && string(AppendText(nil, b[len("before"):])) != text {
			t.Errorf("%s is %x, and that is %s", text, b, AppendText(nil, b[len("before"):]))
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	buffer := make([]byte, 0, MaxSize)
	for b.Loop() {
		if _, wrong := Append(buffer, right); wrong != "" {
			b.Fatal(wrong)
		}
	}
}
