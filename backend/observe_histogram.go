package backend

// MaxHistogramBins bounds the bins of [ObserveHistogram].
const MaxHistogramBins = 1 << 20

// ObserveHistogram counts the values of a tensor. Inputs: x, counts int64
// [Bins], range float32 [2] with the ends of the histogram. Outputs: counts
// and range, in place. A range with lo >= hi, such as +Inf and -Inf, has seen
// nothing.
//
// The width of a bin is a power of two and its edges are multiples of it; 0
// is always inside. When a value lies outside, neighbouring bins are merged
// until all values fit, so that the result is the same in whatever order
// values come (see quant.GrowHistogram). A NaN in x is [ErrNaN], an infinity
// quant.ErrRange; both leave the states as they were.
type ObserveHistogram struct {
	Bins        int
	Calibration bool
}

// OpName returns "observe_histogram".
func (ObserveHistogram) OpName() string { return "observe_histogram" }

// Updates maps outputs 0 and 1 to inputs 1 and 2.
func (ObserveHistogram) Updates(out int) int { return out + 1 }

// CalibrationOnly returns Calibration.
func (o ObserveHistogram) CalibrationOnly() bool { return o.Calibration }
