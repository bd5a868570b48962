package site

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/records"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// gradient is a picture whose corners are told apart.
func gradient(w, h int) *image.RGBA {
	picture := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			picture.SetRGBA(x, y, color.RGBA{uint8(255 * x / max(1, w-1)), uint8(255 * y / max(1, h-1)), 128, 255})
		}
	}
	return picture
}

// place is what a camera writes beside a picture.
const place = "48.858370N 2.294481E"

// photo is a JPEG as a camera makes it, which says how it lies and where it was taken.
func photo(t *testing.T, w, h, orientation int) []byte {
	t.Helper()
	var plain bytes.Buffer
	if err := jpeg.Encode(&plain, gradient(w, h), &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	// A TIFF with one directory of two entries: orientation, and a text that lies behind it.
	tiff := []byte("MM\x00*\x00\x00\x00\x08\x00\x02")
	tiff = binary.BigEndian.AppendUint16(tiff, 0x010e) // ImageDescription, ASCII
	tiff = binary.BigEndian.AppendUint16(tiff, 2)
	tiff = binary.BigEndian.AppendUint32(tiff, uint32(len(place)+1))
	tiff = binary.BigEndian.AppendUint32(tiff, 8+2+2*12+4)
	tiff = binary.BigEndian.AppendUint16(tiff, 0x0112) // Orientation, SHORT
	tiff = binary.BigEndian.AppendUint16(tiff, 3)
	tiff = binary.BigEndian.AppendUint32(tiff, 1)
	tiff = binary.BigEndian.AppendUint16(tiff, uint16(orientation))
	tiff = append(tiff, 0, 0, 0, 0, 0, 0)
	tiff = append(tiff, place+"\x00"...)
	segment := append([]byte("Exif\x00\x00"), tiff...)
	out := []byte{0xff, 0xd8, 0xff, 0xe1}
	out = binary.BigEndian.AppendUint16(out, uint16(len(segment)+2))
	return append(append(out, segment...), plain.Bytes()[2:]...)
}

// photoFile is a photo in a file.
func photoFile(t *testing.T, w, h int) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "photo.jpg")
	if err := os.WriteFile(name, photo(t, w, h, 1), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

var shown = regexp.MustCompile(`<img src="(/picture/[^"]+)" alt="([^"]*)" width="(\d+)" height="(\d+)">`)

func TestPictures(t *testing.T) {
	t.Run("a photo is shown as it stands, and without the place", func(t *testing.T) {
		v := visit(t).logIn()
		sent := sent{text: "Paris", alt: "A <tower>", name: "a.jpg", picture: photo(t, 400, 200, 6)}
		if !bytes.Contains(sent.picture, []byte(place)) {
			t.Fatal("there is nothing to take out")
		}
		v.post(sent)
		found := shown.FindStringSubmatch(v.page)
		if found == nil {
			t.Fatalf("no picture is shown:\n%s", v.page)
		}
		if diff := cmp.Diff([]string{"A &lt;tower&gt;", "200", "400"}, found[2:]); diff != "" {
			t.Error(diff)
		}
		v.get(found[1])
		for _, secret := range []string{"Exif", "48.85", "MM\x00*"} {
			if strings.Contains(v.page, secret) {
				t.Errorf("the picture still has %q in it", secret)
			}
		}
		if size, _, err := image.DecodeConfig(strings.NewReader(v.page)); err != nil || size.Width != 200 || size.Height != 400 {
			t.Errorf("%d × %d, %v", size.Width, size.Height, err)
		}
		h := v.resp.Header
		got := []string{h.Get("Content-Type"), h.Get("Content-Security-Policy"), h.Get("X-Content-Type-Options"), h.Get("Cross-Origin-Resource-Policy")}
		if diff := cmp.Diff([]string{"image/jpeg", "sandbox; default-src 'none'", "nosniff", "same-origin"}, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("what is behind a transparent one shows through it", func(t *testing.T) {
		v := visit(t).logIn()
		picture := gradient(30, 30)
		picture.SetRGBA(3, 3, color.RGBA{})
		var encoded bytes.Buffer
		if err := png.Encode(&encoded, picture); err != nil {
			t.Fatal(err)
		}
		v.post(sent{alt: "A hole", name: "a.png", picture: encoded.Bytes()})
		v.get(shown.FindStringSubmatch(v.page)[1])
		if v.resp.Header.Get("Content-Type") != "image/png" {
			t.Error(v.resp.Header)
		}
	})
	t.Run("who is not logged in is shown none", func(t *testing.T) {
		v := visit(t)
		v.get("/picture/bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku")
		v.wantStatus(http.StatusUnauthorized)
	})
	t.Run("what is no picture, or not there", func(t *testing.T) {
		v := visit(t).logIn()
		v.get("/picture/x")
		v.wantStatus(http.StatusNotFound)
		v.get("/picture/bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku")
		if v.resp.StatusCode < 400 {
			t.Errorf("status %d", v.resp.StatusCode)
		}
	})
}

// Anybody's application may have uploaded what it liked, under any name.
func TestABlobThatIsAPageDoesNotRun(t *testing.T) {
	for name, content := range map[string]string{
		"HTML":                  "<!doctype html><script>alert(1)</script>",
		"SVG":                   `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`,
		"a text":                "alert(1)",
		"nothing":               "",
		"HTML behind a picture": "GIF89a=1;/*<script>alert(1)</script>*/",
	} {
		t.Run(name, func(t *testing.T) {
			v := visit(t).logIn()
			other := otherApp(t, v.sandbox)
			up, err := comatproto.NewClient(other).Repo.UploadBlob(t.Context(), xrpc.BytesBody([]byte(content), "image/png"))
			if err != nil {
				t.Fatal(err)
			}
			post := &appbsky.FeedPost{CreatedAt: syntax.Now(), Embed: appbsky.NewFeedPostEmbedUnion(&appbsky.EmbedImages{
				Images: []appbsky.EmbedImagesImage{{Image: up.Blob}},
			})}
			if _, err := records.Create(t.Context(), other, post); err != nil {
				t.Fatal(err)
			}
			v.get("/picture/" + string(up.Blob.Ref))
			contentType := v.resp.Header.Get("Content-Type")
			if name == "HTML behind a picture" { // it is one, as far as anybody can tell: and only that
				if contentType != "image/gif" || v.resp.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(v.resp.Header.Get("Content-Security-Policy"), "sandbox;") {
					t.Error(v.resp.Header)
				}
				return
			}
			v.wantStatus(http.StatusUnsupportedMediaType)
			v.lacks("script", "alert")
			if contentType != "text/plain; charset=utf-8" {
				t.Error(contentType)
			}
		})
	}
}

func TestCleaning(t *testing.T) {
	s := &site{cleaning: make(chan struct{}, 1)}
	clean := func(t *testing.T, content []byte) (image.Image, error) {
		t.Helper()
		from, to := filepath.Join(t.TempDir(), "from"), filepath.Join(t.TempDir(), "to")
		if err := os.WriteFile(from, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.clean(t.Context(), from, to); err != nil {
			return nil, err
		}
		file, err := os.Open(to)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		picture, _, err := image.Decode(file)
		if err != nil {
			t.Fatal(err)
		}
		return picture, nil
	}
	// Where the corner that was at the top left comes to lie: red and green are 0 in it, and grow to the right
	// and downwards.
	for orientation, want := range []string{
		1: "60×40: red grows to the right, green downwards",
		2: "60×40: red grows to the left, green downwards",
		3: "60×40: red grows to the left, green upwards",
		4: "60×40: red grows to the right, green upwards",
		5: "40×60: red grows downwards, green to the right",
		6: "40×60: red grows downwards, green to the left",
		7: "40×60: red grows upwards, green to the left",
		8: "40×60: red grows upwards, green to the right",
	} {
		if orientation == 0 {
			continue
		}
		picture, err := clean(t, photo(t, 60, 40, orientation))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, growth(picture)); diff != "" {
			t.Errorf("orientation %d: %s", orientation, diff)
		}
	}
	t.Run("a large one is made smaller", func(t *testing.T) {
		picture, err := clean(t, photo(t, 3000, 1500, 8))
		if err != nil {
			t.Fatal(err)
		}
		if got := picture.Bounds().Size(); got != image.Pt(1000, 2000) {
			t.Error(got)
		}
	})
	t.Run("one that says it is huge is not unpacked", func(t *testing.T) {
		var encoded bytes.Buffer
		if err := png.Encode(&encoded, gradient(2, 2)); err != nil {
			t.Fatal(err)
		}
		huge := encoded.Bytes()
		binary.BigEndian.PutUint32(huge[16:], 50_000)
		binary.BigEndian.PutUint32(huge[20:], 50_000)
		binary.BigEndian.PutUint32(huge[29:], crc32.ChecksumIEEE(huge[12:29]))
		if _, err := clean(t, huge); err == nil || !strings.Contains(err.Error(), "50000 × 50000 pixels") {
			t.Error(err)
		}
	})
	t.Run("one that breaks off is refused", func(t *testing.T) {
		whole := photo(t, 60, 40, 1)
		if _, err := clean(t, whole[:len(whole)/2]); err == nil || !strings.Contains(err.Error(), "cannot be read as a picture") {
			t.Error(err)
		}
	})
}

// growth says how a gradient lies.
func growth(picture image.Image) string {
	b := picture.Bounds()
	at := func(x, y int) (red, green uint32) {
		r, g, _, _ := picture.At(x, y).RGBA()
		return r, g
	}
	left, right, top, bottom := b.Min.X+2, b.Max.X-3, b.Min.Y+2, b.Max.Y-3
	r0, g0 := at(left, top)
	rx, gx := at(right, top)
	ry, gy := at(left, bottom)
	way := func(origin, x, y uint32) string {
		const much = 0x8000
		switch {
		case x > origin+much:
			return "to the right"
		case origin > x+much:
			return "to the left"
		case y > origin+much:
			return "downwards"
		}
		return "upwards"
	}
	return b.Size().String()[1:3] + "×" + b.Size().String()[4:6] + ": red grows " + way(r0, rx, ry) + ", green " + way(g0, gx, gy)
}
