package codes

import (
	"math/rand/v2"
	"testing"
)

func TestLookup(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(71, 72))
		var table [256]int8
		for i := range table {
			table[i] = int8(r.Uint32())
		}
		for n := range 300 {
			x := make([]uint8, n+1)[1:]
			for i := range x {
				x[i] = uint8(r.Uint32())
			}
			want, got := mirror(n, int8(77)), mirror(n, int8(77))
			for i, v := range x {
				want[32+i] = table[v]
			}
			Lookup(got[32:32+n], x, &table)
			same(t, want, got, "%d codes", n)
			for i, v := range x { // In place.
				got[32+i] = int8(v)
			}
			Lookup(got[32:32+n], got[32:32+n], &table)
			same(t, want, got, "%d codes in place", n)
		}
	})
}
