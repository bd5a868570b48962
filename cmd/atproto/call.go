package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gimucco/atproto-go/internal/commandline"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// maxInput and maxAnswer bound the JSON that is kept in memory, in bytes.
const maxInput, maxAnswer = 16 << 20, 64 << 20

func (p *program) callCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "call NSID",
		Short: "Call any method of a server",
		Long: `call calls a method by its name (NSID) and prints the answer. What the lexicons say of
com.atproto, app.bsky, chat.bsky and tools.ozone is known: whether it is called by GET or POST, and
its parameters, which are checked. For any other method say --query or --procedure; with one of
them, parameters are sent as they are, also those of a known method.

It is called at the server of your account, as you, and passed on to the service that --proxy
names, such as ` + xrpc.BlueskyAppView + `; or, with --host, at that server
without an account.

The answer is JSON, over several lines for people; with --json it is what the server sent, in one
line. Anything else needs --output.`,
		Example: `  atproto call com.atproto.server.getSession
  atproto call app.bsky.feed.getAuthorFeed --param actor=alice.example.com --param limit=5
  atproto call com.atproto.repo.createRecord --input record.json
  atproto call app.bsky.actor.getProfile --host public.api.bsky.app --param actor=bsky.app --json`,
		Args:              commandline.Args(1, 1, "say which method: give its NSID, such as com.atproto.server.getSession"),
		ValidArgsFunction: firstArg(completeMethods("query", "procedure")),
	}
	c := new(rawCall)
	params := cmd.Flags().StringArrayP("param", "p", nil, "a parameter, `name=value` (repeatable; for lists, too)")
	cmd.RegisterFlagCompletionFunc("param", completeParam)
	headers := cmd.Flags().StringArrayP("header", "H", nil, "a header field of the request, `\"Name: value\"` (repeatable)")
	cmd.Flags().StringVarP(&c.input, "input", "i", "", "the input: a `file`, or - for the standard input")
	cmd.Flags().StringVar(&c.inputType, "input-type", "", "the media `type` of the input, where it is not JSON")
	query := cmd.Flags().Bool("query", false, "it is a query, called by GET")
	procedure := cmd.Flags().Bool("procedure", false, "it is a procedure, called by POST")
	proxy := cmd.Flags().String("proxy", "", "the `service` to pass the call on to: a DID, # and a name")
	host := cmd.Flags().String("host", "", "call this `server`, without an account")
	account := p.accountFlag(cmd)
	c.output = outputFlags(cmd, "write the answer to this `file`, - for the standard output")
	asJSON := jsonFlag(cmd)
	timeout := timeoutFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		err := c.read(args[0], *params, *query, *procedure)
		if err == nil {
			err = c.readOptions(*headers, *proxy)
		}
		if err == nil && *host != "" && *account != "" {
			err = errors.New("--host calls without an account: leave --account or --host out")
		}
		var origin string
		if err == nil && *host != "" {
			if origin, err = hostURL(*host); err != nil {
				err = fmt.Errorf("--host: %w", err)
			}
		}
		if err != nil {
			return commandline.Usage(err, cmd)
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), *timeout)
		defer cancel()
		if origin != "" {
			doer, err := p.public(origin)
			if err != nil {
				return err
			}
			return p.call(ctx, doer, c, *asJSON)
		}
		return p.as(ctx, *account, func(s session, _ *entry) error { return p.call(ctx, s, c, *asJSON) })
	}
	return cmd
}

// firstArg completes the first argument, and no other.
func firstArg(complete cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(cmd, args, begun)
	}
}

// A rawCall is what a person wants to call.
type rawCall struct {
	method    xrpc.Method
	params    typedParams
	input     string // a file, "-", or "" for none
	inputType string
	options   []xrpc.Option
	output    *output
}

// read finds out how to call a method.
func (c *rawCall) read(name string, params []string, query, procedure bool) error {
	nsid, err := syntax.ParseNSID(name)
	if err != nil {
		return fmt.Errorf("%q is not the name of a method: write it as com.atproto.server.getSession: %w", name, err)
	}
	if c.params, err = readParams(params); err != nil {
		return err
	}
	if query && procedure {
		return errors.New("it is --query or --procedure: leave one of them out")
	}
	known := methodNamed(nsid)
	c.method = xrpc.Method{NSID: nsid, Kind: xrpc.KindQuery}
	switch {
	case known != nil && known.Kind == "subscription":
		return fmt.Errorf("%s is a stream: see atproto stream --help", nsid)
	case query:
	case procedure:
		c.method.Kind = xrpc.KindProcedure
	case known == nil:
		return unknownMethod(nsid)
	default:
		if err := known.check(c.params); err != nil {
			return err
		}
		if known.Kind == "procedure" {
			c.method.Kind = xrpc.KindProcedure
		}
		c.method.Input, c.method.Output = known.Input, known.Output
	}
	if c.method.Output == "" {
		c.method.Output = "*/*" // whatever comes
	}
	switch {
	case c.method.Kind == xrpc.KindQuery && c.input != "":
		return fmt.Errorf("--input: %s is a query, which has no input: give it parameters by --param", nsid)
	case c.input == "" && c.inputType != "":
		return errors.New("--input-type: there is no input: give it by --input")
	case c.input == "" && c.method.Input != "":
		return fmt.Errorf("%s needs an input: give it by --input FILE, or --input - for the standard input", nsid)
	}
	if c.inputType != "" {
		if _, _, err := mime.ParseMediaType(c.inputType); err != nil || !strings.Contains(c.inputType, "/") {
			return fmt.Errorf("--input-type: %q is not a media type: write it as image/png", c.inputType)
		}
		c.method.Input = "" // the person knows better
	}
	return nil
}

