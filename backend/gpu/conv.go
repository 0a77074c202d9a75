//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
)

func init() {
	register(backend.Conv{}, kernel{module: "conv", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		g := newGeometry(op.(backend.Conv), in[0].spec.Shape, in[1].spec.Shape, out[0].spec.Shape)
		if g.depthwise() {
			return k.launch("conv_depthwise", k.each(out[0].numel()), out[0], in[0], in[1], codeAt(in, 2), structure(g))
		}
		return k.launch("conv", realTiles(g.rows(), int(g.OG), int(g.Groups)), out[0], in[0], in[1], codeAt(in, 2), structure(g))
	}})
	register(backend.ConvGradInput{}, kernel{module: "conv", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		o := op.(backend.ConvGradInput)
		g := newGeometry(o.Conv, out[0].spec.Shape, in[1].spec.Shape, in[0].spec.Shape)
		if suffix, ok := k.gradSuffix(o.Precision, in); ok && !g.depthwise() {
			return bindCodeGradInput(k, g, suffix, out, in)
		}
		w := structure(newRealOperand(in, 1))
		if g.depthwise() {
			return k.launch("conv_depthwise_grad_input", k.each(out[0].numel()), out[0], in[0], w, structure(g))
		}
		return k.launch("conv_grad_input", realTiles(int(g.N*g.H*g.W), int(g.CG), int(g.Groups)), out[0], in[0], w, structure(g))
	}})
	register(backend.ConvGradWeight{}, kernel{module: "conv", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		o := op.(backend.ConvGradWeight)
		g := newGeometry(o.Conv, in[1].spec.Shape, out[0].spec.Shape, in[0].spec.Shape)
		if suffix, ok := k.gradSuffix(o.Precision, in); ok && !g.depthwise() {
			return bindCodeGradWeight(k, g, suffix, out, in)
		}
		if out[0].numel() == 0 {
			return nil
		}
		x := structure(newRealOperand(in, 1))
		if g.depthwise() {
			grid := cuda.Dim{X: (int(g.O) + 31) / 32, Y: int(g.KH * g.KW)}
			grid.Z = splitParts(grid.X*grid.Y, g.rows())
			return splitSum(k, out[0], grid.Z, func(parts cuda.Ptr) error {
				return k.launch("conv_depthwise_grad_weight", cuda.Launch{Grid: grid, Block: cuda.Dim{X: 256}}, parts, in[0], x, structure(g), int32(grid.Z))
			})
		}
		tiles := realTiles(int(g.OG), g.taps(), int(g.Groups))
		splits := splitParts(tiles.Grid.X*tiles.Grid.Y*tiles.Grid.Z, g.rows())
		tiles.Grid.Z *= splits
		return splitSum(k, out[0], splits, func(parts cuda.Ptr) error {
			return k.launch("conv_grad_weight", tiles, parts, in[0], x, structure(g), int32(splits))
		})
	}})
}

// depthwise reports whether every input channel has its own kernels.
func (g *geometry) depthwise() bool { return g.Groups > 1 && g.CG == 1 && g.Groups == g.C }

// each returns the launch of a kernel in which each thread handles one of n
// elements.
func (k *build) each(n int) cuda.Launch {
	return cuda.Launch{Grid: cuda.Dim{X: min((n+threads-1)/threads, 1<<20)}, Block: cuda.Dim{X: threads}}
}
