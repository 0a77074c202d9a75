package backend

import "github.com/goqat/goqat/quant"

// ObserveMinMax follows the least and the greatest value of a tensor, of each
// channel or of each group. Inputs: x, min and max float32 [1 or channels].
// Outputs: min and max, in place. With b the range of this batch and r the
// state:
//
//	Momentum 0  r = the least and the greatest so far
//	Momentum 1  r = b
//	otherwise   r += Momentum * (b - r), in float32; the first batch is copied
//
// A state with min > max, such as +Inf and -Inf, has seen nothing. An empty x
// changes nothing. A NaN in x is [ErrNaN], an infinity quant.ErrRange; both
// leave the states as they were.
type ObserveMinMax struct {
	Grain       quant.Granularity
	Momentum    float32
	Calibration bool
}

// OpName returns "observe_min_max".
func (ObserveMinMax) OpName() string { return "observe_min_max" }

// Updates maps outputs 0 and 1 to inputs 1 and 2.
func (ObserveMinMax) Updates(out int) int { return out + 1 }

// CalibrationOnly returns Calibration.
func (o ObserveMinMax) CalibrationOnly() bool { return o.Calibration }

// Reduces says that the range of all ranks is the least min and the greatest
// max. It is that of the whole batch to the bit, as the update is monotone.
func (ObserveMinMax) Reduces(out int) Reduction {
	if out == 0 {
		return RanksLeast
	}
	return RanksGreatest
}
