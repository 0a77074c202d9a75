//go:build cuda

package gpu

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// conflicts returns in how many turns shared memory serves accesses of n bytes
// by the lanes of a warp beyond those that their bytes need: 32 banks of 4
// bytes, where lanes that want the same word share it, and at most 128 bytes a
// turn, by lanes in order.
func conflicts(n int, at func(lane int) int) int {
	lanes := min(32, 128/n)
	turns := 0
	for first := 0; first < 32; first += lanes {
		words := [32]map[int]bool{}
		for lane := first; lane < first+lanes; lane++ {
			for b := 0; b < n; b += 4 {
				w := (at(lane) + b) / 4
				if words[w%32] == nil {
					words[w%32] = map[int]bool{}
				}
				words[w%32][w] = true
			}
		}
		most := 1
		for _, w := range words {
			most = max(most, len(w))
		}
		turns += most - 1
	}
	return turns
}

// TestBanks: the orders of units in shared memory that products of codes use
// keep lanes out of each other's banks; plain orders would not.
func TestBanks(t *testing.T) {
	assert.Equal(t, 0, conflicts(4, func(l int) int { return 4 * l }))
	assert.Equal(t, 0, conflicts(4, func(int) int { return 12 }), "one word for all")
	assert.Equal(t, 31, conflicts(4, func(l int) int { return 128 * l }))
	assert.Equal(t, 4*7, conflicts(16, func(l int) int { return 128 * l }))

	// unit_at of csrc/code_product.cuh: rows of 64 bytes.
	unitAt := func(row, u int) int { return row*64 + (u^row>>1&3)*16 }
	for u := range 4 {
		assert.Equal(t, 0, conflicts(16, func(l int) int { return unitAt(l, u) }), "ldmatrix, unit %d", u)
	}
	assert.Equal(t, 0, conflicts(16, func(l int) int { return unitAt(l/4, l%4) }), "copies")
	assert.NotZero(t, conflicts(16, func(l int) int { return l * 64 }))

	// SWIZZLE_128B, of csrc/code_wgmma.cu: rows of 128 bytes.
	swizzled := func(row, u int) int { return row*128 + (u^row&7)*16 }
	for h := range 4 {
		assert.Equal(t, 0, conflicts(16, func(l int) int { return swizzled(l%16, 2*h+l/16) }), "ldmatrix, step %d", h)
	}
	assert.Equal(t, 0, conflicts(16, func(l int) int { return swizzled(l/8, l%8) }), "patches")

	// Sums of 16 rows and 32 columns on their way through shared memory.
	staged := func(r, u int) int { return r*128 + (u^(r&3)<<1)*16 }
	for i := range 8 {
		assert.Equal(t, 0, conflicts(8, func(l int) int { return staged(l/4+i%2*8, i/2*2+l%4/2) + l%2*8 }), "sums, written")
	}
	for q := range 4 {
		assert.Equal(t, 0, conflicts(16, func(l int) int { return staged(4*q+l/8, l%8) }), "sums and codes, read")
		for chunk := range 4 {
			assert.Equal(t, 0, conflicts(4, func(l int) int { return staged(4*q+l/8, chunk*2+l%8/4) + l%4*4 }), "codes, written")
		}
	}
	assert.NotZero(t, conflicts(8, func(l int) int { return l/4*128 + l%4*8 }))
}
