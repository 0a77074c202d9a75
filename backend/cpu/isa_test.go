package cpu

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestKernelISAs(t *testing.T) {
	require.NoError(t, SetMaxISA("")) // Whatever GOQAT_ISA says.
	t.Cleanup(func() { require.NoError(t, SetMaxISA("")) })
	families := map[string]bool{}
	for _, k := range KernelISAs() {
		families[k.Family] = true
	}
	for _, f := range []string{"int8 product", "float32 product", "elementwise"} {
		assert.True(t, families[f], f)
	}
	usable := map[string]bool{}
	for _, s := range InstructionSets() {
		usable[s.Name] = s.Usable
		assert.False(t, s.Masked, s.Name)
		assert.Equal(t, s.Usable, s.Why == "", s.Name)
		assert.False(t, s.Usable && !s.InCPU, s.Name)
	}
	assert.True(t, usable["portable"])
	for _, k := range KernelISAs() {
		assert.True(t, usable[k.ISA], "%s uses %s", k.Family, k.ISA)
	}
	require.NoError(t, SetMaxISA("portable"))
	assert.Equal(t, "portable", MaxISA())
	assert.Equal(t, "portable", ISA())
	for _, k := range KernelISAs() {
		assert.Equal(t, "portable", k.ISA, k.Family)
	}
	for _, s := range InstructionSets() {
		assert.Equal(t, s.Name != "portable", s.Masked, s.Name)
	}
	require.ErrorContains(t, SetMaxISA("mmx"), "mmx")
}
