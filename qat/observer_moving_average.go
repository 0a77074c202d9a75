package qat

import (
	"github.com/goqat/goqat/graph"
)

// moving_average follows the range of each batch, r += 0.01*(batch - r), the
// first batch copied: PyTorch's MovingAverageMinMaxObserver.
func init() {
	RegisterObserver("moving_average", Observer{Attach: func(o *Observed) (graph.Value, graph.Value) {
		m := o.Quantizer.Momentum
		if m == 0 {
			m = 0.01
		}
		return o.minMax(m)
	}})
}
