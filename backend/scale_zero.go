package backend

import "github.com/goqat/goqat/quant"

// ScaleZero computes scale and zero point from the ends of a range by the
// rule (quant.Rule.ScaleZero). Inputs: min and max float32 [1 or channels],
// scale float32 and zero int32 of the same shape. Outputs: scale and zero, in
// place. A range that has seen nothing (min > max) is quant.ErrRange.
type ScaleZero struct {
	Rule        quant.Rule
	Scheme      quant.Scheme
	Calibration bool
}

// OpName returns "scale_zero".
func (ScaleZero) OpName() string { return "scale_zero" }

// Updates maps outputs 0 and 1 to inputs 2 and 3.
func (ScaleZero) Updates(out int) int { return out + 2 }

// CalibrationOnly returns Calibration.
func (o ScaleZero) CalibrationOnly() bool { return o.Calibration }
