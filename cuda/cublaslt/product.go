//go:build cuda

package cublaslt

// #include <stdlib.h>
// #include "cublaslt.h"
//
// static void *matmul_address(void) { return (void *)goqat_lt_matmul; }
import "C"

import (
	"fmt"
	"unsafe"

	"github.com/goqat/goqat/cuda"
)

// Order is how the matrices of a product lie in memory.
type Order int

const (
	// Rows: row by row, lengths of rows multiples of 4: the one way that all
	// devices know, and the only one from compute capability 9.0 on.
	Rows Order = C.GOQAT_LT_ORDER_COL
	// Turing and Ampere are the orders of 32 columns: the left matrix and the
	// result in COL32, the right matrix in COL4_4R2_8C or COL32_2R_4R4. N and K
	// are multiples of 32. For compute capability 7.5, and 8.0 on, below 9.0.
	Turing Order = C.GOQAT_LT_ORDER_COL4_4R2_8C
	Ampere Order = C.GOQAT_LT_ORDER_COL32_2R_4R4
)

// String returns a short name.
func (o Order) String() string {
	switch o {
	case Rows:
		return "rows"
	case Turing:
		return "col4_4r2_8c"
	case Ampere:
		return "col32_2r_4r4"
	}
	return fmt.Sprintf("order %d", int(o))
}

// Orders returns those that a compute capability, as 80, may know.
func Orders(arch int) []Order {
	switch {
	case arch >= 90:
		return []Order{Rows}
	case arch >= 80:
		return []Order{Rows, Ampere, Turing}
	}
	return []Order{Rows, Turing}
}

// Result is what a product leaves.
type Result int

const (
	// Sums are int32 and exact.
	Sums Result = C.GOQAT_LT_SUMS
	// Codes are int8: the sums times one float32, rounded and clamped as the
	// library does it.
	Codes Result = C.GOQAT_LT_CODES
	// CodesEach are Codes with a multiplier for each of N; in the order Rows
	// alone.
	CodesEach Result = C.GOQAT_LT_CODES_EACH
)

// String returns a short name.
func (r Result) String() string {
	switch r {
	case Sums:
		return "sums"
	case Codes:
		return "codes"
	case CodesEach:
		return "codes by column"
	}
	return fmt.Sprintf("result %d", int(r))
}

// Product is sums[m][n] = sum over k of a[m][k] * b[n][k], of int8 with int32
// sums, or the codes made of them.
type Product struct {
	Order   Order
	Result  Result
	M, N, K int
}

// Multipliers returns how many a product of codes takes.
func (p Product) Multipliers() int {
	switch p.Result {
	case Codes:
		return 1
	case CodesEach:
		return p.N
	}
	return 0
}

// Multiple is what N and K must be multiples of in an order.
func (o Order) Multiple() int {
	if o == Rows {
		return 4
	}
	return 32
}

// SizeB returns the bytes of the right matrix, whose rows are padded in the
// orders of 32 columns.
func (p Product) SizeB() int {
	rows := p.N
	if p.Order == Turing {
		rows = (rows + 7) / 8 * 8
	}
	return rows * p.K
}

// Algorithm is one that the library offers for a product.
type Algorithm struct {
	// ID is what the library knows it by: good for one version and one
	// device.
	ID [64]byte
	// Workspace is the memory it needs while it runs, in bytes.
	Workspace int
}

// mostAlgorithms is the number that the library is asked for.
const mostAlgorithms = 64

