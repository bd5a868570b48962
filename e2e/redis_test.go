package e2e

import (
	"cmp"
	"context"
	"crypto/rand"
	"os"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/redisstore"
	"github.com/gimucco/atproto-go/oauth/storetest"
)

// redisAddress is where the server is, unless $REDIS says otherwise.
const redisAddress = "127.0.0.1:6379"

// TestRedis runs the contract of stores on a real server. Its keys have a prefix of
// their own and are removed afterwards.
func TestRedis(t *testing.T) {
	rdb := redis.NewClient(&redis.Options{Addr: cmp.Or(os.Getenv("REDIS"), redisAddress)})
	t.Cleanup(func() { rdb.Close() })
	if err := rdb.Ping(t.Context()).Err(); err != nil {
		t.Fatalf("Redis is needed: %v", err)
	}
	open := func(_ context.Context, prefix string) (oauth.Store, error) {
		do := func(ctx context.Context, args ...any) (any, error) { return rdb.Do(ctx, args...).Result() }
		return redisstore.New(do, redisstore.WithPrefix(prefix)), nil
	}
	prefix := "atproto-test-" + strings.ToLower(rand.Text())
	storetest.Run(t, storetest.Backend{
		Open:     func(ctx context.Context) (oauth.Store, error) { return open(ctx, prefix) },
		Location: prefix,
		OpenAt:   open,
	})
	left := 0
	keys := rdb.Scan(context.Background(), 0, "{"+prefix+"}*", 1000).Iterator()
	for keys.Next(context.Background()) {
		left++
		rdb.Del(context.Background(), keys.Val())
	}
	if err := keys.Err(); err != nil {
		t.Error(err)
	}
	// What tests leave of their own, such as counters, is deleted by them; only what
	// they had no name for may stay.
	t.Logf("%d keys were left and removed", left)
}
