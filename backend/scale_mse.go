package backend

import "github.com/goqat/goqat/quant"

// ScaleMSE chooses the scale and the zero point of each channel that give the
// least squared error sum((x - fake_quant(x))^2), among those of the ranges
// f*[min, max] with 0 < f <= 1 (quant.SearchShrink). Inputs: x, scale float32
// [1 or channels], zero int32. Outputs: scale and zero, in place. It suits
// weights of few bits. A NaN in x is [ErrNaN], an infinity quant.ErrRange.
// An empty channel gets the scale of the range [0, 0].
type ScaleMSE struct {
	Rule        quant.Rule
	Scheme      quant.Scheme
	Calibration bool
}

// OpName returns "scale_mse".
func (ScaleMSE) OpName() string { return "scale_mse" }

// Updates maps outputs 0 and 1 to inputs 1 and 2.
func (ScaleMSE) Updates(out int) int { return out + 1 }

// CalibrationOnly returns Calibration.
func (o ScaleMSE) CalibrationOnly() bool { return o.Calibration }
