package backend

import (
	"fmt"

	"github.com/goqat/goqat/quant"
)

// ScaleMethod says what a [ScaleSearch] looks for.
type ScaleMethod uint8

// The methods of [ScaleSearch].
const (
	// SearchPercentile clips what lies outside of a percentile of the values.
	SearchPercentile ScaleMethod = iota
	// SearchMSE minimizes the squared error of quantization.
	SearchMSE
	// SearchEntropy minimizes the Kullback-Leibler divergence between the
	// values and the quantized values.
	SearchEntropy
)

var scaleMethodNames = [...]string{"percentile", "mse", "entropy"}

// String returns the method's name, such as "percentile".
func (m ScaleMethod) String() string {
	if int(m) < len(scaleMethodNames) {
		return scaleMethodNames[m]
	}
	return fmt.Sprintf("ScaleMethod(%d)", uint8(m))
}

// ScaleSearch chooses scale and zero point of a tensor from the histogram of
// its values (quant.RangeSearch). Inputs: counts int64 [bins] and range
// float32 [2] of [ObserveHistogram], scale float32 [1], zero int32 [1].
// Outputs: scale and zero, in place. Percentile, in (0, 100], is used by
// SearchPercentile: symmetric schemes keep that part of the magnitudes,
// others clip half of the rest at each end. An empty histogram is
// quant.ErrRange.
type ScaleSearch struct {
	Rule        quant.Rule
	Scheme      quant.Scheme
	Method      ScaleMethod
	Percentile  float32
	Calibration bool
}

// OpName returns "scale_search".
func (ScaleSearch) OpName() string { return "scale_search" }

// Updates maps outputs 0 and 1 to inputs 2 and 3.
func (ScaleSearch) Updates(out int) int { return out + 2 }

// CalibrationOnly returns Calibration.
func (o ScaleSearch) CalibrationOnly() bool { return o.Calibration }
