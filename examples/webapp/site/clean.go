package site

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"image"
	_ "image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
	"os"

	"github.com/bep/imagemeta"
	"golang.org/x/image/draw"
	"golang.org/x/image/math/f64"
	_ "golang.org/x/image/webp"

	"github.com/gimucco/atproto-go/generated/appbsky"
)

const (
	maxEdge   = 2000       // pixels; larger pictures are made smaller
	maxPixels = 50_000_000 // of a picture as it comes: they have to fit into memory
)

// clean decodes the picture in the file from and encodes it again into the file to. That removes what the camera
// wrote beside the picture, such as the place: servers do not remove it, and everybody could read it. The
// result is small enough for a post. Of an animation only the first picture stays.
func (s *site) clean(ctx context.Context, from, to string) error {
	select {
	case s.cleaning <- struct{}{}:
		defer func() { <-s.cleaning }()
	case <-ctx.Done():
		return ctx.Err()
	}
	picture, err := decode(from)
	if err != nil {
		return err
	}
	most := appbsky.EmbedImagesImageImageLimits().MaxSize
	for edge := maxEdge; edge >= 100; edge = edge * 3 / 4 {
		size, err := encode(picture.drawn(edge), to)
		if err != nil || size <= most {
			return err
		}
	}
	return &problem{http.StatusBadRequest, "This picture cannot be made small enough for a post. Choose another."}
}

// A decoded picture has its pixels as the camera stored them. The orientation says how to turn it.
type decoded struct {
	image.Image
	orientation int // 1 to 8 (Exif 2.32, §4.6.4): 1 is as it is
}

// decode reads a picture.
func decode(name string) (*decoded, error) {
	notOne := &problem{http.StatusUnsupportedMediaType, "This file cannot be read as a picture. Choose a JPEG, PNG, GIF or WebP."}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	config, format, err := image.DecodeConfig(bufio.NewReader(file))
	if err != nil {
		return nil, notOne
	}
	if int64(config.Width)*int64(config.Height) > maxPixels {
		return nil, &problem{http.StatusRequestEntityTooLarge, fmt.Sprintf("The picture has %d × %d pixels, which is too many. Choose a smaller one.", config.Width, config.Height)}
	}
	orientation := orientationOf(file, format)
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	picture, _, err := image.Decode(bufio.NewReader(file))
	if err != nil {
		return nil, notOne
	}
	return &decoded{picture, orientation}, nil
}

// orientationOf reads the orientation of a picture. Without one it is 1.
func orientationOf(file io.ReadSeeker, format string) int {
	formats := map[string]imagemeta.ImageFormat{"jpeg": imagemeta.JPEG, "png": imagemeta.PNG, "webp": imagemeta.WebP}
	orientation := 1
	if _, err := file.Seek(0, io.SeekStart); err != nil || formats[format] == 0 {
		return orientation
	}
	imagemeta.Decode(imagemeta.Options{ // broken metadata is no reason to refuse the picture
		R: file, ImageFormat: formats[format], Sources: imagemeta.EXIF,
		ShouldHandleTag: func(tag imagemeta.TagInfo) bool { return tag.Namespace == "IFD0" && tag.Tag == "Orientation" },
		HandleTag: func(tag imagemeta.TagInfo) error {
			if n, ok := tag.Value.(uint16); ok && n >= 1 && n <= 8 {
				orientation = int(n)
			}
			return imagemeta.ErrStopWalking
		},
	})
	return orientation
}

// drawn returns the picture as people see it, with at most edge pixels on each side.
func (p *decoded) drawn(edge int) *image.RGBA {
	b := p.Bounds()
	scale := min(1, float64(edge)/float64(max(b.Dx(), b.Dy())))
	width, height := max(1, int(float64(b.Dx())*scale+0.5)), max(1, int(float64(b.Dy())*scale+0.5))
	lying := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.CatmullRom.Scale(lying, lying.Bounds(), p.Image, b, draw.Src, nil)
	if p.orientation == 1 {
		return lying
	}
	w, h := float64(width), float64(height)
	// Where each orientation moves a point to.
	turn := [...]f64.Aff3{
		2: {-1, 0, w, 0, 1, 0},
		3: {-1, 0, w, 0, -1, h},
		4: {1, 0, 0, 0, -1, h},
		5: {0, 1, 0, 1, 0, 0},
		6: {0, -1, h, 1, 0, 0},
		7: {0, -1, h, -1, 0, w},
		8: {0, 1, 0, -1, 0, w},
	}[p.orientation]
	if p.orientation >= 5 {
		width, height = height, width
	}
	shown := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.NearestNeighbor.Transform(shown, turn, lying, lying.Bounds(), draw.Src, nil)
	return shown
}

// encode writes a picture as JPEG or, if parts of it are transparent, as PNG. It returns the size in bytes.
func encode(picture *image.RGBA, name string) (size int64, err error) {
	file, err := os.Create(name)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	out := bufio.NewWriter(file)
	if picture.Opaque() {
		err = jpeg.Encode(out, picture, &jpeg.Options{Quality: 88})
	} else {
		err = png.Encode(out, picture)
	}
	if err := errors.Join(err, out.Flush()); err != nil {
		return 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
