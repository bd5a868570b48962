// Lexicons of your own: the schemas in lexicons/ belong to com.example.recipes and refer
// to types of com.atproto and app.bsky, which exist in Go already. lexgen.json says so,
// and lexgen generates package recipes alone.
//
//	go run ./examples/thirdparty
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/gimucco/atproto-go/examples/thirdparty/recipes"
	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

//go:generate go run github.com/gimucco/atproto-go/lexgen generate

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	server := oauthtest.NewServer() // the sandbox: a server in this process
	defer server.Close()
	session, err := login(ctx, server)
	if err != nil {
		return err
	}
	api := comatproto.NewClient(session)

	soup := &recipes.Recipe{
		Title:       "Soup",
		Difficulty:  new(recipes.RecipeDifficultyEasy),
		Ingredients: []recipes.RecipeIngredient{{Name: "water", Grams: new(int64(1000))}, {Name: "salt"}},
		Steps:       []string{"Boil the water.", "Add the salt."},
		CreatedAt:   syntax.Now(),
	}
	if err := lex.Validate(soup, lex.Strict); err != nil {
		return err
	}
	first, err := api.Repo.CreateRecord(ctx, &comatproto.RepoCreateRecordInput{
		Repo: syntax.AtIdentifier(session.DID()), Collection: recipes.RecipeNSID, Record: lex.Of(soup),
	})
	if err != nil {
		return err
	}

	// A variation of it: the reference is a type of com.atproto, the facet one of app.bsky.
	better := *soup
	better.Title = "Soup with #pepper"
	better.BasedOn = &comatproto.RepoStrongRef{URI: first.URI, CID: first.CID}
	better.Facets = []appbsky.RichtextFacet{{
		Index:    appbsky.RichtextFacetByteSlice{ByteStart: 10, ByteEnd: 17},
		Features: []appbsky.RichtextFacetFeaturesUnion{appbsky.NewRichtextFacetFeaturesUnion(&appbsky.RichtextFacetTag{Tag: "pepper"})},
	}}
	if _, err := api.Repo.CreateRecord(ctx, &comatproto.RepoCreateRecordInput{
		Repo: syntax.AtIdentifier(session.DID()), Collection: recipes.RecipeNSID, Record: lex.Of(&better),
	}); err != nil {
		return err
	}

	params := &comatproto.RepoListRecordsParams{Repo: syntax.AtIdentifier(session.DID()), Collection: recipes.RecipeNSID, Reverse: new(true)}
	for record, err := range api.Repo.ListRecordsAll(ctx, params) {
		if err != nil {
			return err
		}
		// Each package has its set of records; what is of none is kept as it came.
		value, err := record.Value.Decode(recipes.Records, appbsky.Records)
		if err != nil {
			return err
		}
		switch r := value.(type) {
		case *recipes.Recipe:
			fmt.Fprintf(out, "%s: %d ingredients, a variation: %t\n", r.Title, len(r.Ingredients), r.BasedOn != nil)
		default:
			fmt.Fprintf(out, "something else: %s\n", r.LexType())
		}
	}
	return nil
}

func login(ctx context.Context, server *oauthtest.Server) (*oauth.Session, error) {
	alice := server.Environment().Account("alice")
	config := oauth.Localhost("http://127.0.0.1:8080/callback", "atproto transition:generic")
	server.Environment().Configure(&config)
	client, err := oauth.NewClient(config)
	if err != nil {
		return nil, err
	}
	login, err := client.Authorize(ctx, string(alice.Handle))
	if err != nil {
		return nil, err
	}
	callback, err := server.Approve(ctx, login.URL, alice)
	if err != nil {
		return nil, err
	}
	result, err := client.Callback(ctx, callback.Query(), login.Binding)
	if err != nil {
		return nil, err
	}
	return result.Session, nil
}
