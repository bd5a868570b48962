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

// getServiceAuth is the method that returns tokens for services.
var getServiceAuth = xrpc.Method{NSID: "com.atproto.server.getServiceAuth", Kind: xrpc.KindQuery, Output: "application/json", Direct: true}

// A Wanted describes the token to request.
type Wanted struct {
	// Audience is the service: a DID, or a DID with a service id,
	// "did:web:feed.example.com#bsky_fg".
	Audience string
	// Method is the method that the token is for.
	Method syntax.NSID
	// Expires is when the token expires. If it is zero, the server decides, and uses a minute.
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

// Request requests a token from the server of an account, with com.atproto.server.getServiceAuth.
// account is an *oauth.Session whose scope has an rpc permission for the method and the service, or
// another Doer with an account's credentials.
//
// Errors are those of any call, such as *xrpc.Error, and the rules that wanted breaks.
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
		return "", errors.New("serviceauth: asking for a token: the answer has no token")
	}
	for _, c := range []byte(out.Token) {
		if c <= ' ' || c >= 0x7f { // it goes into a header
			return "", errors.New("serviceauth: asking for a token: the answer has a token that cannot be sent in a header")
		}
	}
	return out.Token, nil
}

// expiryOf returns when a token expires that somebody else will verify. It is zero if the token
// does not say so.
func expiryOf(text string) time.Time {
	t, err := parse(text)
	if err != nil {
		return time.Time{}
	}
	return t.payload.Expires.Time
}
