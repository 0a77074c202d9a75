package qat

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// Observer chooses the scale and zero point of a tensor from the values it
// sees.
type Observer struct {
	// PerTensorOnly says that it cannot give one scale a channel.
	PerTensorOnly bool
	// Attach appends the observer's operations after x and returns the scale
	// and zero point to use; the given ones are their stored values, which
	// the operations update in place. Further states take names of their own
	// in the current scope of o.G.
	Attach func(o *Observed) (scale, zero graph.Value)
}

// Observed is the tensor that an observer is attached to.
type Observed struct {
	G              *graph.Graph
	X, Scale, Zero graph.Value
	Rule           quant.Rule
	Quantizer      Quantizer
	// Count is the number of scales.
	Count int
	// CalibrationOnly is set when the scale is learned: the operations then
	// run in calibration alone.
	CalibrationOnly bool
}

var observers = map[string]Observer{}

// RegisterObserver adds an observer; call it from init. It panics on a
// duplicate.
func RegisterObserver(name string, o Observer) {
	if _, ok := observers[name]; ok {
		panic("qat: duplicate observer " + name)
	}
	observers[name] = o
}

// State adds a persistent float32 value of the observer.
func (o *Observed) State(name string, init float32, n int) graph.Value {
	t := tensor.New(tensor.Of(tensor.F32, n))
	for i := range t.F32() {
		t.F32()[i] = init
	}
	return o.G.State(name, t)
}

// minMax attaches a range that moves by momentum and the scale it gives.
func (o *Observed) minMax(momentum float32) (scale, zero graph.Value) {
	lo := o.State("min", float32(math.Inf(1)), o.Count)
	hi := o.State("max", float32(math.Inf(-1)), o.Count)
	r := o.G.ApplyN(backend.ObserveMinMax{Grain: o.Quantizer.Scheme.Grain, Momentum: momentum, Calibration: o.CalibrationOnly}, o.X, lo, hi)
	if r == nil {
		return scale, zero
	}
	return two(o.G.ApplyN(backend.ScaleZero{Rule: o.Rule, Scheme: o.Quantizer.Scheme, Calibration: o.CalibrationOnly}, r[0], r[1], o.Scale, o.Zero))
}

func two(v []graph.Value) (a, b graph.Value) {
	if len(v) < 2 {
		return a, b
	}
	return v[0], v[1]
}

// histogram attaches a histogram and a search of the scale in it.
func (o *Observed) histogram(m backend.ScaleMethod) (scale, zero graph.Value) {
	const bins = 2048
	counts := o.G.State("counts", tensor.New(tensor.Of(tensor.I64, bins)))
	span := o.G.State("range", tensor.FromF32([]float32{float32(math.Inf(1)), float32(math.Inf(-1))}, 2))
	r := o.G.ApplyN(backend.ObserveHistogram{Bins: bins, Calibration: o.CalibrationOnly}, o.X, counts, span)
	if r == nil {
		return scale, zero
	}
	p := o.Quantizer.Percentile
	if p == 0 {
		p = 99.99
	}
	return two(o.G.ApplyN(backend.ScaleSearch{Rule: o.Rule, Scheme: o.Quantizer.Scheme, Method: m, Percentile: p, Calibration: o.CalibrationOnly}, r[0], r[1], o.Scale, o.Zero))
}
