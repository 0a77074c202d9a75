package library_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/cuda/internal/library"
)

// TestOpened: a name is loaded once, whoever asks and whatever came of it.
func TestOpened(t *testing.T) {
	var o library.Opened[string]
	var loads atomic.Int32
	missing := errors.New("missing")
	load := func(name string) (string, error) {
		loads.Add(1)
		if name == "b" {
			return "", missing
		}
		return "library " + name, nil
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			l, err := o.Open("a", load)
			if err != nil || l != "library a" {
				t.Errorf("%q, %v", l, err)
			}
			if _, err := o.Open("b", load); !errors.Is(err, missing) {
				t.Errorf("%v", err)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 2, loads.Load())
}
