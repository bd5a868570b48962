package oauth

import (
	"fmt"
	"testing"
	"time"
)

func TestNonceTable(t *testing.T) {
	now := time.Unix(1, 0)
	t.Run("O93 an origin that gave none has none", func(t *testing.T) {
		if got := new(nonceTable).get("https://pds.test"); got != "" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("O93 every origin has its own", func(t *testing.T) {
		table := new(nonceTable)
		table.learn("https://pds.test", "one", 1, now)
		table.learn("https://as.test", "two", 2, now)
		if one, two := table.get("https://pds.test"), table.get("https://as.test"); one != "one" || two != "two" {
			t.Errorf("got %q and %q", one, two)
		}
	})
	t.Run("O97 an older answer does not undo a newer nonce", func(t *testing.T) {
		table := new(nonceTable)
		table.learn("https://pds.test", "new", 2, now)
		table.learn("https://pds.test", "old", 1, now)
		if got := table.get("https://pds.test"); got != "new" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("it does not grow for ever", func(t *testing.T) {
		table := new(nonceTable)
		for i := range uint64(2 * maxNonces) {
			table.learn(fmt.Sprintf("https://%d.test", i), "x", i, now)
		}
		if len(table.values) != maxNonces {
			t.Errorf("%d nonces", len(table.values))
		}
	})
}
