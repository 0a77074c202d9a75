package qat

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
)

// mse searches the scale of least squared error on the present values, for
// each channel.
func init() {
	RegisterObserver("mse", Observer{Attach: func(o *Observed) (graph.Value, graph.Value) {
		return two(o.G.ApplyN(backend.ScaleMSE{Rule: o.Rule, Scheme: o.Quantizer.Scheme, Calibration: o.CalibrationOnly}, o.X, o.Scale, o.Zero))
	}})
}
