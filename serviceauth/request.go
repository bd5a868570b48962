package serviceauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// getServiceAuth is the method that accounts ask their servers for tokens by.
var getServiceAuth = xrpc.Method{NSID: "com.atproto.server.getServiceAuth", Kind: xrpc.KindQuery, Output: "application/json", Direct: true}

// A Wanted is what a token is asked for.
type Wanted struct {
	// Audience is the service: a DID, or a DID with a service, "did:web:feed.example.com#bsky_fg".
	Audience string
	// Method is what the service is to do.
	Method syntax.NSID
	// Expires is when the token runs out; zero leaves it to the server, which gives it a minute.
	// Servers refuse more than an hour.
	Expires time.Time
}

// EncodeQuery implements xrpc.Params.
func (w Wanted) EncodeQuery(q *xrpc.Query) {
	q.String("aud", w.Audience)
	if !w.Expires.IsZero() {
		q.Int("exp", w.Expires.Unix())
	}
	q.String("lxm", string(w.Method))
}

// Request asks the server of an account for a token, by com.atproto.server.getServiceAuth. The
// account is an *oauth.Session whose scope has an rpc permission for the method and the service,
// or another Doer with an account's credentials.
//
// Errors are those of any call, *xrpc.Error among them, and the rules that wanted breaks.
func Request(ctx context.Context, account xrpc.Doer, wanted Wanted) (string, error) {
	if err := checkAudience(wanted.Audience); err != nil {
		return "", fmt.Errorf("serviceauth: Wanted.Audience: %w", err)
	}
	if err := wanted.Method.Validate(); err != nil {
		return "", fmt.Errorf("serviceauth: Wanted.Method: %w", err)
	}
	answer, err := xrpc.Open(ctx, xrpc.NewCaller(account), getServiceAuth, wanted, xrpc.Input{}, nil)
	if err != nil {
		return "", fmt.Errorf("serviceauth: asking for a token: %w", err)
	}
	defer answer.Close()
	data, err := io.ReadAll(io.LimitReader(answer, 2*maxToken))
	if err != nil {
		return "", fmt.Errorf("serviceauth: asking for a token: %w", err)
	}
	var out struct {
		Token string `json:"token"`
	}
	if json.Unmarshal(data, &out) != nil || out.Token == "" {
		return "", errors.New("serviceauth: asking for a token: the answer has none")
	}
	for _, c := range []byte(out.Token) {
		if c <= ' ' || c >= 0x7f { // it goes into a header
			return "", errors.New("serviceauth: asking for a token: the answer has one that cannot be sent")
		}
	}
	return out.Token, nil
}

// expiryOf is when a token runs out that is for somebody else to verify; zero if it does not say.
func expiryOf(text string) time.Time {
	t, err := parse(text)
	if err != nil {
		return time.Time{}
	}
	return t.payload.Expires.Time
}