// Algorithms returns what the library offers for a product with at most that
// much workspace, what it thinks the fastest first; [ErrUnsupported] when it has
// nothing.
func (h *Handle) Algorithms(p Product, workspace int) ([]Algorithm, error) {
	plan, err := h.prepare(p)
	if err != nil {
		return nil, err
	}
	defer plan.Close()
	var as []Algorithm
	err = h.c.Do(func() error {
		rs := (*[mostAlgorithms]C.goqat_lt_result)(C.calloc(mostAlgorithms, C.sizeof_goqat_lt_result))
		defer C.free(unsafe.Pointer(rs))
		var n C.int
		if err := h.l.status("cublasLtMatmulAlgoGetHeuristic", C.goqat_lt_heuristics(plan.p, C.size_t(workspace), mostAlgorithms, &rs[0], &n)); err != nil {
			return err
		}
		for _, r := range rs[:min(max(int(n), 0), mostAlgorithms)] {
			if r.state == C.GOQAT_LT_SUCCESS && r.workspace <= C.size_t(workspace) {
				as = append(as, Algorithm{ID: *(*[64]byte)(unsafe.Pointer(&r.algo)), Workspace: int(r.workspace)})
			}
		}
		return nil
	})
	if err == nil && len(as) == 0 {
		err = fmt.Errorf("cublaslt: no algorithm for %+v: %w", p, ErrUnsupported)
	}
	return as, err
}

// Plan is a product made ready for its memory.
type Plan struct {
	h *Handle
	p *C.goqat_lt_plan
}

// prepare makes the descriptors.
func (h *Handle) prepare(p Product) (*Plan, error) {
	if m := p.Order.Multiple(); p.M <= 0 || p.N <= 0 || p.K <= 0 || p.N%m != 0 || p.K%m != 0 {
		return nil, fmt.Errorf("cublaslt: %+v: columns and depth must be multiples of %d: %w", p, m, ErrUnsupported)
	}
	if p.Order != Rows && p.Result == CodesEach {
		return nil, fmt.Errorf("cublaslt: %+v: a multiplier for each column is for the order %v: %w", p, Rows, ErrUnsupported)
	}
	plan := &Plan{h: h, p: (*C.goqat_lt_plan)(C.calloc(1, C.sizeof_goqat_lt_plan))}
	q := C.goqat_lt_problem{order: C.int(p.Order), result: C.int(p.Result), m: C.int64_t(p.M), n: C.int64_t(p.N), k: C.int64_t(p.K)}
	err := h.c.Do(func() error { return h.l.status("descriptors", C.goqat_lt_prepare(plan.p, h.l.lt, h.h, &q)) })
	if err != nil {
		plan.Close()
		return nil, err
	}
	return plan, nil
}

// Plan makes a product ready to be put into a queue: a, b and the result are
// aligned to 16 bytes, and workspace, of the algorithm's size, to 256.
// multipliers, for codes, are [Product.Multipliers] float32 with a zero behind
// them, read when the product runs.
func (h *Handle) Plan(p Product, g Algorithm, result, a, b, multipliers, workspace cuda.Ptr) (*Plan, error) {
	if (a|b|result|multipliers)%16 != 0 || workspace%256 != 0 {
		return nil, fmt.Errorf("cublaslt: operands must be aligned to 16 bytes and workspace to 256")
	}
	plan, err := h.prepare(p)
	if err != nil {
		return nil, err
	}
	plan.p.algo = *(*C.goqat_lt_algo)(unsafe.Pointer(&g.ID))
	plan.p.d, plan.p.a, plan.p.b = C.uint64_t(result), C.uint64_t(a), C.uint64_t(b)
	plan.p.alpha = C.uint64_t(multipliers)
	plan.p.workspace, plan.p.bytes = C.uint64_t(workspace), C.size_t(g.Workspace)
	return plan, nil
}

// Command returns the product, for a queue or a graph. The plan must stay until
// it is done, or for as long as it may be recorded anew.
func (p *Plan) Command() cuda.Command { return cuda.Call(C.matmul_address(), unsafe.Pointer(p.p)) }

// Close releases the plan.
func (p *Plan) Close() {
	if p.p != nil {
		C.goqat_lt_discard(p.p)
		C.free(unsafe.Pointer(p.p))
		p.p = nil
	}
}

// describe makes and releases the descriptors of a product, without a device.
func (l *Library) describe(p Product) error {
	var plan C.goqat_lt_plan
	q := C.goqat_lt_problem{order: C.int(p.Order), result: C.int(p.Result), m: C.int64_t(p.M), n: C.int64_t(p.N), k: C.int64_t(p.K)}
	defer C.goqat_lt_discard(&plan)
	return l.status("descriptors", C.goqat_lt_prepare(&plan, l.lt, nil, &q))
}
