package qat

import (
	"github.com/goqat/goqat/graph"
)

// minmax takes the range of everything seen; of weights, which change, that
// of their present values.
func init() {
	RegisterObserver("minmax", Observer{Attach: func(o *Observed) (graph.Value, graph.Value) {
		if o.X.Kind() == graph.Param {
			return o.minMax(1)
		}
		return o.minMax(0)
	}})
}
