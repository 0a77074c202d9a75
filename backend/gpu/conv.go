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
		if g.pointwise() {
			return bindRealProduct(k, out, in, g.rows(), int(g.O), int(g.C))
		}
		tiles := realTiles(g.rows(), int(g.OG), int(g.Groups))
		return k.launch("conv", tiles, out[0], in[0], in[1], codeAt(in, 2), structure(g), structure(oneSum(g.taps())))
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
		if g.pointwise() {
			return bindRealGradInput(k, out, in, g.rows(), int(g.O), int(g.C))
		}
		tiles := realTiles(int(g.N*g.H*g.W), int(g.CG), int(g.Groups))
		return k.launch("conv_grad_input", tiles, out[0], in[0], w, structure(g), structure(oneSum(int(g.KH*g.KW*g.OG))))
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
			all := int(g.N * g.OH)
			lines := backend.DepthwiseLines(all, int(g.OW))
			parts := max((all+lines-1)/lines, 1)
			grid := cuda.Dim{X: (int(g.O) + 31) / 32, Y: int(g.KH * g.KW), Z: (parts + 7) / 8} // A warp a part.
			return splitSum(k, out[0], parts, func(c cuda.Ptr) error {
				return k.launch("conv_depthwise_grad_weight", cuda.Launch{Grid: grid, Block: cuda.Dim{X: 256}}, c, in[0], x, structure(g), int32(lines), int32(parts))
			})
		}
		if g.pointwise() {
			return bindRealGradWeight(k, out, in, g.rows(), int(g.O), int(g.C))
		}
		order := backend.WeightGradOrder(int(g.N), int(g.OH), int(g.OW), out[0].numel())
		return k.ordered(out[0], nil, g.taps(), order, realTiles(int(g.OG), g.taps(), int(g.Groups)), func(tiles cuda.Launch, dw cuda.Ptr, _ *Buffer, order []byte) error {
			return k.launch("conv_grad_weight", tiles, dw, in[0], x, structure(g), order)
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
