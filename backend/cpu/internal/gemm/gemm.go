// Package gemm multiplies matrices for the CPU backend: float32 and float64
// products for training, and exact int8 x int8 -> int32 products for the
// integer forward pass.
//
// A product is planned once ([New], [NewInt]) and run any number of times
// without allocating. A plan cuts the result into tiles by shape alone and
// adds the terms of an element in one fixed order, so the bits do not depend
// on the number of threads. Integer results are the same on every
// instruction set; float results may differ between instruction sets, which
// fuse multiply and add or do not.
//
// A plan keeps the arguments of the product in progress: one plan must not
// run twice at once.
package gemm

import (
	"math"
	"runtime"
)

// Parallel calls body for the tiles [0, grain), [grain, 2 grain), ... of
// [0, n), several at once if it likes, and returns when all are done.
type Parallel func(n, grain int, body func(lo, hi int))

// Float is the set of element types of float products.
type Float interface{ ~float32 | ~float64 }

// Code is the set of element types of quantized activations.
type Code interface{ int8 | uint8 }

// slots divides scratch memory between the tiles that run at the same time.
// Taking a slot waits while all are in use.
type slots struct {
	free  chan int
	bytes int
}

// maxSlots bounds the scratch memory of one product.
const maxSlots = 64

func newSlots(tiles, bytes int) slots {
	if bytes == 0 || tiles == 0 {
		return slots{}
	}
	n := min(tiles, runtime.GOMAXPROCS(0), maxSlots)
	s := slots{make(chan int, n), roundUp(bytes, alignment)}
	for i := range n {
		s.free <- i
	}
	return s
}

func (s slots) size() int { return cap(s.free) * s.bytes }

func (s slots) take() int {
	if s.bytes == 0 {
		return 0
	}
	return <-s.free
}

func (s slots) give(i int) {
	if s.bytes != 0 {
		s.free <- i
	}
}

// of returns the memory of slot i in ws.
func (s slots) of(ws []byte, i int) []byte {
	return ws[i*s.bytes : (i+1)*s.bytes : (i+1)*s.bytes]
}

const alignment = 64

// roundUp returns the smallest multiple of unit that is not below n.
func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }

func ceilDiv(n, d int) int { return (n + d - 1) / d }

// checkShape panics on sizes that no matrix has: a bug of the caller.
func checkShape(m, n, k int) {
	if m < 0 || n < 0 || k < 0 || m > math.MaxInt32 || n > math.MaxInt32 || k > math.MaxInt32 {
		panic("gemm: negative or huge matrix size")
	}
}

// checkMatrix panics when a matrix of rows x cols with leading dimension ld
// does not fit into length elements: a bug of the caller.
func checkMatrix(what string, length, rows, cols, ld int) {
	if rows == 0 || cols == 0 {
		return
	}
	if ld < cols || length < (rows-1)*ld+cols {
		panic("gemm: matrix " + what + " is shorter than its shape")
	}
}
