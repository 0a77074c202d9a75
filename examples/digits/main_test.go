package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("trains on the whole data set")
	}
	require.NoError(t, run(context.Background(), 1))
}
