package tensorcore

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Lane 5 of m16n8k32, as worked from the PTX manual and CuTe.
func TestFragmentOfLane5(t *testing.T) {
	type at struct{ r, c int }
	var a, b, c []at
	for i := range 16 {
		x, y := M16N8K32.A(5, i)
		a = append(a, at{x, y})
	}
	for i := range 8 {
		x, y := M16N8K32.B(5, i)
		b = append(b, at{x, y})
	}
	for i := range 4 {
		x, y := M16N8K32.C(5, i)
		c = append(c, at{x, y})
	}
	assert.Equal(t, []at{{1, 4}, {1, 5}, {1, 6}, {1, 7}, {9, 4}, {9, 5}, {9, 6}, {9, 7}, {1, 20}, {1, 21}, {1, 22}, {1, 23}, {9, 20}, {9, 21}, {9, 22}, {9, 23}}, a)
	assert.Equal(t, []at{{4, 1}, {5, 1}, {6, 1}, {7, 1}, {20, 1}, {21, 1}, {22, 1}, {23, 1}}, b)
	assert.Equal(t, []at{{1, 2}, {1, 3}, {9, 2}, {9, 3}}, c)
}

// Fragments hold every element once, and lanes that multiply what they and
// their quad hold give the matrix product.
func TestFragmentsMultiply(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 4))
	for _, m := range []MMA{M16N8K32, M16N8K16, M8N8K16} {
		a, b := make([]int8, m.M*m.K), make([]int8, m.K*m.N)
		for i := range a {
			a[i] = int8(r.IntN(256))
		}
		for i := range b {
			b[i] = int8(r.IntN(256))
		}
		fa, fb, fc := make([]int8, len(a)), make([]int8, len(b)), make([]int32, m.M*m.N)
		m.PackA(fa, a)
		m.PackB(fb, b)
		// Where each element of A and B ended up.
		whereA, whereB := map[[2]int]int{}, map[[2]int]int{}
		for k := range fa {
			row, col := m.A(k/(len(fa)/Lanes), k%(len(fa)/Lanes))
			whereA[[2]int{row, col}] = k
		}
		for k := range fb {
			row, col := m.B(k/(len(fb)/Lanes), k%(len(fb)/Lanes))
			whereB[[2]int{row, col}] = k
		}
		require.Len(t, whereA, len(a), m.Name)
		require.Len(t, whereB, len(b), m.Name)
		each := len(fc) / Lanes
		for k := range fc {
			row, col := m.C(k/each, k%each)
			for p := range m.K {
				fc[k] += int32(fa[whereA[[2]int{row, p}]]) * int32(fb[whereB[[2]int{p, col}]])
			}
		}
		c := make([]int32, len(fc))
		m.UnpackC(c, fc)
		for i := range m.M {
			for j := range m.N {
				var want int32
				for p := range m.K {
					want += int32(a[i*m.K+p]) * int32(b[p*m.N+j])
				}
				require.Equal(t, want, c[i*m.N+j], "%s (%d, %d)", m.Name, i, j)
			}
		}
	}
}

func TestWGMMAFragmentsAreBijections(t *testing.T) {
	for _, n := range []int{8, 64, 256} {
		seen := map[[2]int]bool{}
		for thread := range 128 {
			for i := range n / 2 {
				r, c := WGMMAResult(thread, i)
				require.True(t, r < 64 && c < n)
				seen[[2]int{r, c}] = true
			}
		}
		require.Len(t, seen, 64*n)
	}
	seen := map[[2]int]bool{}
	for thread := range 128 {
		for i := range 16 {
			r, c := WGMMAA(thread, i)
			require.True(t, r < 64 && c < 32)
			seen[[2]int{r, c}] = true
		}
	}
	require.Len(t, seen, 64*32)
}

func TestSwizzle(t *testing.T) {
	for _, c := range []struct{ row, k, want int }{{1, 0, 144}, {1, 16, 128}, {2, 0, 288}, {3, 37, 405}, {7, 127, 911}} {
		assert.Equal(t, c.want, Swizzle(c.row, c.k, 128))
	}
	for _, width := range []int{32, 64, 128} {
		seen := map[int]bool{}
		for row := range 8 {
			for k := range width {
				seen[Swizzle(row, k, width)] = true
			}
		}
		require.Len(t, seen, 8*width)
	}
	assert.Equal(t, 2*16+3, Swizzle(2, 3, 16))
}
