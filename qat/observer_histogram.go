package qat

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
)

// The histogram observers keep 2048 bins of everything seen and search the
// range in them: of least squared error, of least divergence (entropy), or
// that keeps a percentile of the values.
func init() {
	for _, h := range []struct {
		name   string
		method backend.ScaleMethod
	}{{"histogram", backend.SearchMSE}, {"histogram_mse", backend.SearchMSE}, {"percentile", backend.SearchPercentile}, {"entropy", backend.SearchEntropy}} {
		RegisterObserver(h.name, Observer{PerTensorOnly: true, Attach: func(o *Observed) (graph.Value, graph.Value) {
			return o.histogram(h.method)
		}})
	}
}
