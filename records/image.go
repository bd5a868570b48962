package records

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"strings"

	"golang.org/x/image/webp"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/xrpc"
)

// ErrNotAnImage: the file is not an image.
var ErrNotAnImage = errors.New("not a picture")

// UploadImage uploads an image from a file, for an appbsky.EmbedImages. The content type comes from
// its first bytes. Its size is checked by the lexicon's limit before it is sent. The aspect ratio
// is that of the displayed image: cameras note in a JPEG how to rotate it. The ratio is left out if
// it cannot be read, for example for AVIF. Options: WithCall.
//
// The file is sent unchanged, with the camera's metadata, such as the place where it was taken.
//
// Errors: ErrNotAnImage; *lex.ValidationError if the file is too large; those of os.Open; otherwise
// those of any call.
func UploadImage(ctx context.Context, account Account, path, alt string, opts ...Option) (*appbsky.EmbedImagesImage, error) {
	s, err := read(opts, "")
	if err != nil {
		return nil, err
	}
	return uploadImage(ctx, account, path, alt, s)
}

func uploadImage(ctx context.Context, account Account, path, alt string, s *settings) (*appbsky.EmbedImagesImage, error) {
	if err := checkAccount(account); err != nil {
		return nil, err
	}
	body, err := xrpc.FileBody(path)
	if err != nil {
		return nil, fmt.Errorf("records: %w", err)
	}
	if !strings.HasPrefix(body.ContentType(), "image/") {
		return nil, fmt.Errorf("records: %w: %s is %s", ErrNotAnImage, path, body.ContentType())
	}
	ratio, err := aspectRatio(path, body.ContentType())
	if err != nil {
		return nil, fmt.Errorf("records: %s: %w", path, err)
	}
	limits := append([]xrpc.Option{xrpc.WithBlobLimits(appbsky.EmbedImagesImageImageLimits())}, s.calls...)
	out, err := comatproto.NewClient(account).Repo.UploadBlob(ctx, body, limits...)
	if err != nil {
		return nil, fmt.Errorf("records: %s: %w", path, err)
	}
	return &appbsky.EmbedImagesImage{Image: out.Blob, Alt: alt, AspectRatio: ratio}, nil
}

// maxHeader is how much of a file is read to find its size in pixels, because metadata comes before
// it.
const maxHeader = 1 << 20

// aspectRatio returns width and height of an image, or nil if they cannot be read for its type.
func aspectRatio(path, contentType string) (*appbsky.EmbedDefsAspectRatio, error) {
	decode := map[string]func(io.Reader) (image.Config, error){
		"image/jpeg": jpeg.DecodeConfig, "image/png": png.DecodeConfig, "image/gif": gif.DecodeConfig, "image/webp": webp.DecodeConfig,
	}[contentType]
	if decode == nil {
		return nil, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	config, err := decode(bufio.NewReader(io.LimitReader(file, maxHeader)))
	if err != nil || config.Width <= 0 || config.Height <= 0 {
		return nil, fmt.Errorf("%w: it is damaged, or begins with more than %d bytes of metadata: %w", ErrNotAnImage, maxHeader, err)
	}
	ratio := &appbsky.EmbedDefsAspectRatio{Width: int64(config.Width), Height: int64(config.Height)}
	if contentType == "image/jpeg" {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		if lyingOnItsSide(io.LimitReader(file, maxHeader)) {
			ratio.Width, ratio.Height = ratio.Height, ratio.Width
		}
	}
	return ratio, nil
}
