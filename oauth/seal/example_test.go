package seal_test

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/gimucco/atproto-go/oauth/seal"
)

// The first start of a program makes the key, and every later start reads it.
func ExampleKeyFile() {
	dir, err := os.MkdirTemp("", "seal")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	first, err := seal.KeyFile(filepath.Join(dir, "seal.key"))
	if err != nil {
		log.Fatal(err)
	}
	second, err := seal.KeyFile(filepath.Join(dir, "seal.key"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(first), bytes.Equal(first, second))
	// Output: 32 true
}
