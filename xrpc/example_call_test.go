package xrpc_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/xrpc"
)

// A call without a login. The server belongs to the example; only for that reason it needs
// AllowLoopback.
func ExampleNewClient() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Query().Get("handle") != "alice.example.com" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":"HandleNotFound","message":"Unable to resolve handle"}`)
			return
		}
		fmt.Fprint(w, `{"did":"did:plc:ewvi7nxzyoun6zhxrhs64oiz"}`)
	}))
	defer server.Close()

	host, err := xrpc.NewClient(server.URL, xrpc.ClientConfig{AllowLoopback: true})
	if err != nil {
		log.Fatal(err)
	}
	api := comatproto.NewClient(host)
	out, err := api.Identity.ResolveHandle(context.Background(), &comatproto.IdentityResolveHandleParams{Handle: "alice.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(out.DID)

	_, err = api.Identity.ResolveHandle(context.Background(), &comatproto.IdentityResolveHandleParams{Handle: "bob.example.com"})
	fmt.Println(errors.Is(err, comatproto.ErrHandleNotFound))
	if e, ok := errors.AsType[*xrpc.Error](err); ok {
		fmt.Println(e.Status, e.Message)
	}
	// Output:
	// did:plc:ewvi7nxzyoun6zhxrhs64oiz
	// true
	// 400 Unable to resolve handle
}
