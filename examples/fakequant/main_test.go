package main

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, run(context.Background(), &b))
	// -1.2 and 2 are outside of the codes: clamped, and without gradient.
	require.Equal(t, "scale 0.15 zero -3\ny  [-0.75 -0.45000002 0.15 0.3 0.75 1.5]\ndx [0 2 3 4 5 0]\n", b.String())
}
