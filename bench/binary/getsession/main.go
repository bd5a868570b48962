// Getsession is the smallest program that makes a typed call.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/xrpc"
)

func main() {
	host, err := xrpc.NewClient("https://pds.example.com", xrpc.ClientConfig{})
	if err != nil {
		log.Fatal(err)
	}
	out, err := comatproto.NewClient(host).Server.GetSession(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(out.DID)
}
