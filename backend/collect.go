package backend

import "github.com/goqat/goqat/tensor"

// Collect says what a layer on codes with a real result finds out about the
// result on its way out, as one more output, for whoever would read the whole
// result to know it.
type Collect uint8

const (
	// CollectNothing adds no output.
	CollectNothing Collect = iota
	// CollectMoments adds moments float64 [4, channels]: the mean, the
	// variance (the mean of squares about the mean), the least and the
	// greatest number of each channel; 0, 0, +Inf, -Inf of no number. They
	// come from exact sums over the integers that become the result, as
	// [CodeMoments.Of] says to the bit, so they have the same bits on every
	// device: mean and variance are those before the result is rounded to
	// float32. Where a channel has a number that is not finite they are NaN.
	// Layers whose sums may be too large for that do not collect moments
	// ([CollectsMoments]).
	CollectMoments
	// CollectEnds adds ends float32 [2]: the least and the greatest number,
	// NaN both when there is a NaN, +Inf and -Inf when there is no number.
	CollectEnds
)

// Collects reports whether a layer on codes with an input x, weights w and
// results of a type may collect c: moments where [CollectsMoments], and nothing
// of results that are rounded to bfloat16.
func Collects(c Collect, result tensor.DType, x, w tensor.Spec) bool {
	switch c {
	case CollectNothing:
		return true
	case CollectMoments:
		return result != tensor.BF16 && CollectsMoments(x, w)
	}
	return result != tensor.BF16
}

// Collector is an operation that can collect.
type Collector interface {
	Op
	// Collecting returns the operation with one more output.
	Collecting(Collect) Op
}

// Informed is an operation that takes what was collected about its first
// input, instead of reading all of it.
type Informed interface {
	Op
	// Informs returns what, and as which input: the one behind all others.
	Informs() (c Collect, input int)
}
