package isa

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/cpu"
)

// TestTilePermission: the system answers the question for tiles, and without
// them in the CPU it refuses.
func TestTilePermission(t *testing.T) {
	err := tilePermission()
	t.Log("tile permission: ", err)
	if !cpu.X86.HasAMXTile {
		assert.Error(t, err)
	}
	assert.Equal(t, err, tilePermission(), "asked once")
	for _, s := range []Set{AMXInt8, AMXBF16} {
		assert.Equal(t, s.InCPU() && err == nil, s.Missing() == nil)
	}
}
