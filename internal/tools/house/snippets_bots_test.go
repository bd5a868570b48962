package house

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/gimucco/atproto-go/apppassword"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store/filestore"
)

// What follows are the snippets of docs/bots.md, in its order. TestSnippetsOfGuidesCompile compares.

func botBegins(ctx context.Context, sealKey []byte) error {
	files, err := filestore.Open("sessions")
	if err != nil {
		return err
	}
	client, err := apppassword.NewClient(apppassword.Config{Store: files, Seal: seal.Keys(sealKey)})
	if err != nil {
		return err
	}
	session, err := client.ResumeOrLogin(ctx, "bot.example.com", os.Getenv("APP_PASSWORD"))
	if err != nil {
		return err
	}
	api := comatproto.NewClient(session)
	_ = api
	return nil
}

func botWithCode(ctx context.Context, client *apppassword.Client, identifier, password string, askForCode func() string) (*apppassword.Session, error) {
	session, err := client.Login(ctx, identifier, password)
	if errors.Is(err, apppassword.ErrAuthFactorRequired) {
		session, err = client.Login(ctx, identifier, password, apppassword.WithAuthFactor(askForCode()))
	}
	return session, err
}

func botFails(ctx context.Context, client *apppassword.Client, session *apppassword.Session, identifier, password string, work func(context.Context, *apppassword.Session) error) (*apppassword.Session, error) {
	err := work(ctx, session)
	switch e, _ := errors.AsType[*apppassword.Error](err); {
	case errors.Is(err, apppassword.ErrReauthRequired):
		session, err = client.Login(ctx, identifier, password) // the session is over
	case e != nil && e.Retryable:
		time.Sleep(max(e.RetryAfter, time.Second)) // the session goes on
	}
	return session, err
}

func botSandbox() apppassword.Config {
	server := oauthtest.NewServer()
	defer server.Close()
	server.AddAppPassword(server.Environment().Account("alice").DID, "bot", "abcd-efgh-ijkl-mnop")
	var config apppassword.Config
	server.Environment().ConfigureAppPassword(&config)
	return config
}

var _ = []any{botBegins, botWithCode, botFails, botSandbox}
