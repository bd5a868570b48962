package sealkey

import (
	"bytes"
	"errors"
	"testing"

	"github.com/zalando/go-keyring"
)

func TestTheKeyIsMadeOnce(t *testing.T) {
	keyring.MockInit()
	first, err := Get("app")
	if err != nil || len(first) != 32 {
		t.Fatal(len(first), err)
	}
	second, err := Get("app")
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("the second time it is another: %v", err)
	}
	if other, err := Get("another app"); err != nil || bytes.Equal(first, other) {
		t.Errorf("two programs have one key: %v", err)
	}
}

func TestAKeyringThatDoesNotAnswerIsAnError(t *testing.T) {
	locked := errors.New("it is locked")
	keyring.MockInitWithError(locked)
	if key, err := Get("app"); !errors.Is(err, locked) || key != nil {
		t.Errorf("%v, %v", key, err)
	}
}
