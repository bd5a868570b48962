package main

import (
	"context"
	"log"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth/loopback"
	"github.com/gimucco/atproto-go/records"
)

func main() {
	ctx := context.Background()
	session, err := loopback.Open(ctx, "minimal", "alice.example.com")
	if err != nil {
		log.Fatal(err)
	}
	me, err := comatproto.NewClient(session).Server.GetSession(ctx)
	if err != nil {
		log.Fatal(err)
	}
	ref, err := records.Post(ctx, session, records.Text("Hello from Go").Image("cat.jpg", "A cat on a chair."))
	if err != nil {
		log.Fatal(err)
	}
	log.Println(me.Handle, "has posted", ref.URI)
}
