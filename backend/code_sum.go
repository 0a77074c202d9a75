package backend

import (
	"fmt"

	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// SumError says that sums of K products of codes may not fit the int32 that
// they are added up in; sums of Most always do.
type SumError struct{ K, Most int }

// Error returns one line.
func (e *SumError) Error() string {
	return fmt.Sprintf("sums of k = %d products of codes may overflow int32: at most %d are safe", e.K, e.Most)
}

// CodeSpan returns the range of code - zero for codes of type d, where the
// zero point may be any code of the type; without one it is 0.
func CodeSpan(d tensor.DType, zero bool) [2]int32 {
	switch {
	case zero:
		return [2]int32{-255, 255}
	case d == tensor.U8:
		return [2]int32{0, 255}
	}
	return [2]int32{-128, 127}
}

// CheckSum returns a [*SumError] when sums of k products of an x and a w of
// these ranges, both ends included, may not fit an int32. With a bias half of
// the range is the bias'. Inputs are checked when a graph is built, and again
// when a backend binds the operation.
func CheckSum(k int, x, w [2]int32, bias bool) error {
	most := quant.MaxK(x[0], x[1], w[0], w[1])
	if bias {
		most /= 2
	}
	if k > most {
		return &SumError{K: k, Most: most}
	}
	return nil
}
