package backend

import (
	"fmt"

	"github.com/goqat/goqat/tensor"
)

// ReduceKind says how [Reduce] combines elements.
type ReduceKind uint8

// The kinds of reduction.
const (
	ReduceSum  ReduceKind = iota // 0 of nothing
	ReduceMean                   // NaN of nothing
	ReduceMax                    // -Inf of nothing; a NaN wins
	ReduceMin                    // +Inf of nothing; a NaN wins
	ReduceProd                   // 1 of nothing
	ReduceL2                     // sqrt(sum(x*x))
	reduceKinds
)

// Valid reports whether k is one of the kinds.
func (k ReduceKind) Valid() bool { return k < reduceKinds }

// Reduce combines the elements along Axes, all axes when there are none, in
// float64. Negative axes count from the end. Reduced dimensions become 1 with
// KeepDims and vanish without. The order of additions depends on shapes only.
type Reduce struct {
	Kind     ReduceKind
	Axes     tensor.Dims
	KeepDims bool
}

// OpName returns "reduce".
func (Reduce) OpName() string { return "reduce" }

// Reduced reports for each of rank dimensions whether it is reduced.
func (r Reduce) Reduced(rank int) ([]bool, error) {
	m := make([]bool, rank)
	for i := range m {
		m[i] = r.Axes.N == 0
	}
	for _, a := range r.Axes.V[:r.Axes.N] {
		a, err := Axis(a, rank)
		if err != nil {
			return nil, err
		}
		if m[a] {
			return nil, fmt.Errorf("backend: axis %d is reduced twice", a)
		}
		m[a] = true
	}
	return m, nil
}

// ReduceGrad is the gradient of [Reduce] for an input of shape Input,
//
//	sum   dy
//	mean  dy / count
//	max   dy / ties where x = y, else 0; min likewise
//	prod  dy * the product of the other elements
//	l2    dy * x / y, 0 where y = 0
//
// Inputs: dy, and x and y for the last three. Output: dx.
type ReduceGrad struct {
	Reduce
	Input tensor.Dims
}

// OpName returns "reduce_grad".
func (ReduceGrad) OpName() string { return "reduce_grad" }