// unknownMethod says what to do about a method that is not in the table.
func unknownMethod(nsid syntax.NSID) error {
	if slices.ContainsFunc(methods("record"), func(m method) bool { return m.NSID == nsid }) {
		return fmt.Errorf("%s is a collection of records, and no method: see atproto record --help", nsid)
	}
	if near := nearestName(nsid, "query", "procedure", "subscription"); near != "" {
		return fmt.Errorf("%s is not known here: did you mean %s? If not, say --query or --procedure", nsid, near)
	}
	return fmt.Errorf("%s is not known here: say --query if it reads, --procedure if it changes something", nsid)
}

func (c *rawCall) readOptions(headers []string, proxy string) error {
	for _, text := range headers {
		name, value, ok := strings.Cut(text, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return fmt.Errorf("--header: %q is not a header field: write it as \"Accept-Language: pt\"", text)
		}
		c.options = append(c.options, xrpc.WithHeader(strings.TrimSpace(name), strings.TrimSpace(value)))
	}
	if proxy != "" {
		c.options = append(c.options, xrpc.WithProxy(proxy))
	}
	if _, err := xrpc.HeaderOf(c.options...); err != nil {
		return fmt.Errorf("--header, --proxy: %w", err)
	}
	return nil
}

// body opens the input.
func (c *rawCall) body(stdin io.Reader) (xrpc.Input, error) {
	isJSON := c.inputType == "" && (c.method.Input == "application/json" || c.method.Input == "")
	switch {
	case c.input == "":
		return xrpc.Input{}, nil
	case isJSON:
		text, err := readJSON(c.input, stdin)
		return xrpc.Raw(xrpc.BytesBody(text, "application/json")), err
	case c.input == "-":
		return xrpc.Raw(xrpc.StreamBody(stdin, -1, c.typeOfInput(""))), nil
	}
	body, err := fileBody(c.input)
	if err != nil {
		return xrpc.Input{}, err
	}
	if kind := c.typeOfInput(body.ContentType()); kind != body.ContentType() {
		open := func() (io.ReadCloser, error) { return os.Open(c.input) }
		body = xrpc.OpenerBody(open, body.Size(), kind)
	}
	return xrpc.Raw(body), nil
}

// typeOfInput is the media type to send: what the person says, what the lexicon wants, what
// the file looks like.
func (c *rawCall) typeOfInput(looks string) string {
	switch {
	case c.inputType != "":
		return c.inputType
	case !strings.Contains(c.method.Input, "*"):
		return c.method.Input
	}
	return looks
}

// readJSON reads a file, or the standard input, that has to be JSON.
func readJSON(name string, stdin io.Reader) ([]byte, error) {
	from := stdin
	if name != "-" {
		if info, err := os.Stat(name); err == nil && info.IsDir() { // pipes can be read
			return nil, fmt.Errorf("%s is a folder: give a file", name)
		}
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	} else {
		name = "the standard input"
	}
	text, err := io.ReadAll(io.LimitReader(from, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(text) > maxInput {
		return nil, fmt.Errorf("%s has more than %d MiB: that is no input of a method", name, maxInput>>20)
	}
	var parsed json.RawMessage
	if err := json.Unmarshal(text, &parsed); err != nil {
		return nil, fmt.Errorf("%s is not JSON: mend it: %w", name, err)
	}
	return text, nil
}

// call makes the call and prints the answer.
func (p *program) call(ctx context.Context, doer xrpc.Doer, c *rawCall, asJSON bool) error {
	if c.output.name != "" {
		if err := p.check(c.output); err != nil {
			return err
		}
	}
	in, err := c.body(p.stdin)
	if err != nil {
		return err
	}
	answer, err := xrpc.Open(ctx, xrpc.NewCaller(doer), c.method, c.params, in, c.options)
	if err != nil {
		return err
	}
	defer answer.Close()
	if c.output.name != "" {
		_, err := p.write(c.output, answer, nil)
		return err
	}
	media, _, _ := mime.ParseMediaType(answer.ContentType)
	isJSON := media == "application/json" || strings.HasSuffix(media, "+json")
	most := int64(maxAnswer + 1)
	if !isJSON {
		most = 1 // whether there is anything
	}
	text, err := io.ReadAll(io.LimitReader(answer, most))
	switch {
	case err != nil:
		return err
	case len(text) == 0:
		return nil
	case !isJSON:
		return fmt.Errorf("the answer is %q and not JSON: give --output FILE", answer.ContentType)
	case len(text) > maxAnswer:
		return fmt.Errorf("the answer has more than %d MiB: give --output FILE", maxAnswer>>20)
	}
	return writeRaw(p.stdout, text, asJSON)
}
