package oauth

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/gimucco/atproto-go/internal/keeper"
	"github.com/gimucco/atproto-go/xrpc"
)

func TestWhatAFailedRefreshProves(t *testing.T) {
	said := func(status int, code string) error {
		return &Error{Kind: ErrToken, Status: status, Code: code}
	}
	tests := map[string]struct {
		err  error
		want keeper.Verdict
	}{
		"not sent":                            {networkError(context.Background(), &xrpc.SendError{Sent: xrpc.SentNo}), keeper.Unspent},
		"perhaps sent":                        {networkError(context.Background(), &xrpc.SendError{Sent: xrpc.SentMaybe}), keeper.Unknown},
		"a fence":                             {fenceError(errors.New("the store is down")), keeper.Unspent},
		"a fence that could not open":         {fenceError(&Error{Kind: ErrSealed}), keeper.Unspent},
		"a key that could not sign":           {&Error{Kind: ErrClientKey}, keeper.Unspent},
		"a key that is gone":                  {&Error{Kind: ErrClientKeyGone}, keeper.Unspent},
		"a proof that could not be made":      {&Error{Kind: ErrDPoP}, keeper.Unspent},
		"an endpoint that is no URL":          {&Error{Kind: ErrInvalidMetadata}, keeper.Unspent},
		"a network's failure of another kind": {&Error{Kind: ErrNetwork}, keeper.Unknown},
		"an error of any kind":                {errors.New("surprise"), keeper.Unknown},
		"an answer with a bad proof":          {&Error{Kind: ErrDPoP, Status: 200}, keeper.Unknown},
		"an answer that cannot be used":       {said(200, ""), keeper.Unknown},
		"400 invalid_grant":                   {said(400, "invalid_grant"), keeper.Ended},
		"401 invalid_grant":                   {said(401, "invalid_grant"), keeper.Unknown},
		"403 invalid_grant":                   {said(403, "invalid_grant"), keeper.Unknown},
		"503 invalid_client":                  {said(503, "invalid_client"), keeper.Unknown},
		"400 without a word":                  {said(400, ""), keeper.Unknown},
		"400 server_error":                    {said(400, "server_error"), keeper.Unknown},
	}
	for _, status := range []int{404, 405, 410, 429} {
		tests[fmt.Sprint(status)] = struct {
			err  error
			want keeper.Verdict
		}{said(status, ""), keeper.Unspent}
	}
	for _, status := range []int{403, 408, 425, 451, 499, 500, 502, 503, 504, 520, 522, 524, 529} {
		tests[fmt.Sprint(status)] = struct {
			err  error
			want keeper.Verdict
		}{said(status, ""), keeper.Unknown}
	}
	for _, code := range []string{"invalid_client", "unauthorized_client", "invalid_request", "invalid_scope", "unsupported_grant_type",
		"invalid_dpop_proof", "use_dpop_nonce", "slow_down"} {
		for _, status := range []int{400, 401} {
			tests[fmt.Sprint(status, " ", code)] = struct {
				err  error
				want keeper.Verdict
			}{said(status, code), keeper.Unspent}
		}
	}
	for name, tt := range tests {
		t.Run("P62 O108 O110 "+name, func(t *testing.T) {
			if got := verdictOf(tt.err); got != tt.want {
				t.Errorf("verdict %d, want %d", got, tt.want)
			}
		})
	}
}
