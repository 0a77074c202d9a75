package qat

import (
	"context"
	"fmt"
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/tensor"
)

// CorrectBias removes the mean error that quantization leaves in each output
// channel (empirical bias correction; Nagel et al., 2019, section 4.2). Layer
// by layer, in order and with all earlier ones corrected, the mean over
// samples and positions of
//
//	quantized pre-activation - float pre-activation
//
// is subtracted from the beta of the layer's batch normalization or else from
// its bias, in o.State. Layers without either, or that share it, stay as they
// are. The float model is that of o.Reference, or of o.State.
func CorrectBias(ctx context.Context, prepared *graph.Graph, d data.Dataset, o DataOptions) error {
	o.defaults(d)
	if o.State == nil {
		return fmt.Errorf("qat: bias correction needs a State: that of the calibration")
	}
	if o.Samples < 1 {
		return fmt.Errorf("qat: bias correction needs data: there are no samples")
	}
	if err := correctBias(ctx, prepared, d, o); err != nil {
		return fmt.Errorf("qat: bias correction: %w", err)
	}
	return nil
}

func correctBias(ctx context.Context, prepared *graph.Graph, d data.Dataset, o DataOptions) error {
	use := usageOf(prepared)
	var layers []unit
	for _, u := range units(prepared, use) {
		if v := u.shift(); v.Kind() == graph.Param && use.own(v) {
			layers = append(layers, u)
		}
	}
	// The float means first: o.State may be the reference.
	exact, err := channelMeans(ctx, prepared, layers, d, o, o.reference(), graph.EvalFloat)
	if err != nil {
		return err
	}
	for i := range layers {
		coded, err := channelMeans(ctx, prepared, layers[i:i+1], d, o, o.State, graph.Mode{Quantize: graph.QuantizeFloat})
		if err != nil {
			return err
		}
		name := layers[i].shift().Name()
		t, err := o.State.Read(ctx, name)
		if err != nil {
			return err
		}
		for c := range t.F32() {
			t.F32()[c] = float32(float64(t.F32()[c]) - (coded[0][c] - exact[i][c]))
		}
		if err := o.State.Write(ctx, name, t); err != nil {
			return err
		}
	}
	return nil
}

// channelMeans returns for each layer the mean of its pre-activation by
// output channel.
func channelMeans(ctx context.Context, g *graph.Graph, layers []unit, d data.Dataset, o DataOptions, s *program.State, m graph.Mode) ([][]float64, error) {
	probe, err := probed(g, func(c *graph.Copy) {
		for _, u := range layers {
			v := u.preActivation()
			axes := make([]int, len(v.Shape())-1)
			for i := range axes {
				axes[i] = i
			}
			mean := backend.Reduce{Kind: backend.ReduceMean, Axes: tensor.NewDims(axes...)}
			c.Dst.Output("mean."+u.name(), c.Dst.Apply(mean, c.Value(v)))
		}
	})
	if err != nil {
		return nil, err
	}
	p, err := program.Compile(ctx, probe, program.Options{State: s, Batch: o.Batch, Mode: m})
	if err != nil {
		return nil, err
	}
	defer p.Close()
	sums := make([][]float64, len(layers))
	for i, u := range layers {
		sums[i] = make([]float64, u.preActivation().Shape().Last())
	}
	n := 0
	err = each(ctx, d, o, func(x *tensor.Tensor, _ int) error {
		n++
		if err := setInput(ctx, p, o.Input, x); err != nil {
			return err
		}
		if err := p.Run(ctx); err != nil {
			return err
		}
		for i, u := range layers {
			t, err := p.OutputTensor(ctx, "mean."+u.name())
			if err != nil {
				return err
			}
			for c, v := range t.F32() {
				sums[i][c] += float64(v)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, u := range layers {
		for c := range sums[i] {
			sums[i][c] /= float64(n)
			if math.IsNaN(sums[i][c]) || math.IsInf(sums[i][c], 0) {
				return nil, fmt.Errorf("the mean of channel %d of %s is %v", c, u.name(), sums[i][c])
			}
		}
	}
	return sums, nil
}
