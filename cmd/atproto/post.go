package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/internal/commandline"
	"github.com/gimucco/atproto-go/records"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func (p *program) postCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "post [TEXT]",
		Short: "Write a post",
		Long: `post writes a post of Bluesky (app.bsky.feed.post), and prints its URI. Without a text, or with
-, the text is read from the standard input. Links, mentions and tags in it are found. A text of
more than 300 characters is refused before anything is sent.

A post to reply to or to quote is named by its at:// URI or by the address of its page on
bsky.app. A picture has its alt text behind a colon: what can be seen in it, for those who do not
see it; "cat.jpg:" has none. Pictures are sent as they are, with what the camera wrote into them,
such as the place.`,
		Example: `  atproto post "Hello, @alice.example.com"
  atproto post "Look" --image "cat.jpg:A cat asleep on a keyboard." --lang en
  git log -1 --format=%s | atproto post
  atproto post "I agree" --reply-to https://bsky.app/profile/alice.example.com/post/3jt…`,
		Args: func(_ *cobra.Command, given []string) error {
			if len(given) > 1 {
				return fmt.Errorf("the text is one argument, and these are %d: put it in quotes", len(given))
			}
			return nil
		},
	}
	images := cmd.Flags().StringArray("image", nil, "a picture, `file:alt` (repeatable, four at most)")
	replyTo := cmd.Flags().String("reply-to", "", "the `post` that this one answers")
	quote := cmd.Flags().String("quote", "", "a `post`, or another record, to show below the text")
	langs := cmd.Flags().StringArray("lang", nil, "a `language` that the text is in, such as en or pt-BR (repeatable)")
	account := p.accountFlag(cmd)
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		d := &draft{}
		err := d.read(*images, *replyTo, *quote, *langs)
		if err == nil && len(args) > 0 && args[0] != "-" {
			d.text = args[0]
		} else if err == nil {
			if _, ok := isTerminal(p.stdin); ok {
				fmt.Fprintln(p.stderr, "Type the text, and end it by Ctrl-D:")
			}
			if d.text, err = readText(p.stdin); err != nil {
				return err
			}
		}
		if err == nil && d.text == "" && len(d.images) == 0 && d.quote == nil {
			err = errors.New("the post is empty: give a text, or a picture by --image")
		}
		if err != nil {
			return commandline.Usage(err, cmd)
		}
		for _, pic := range d.images {
			if err := checkFile(pic.path); err != nil {
				return fmt.Errorf("--image: %w", err)
			}
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), 10*time.Minute) // pictures take their time
		defer cancel()
		return p.as(ctx, *account, func(s session, _ *entry) error {
			ref, err := p.post(ctx, s, d)
			if err != nil {
				return err
			}
			return p.printRef(ref.URI, ref.CID, *asJSON)
		})
	}
	return cmd
}

// A draft is a post as it was typed.
type draft struct {
	text           string
	images         []picture
	replyTo, quote *recordName
	langs          []syntax.Language
}

type picture struct{ path, alt string }

func (d *draft) read(images []string, replyTo, quote string, langs []string) error {
	for _, typed := range images {
		pic, err := readPicture(typed)
		if err != nil {
			return err
		}
		d.images = append(d.images, pic)
	}
	if len(d.images) > 4 {
		return fmt.Errorf("--image: %d pictures are too many: four are the most", len(d.images))
	}
	for _, ref := range []struct {
		flag, typed string
		into        **recordName
	}{{"reply-to", replyTo, &d.replyTo}, {"quote", quote, &d.quote}} {
		if ref.typed == "" {
			continue
		}
		name, err := parseFullRecord(ref.typed)
		if err == nil && ref.flag == "reply-to" && name.collection != appbsky.FeedPostNSID {
			err = fmt.Errorf("a record of %s cannot be replied to: it has to be a post", name.collection)
		}
		if err != nil {
			return fmt.Errorf("--%s: %w", ref.flag, err)
		}
		*ref.into = &name
	}
	for _, typed := range langs {
		lang, err := syntax.ParseLanguage(typed)
		if err != nil {
			return fmt.Errorf("--lang: %q is no language: write it as en or pt-BR", typed)
		}
		d.langs = append(d.langs, lang)
	}
	return nil
}

// readPicture splits "file:alt". A drive's letter before the path is part of it.
func readPicture(typed string) (picture, error) {
	drive := ""
	if len(typed) > 2 && typed[1] == ':' && typed[2] == '\\' {
		drive, typed = typed[:2], typed[2:]
	}
	path, alt, ok := strings.Cut(typed, ":")
	if !ok || path == "" {
		return picture{}, fmt.Errorf("--image: %q is not file:alt: write \"cat.jpg:A cat.\", or \"cat.jpg:\" for no alt text", drive+typed)
	}
	return picture{drive + path, strings.TrimSpace(alt)}, nil
}

// readText reads a post's text. More than maxText bytes are no post.
func readText(r io.Reader) (string, error) {
	const maxText = 64 << 10
	text, err := io.ReadAll(io.LimitReader(r, maxText+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("the standard input: %w", err)
	case len(text) > maxText:
		return "", errors.New("the standard input is too long for a post: 300 characters are the most")
	case !utf8.Valid(text):
		return "", errors.New("the standard input is not text in UTF-8: convert it")
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// post writes the post. What it refers to is read from the servers that have it, which need
// not be the account's.
func (p *program) post(ctx context.Context, s session, d *draft) (*records.Ref, error) {
	post := records.Text(d.text).Languages(d.langs...)
	for _, pic := range d.images {
		post.Image(pic.path, pic.alt)
	}
	if d.replyTo != nil {
		uri, reader, err := p.uri(ctx, d.replyTo)
		if err != nil {
			return nil, fmt.Errorf("--reply-to: %w", err)
		}
		post.ReplyTo(uri).Reader(reader)
	}
	if d.quote != nil {
		uri, reader, err := p.uri(ctx, d.quote)
		if err != nil {
			return nil, fmt.Errorf("--quote: %w", err)
		}
		out, err := comatproto.NewClient(reader).Repo.GetRecord(ctx, &comatproto.RepoGetRecordParams{
			Repo: uri.Authority(), Collection: uri.Collection(), RKey: uri.RecordKey(),
		})
		if errors.Is(err, comatproto.ErrRecordNotFound) {
			return nil, fmt.Errorf("--quote: there is no such record: copy its address anew\n  %w", err)
		}
		if err != nil {
			return nil, fmt.Errorf("--quote: the record cannot be read\n  %w", err)
		}
		if out.CID == nil {
			return nil, fmt.Errorf("--quote: the server does not say which version of %s it has, so that it cannot be quoted", uri)
		}
		post.Quote(&records.Ref{URI: uri, CID: *out.CID})
	}
	report, end := p.progress("Uploading")
	defer end()
	ref, err := records.Post(ctx, s, post, records.WithCall(xrpc.WithUploadProgress(report)))
	if errors.Is(err, records.ErrNotFound) {
		return nil, fmt.Errorf("--reply-to: there is no such post: copy its address anew\n  %w", err)
	}
	return ref, err
}

// uri returns the URI of a record by the DID of its account, and who has it.
func (p *program) uri(ctx context.Context, name *recordName) (syntax.ATURI, *xrpc.Client, error) {
	found, server, err := p.locate(ctx, name.repo)
	if err != nil {
		return "", nil, err
	}
	return syntax.RecordURI(syntax.AtIdentifier(found.DID), name.collection, name.key), server, nil
}
