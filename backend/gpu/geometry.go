//go:build cuda

package gpu

import (
	"bytes"
	"encoding/binary"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

// geometry is struct geometry of csrc/geometry.cuh: a convolution in numbers.
// A sequence is an image of height 1, a linear layer images of one pixel.
type geometry struct {
	N, H, W, C     int32 // input
	OH, OW, O      int32 // output
	KH, KW         int32 // kernel
	SH, SW, DH, DW int32 // stride, dilation
	Top, Left      int32 // padding before
	Groups, CG, OG int32 // groups; input and output channels of one
}

// newGeometry returns the geometry of x, w and y, which fit together.
func newGeometry(c backend.Conv, x, w, y tensor.Shape) geometry {
	win := c.Normal()
	if len(x) == 3 {
		lift := func(s tensor.Shape) tensor.Shape { return tensor.Shape{s[0], 1, s[1], s[2]} }
		win, x, w, y = win.Length(), lift(x), lift(w), lift(y)
	}
	g := geometry{
		N: int32(x[0]), H: int32(x[1]), W: int32(x[2]), C: int32(x[3]), OH: int32(y[1]), OW: int32(y[2]), O: int32(w[0]), KH: int32(w[1]), KW: int32(w[2]),
		SH: int32(win.Stride[0]), SW: int32(win.Stride[1]), DH: int32(win.Dilation[0]), DW: int32(win.Dilation[1]),
		Top: int32(win.Pad[0]), Left: int32(win.Pad[1]), Groups: int32(max(c.Groups, 1)), CG: int32(w[3]),
	}
	g.OG = g.O / g.Groups
	return g
}

// gemmGeometry is that of a linear layer.
func gemmGeometry(x, w tensor.Shape) geometry {
	k, n := int32(x.Last()), int32(w[0])
	return geometry{N: int32(leading(x)), H: 1, W: 1, C: k, OH: 1, OW: 1, O: n, KH: 1, KW: 1, SH: 1, SW: 1, DH: 1, DW: 1, Groups: 1, CG: k, OG: n}
}

// leading returns the product of all dimensions but the last.
func leading(s tensor.Shape) int { return s[:len(s)-1].Numel() }

func (g *geometry) rows() int { return int(g.N) * int(g.OH) * int(g.OW) }

// taps is the length of the sums.
func (g *geometry) taps() int { return int(g.KH) * int(g.KW) * int(g.CG) }

// structure returns the bytes of a structure of numbers as kernels take it.
func structure(v any) []byte {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.NativeEndian, v) // To memory, and of fixed size.
	return b.Bytes()
}

// pointwise reports whether the convolution is a product of the pixels and the
// weights as they lie in memory.
func (g *geometry) pointwise() bool {
	return g.KH == 1 && g.KW == 1 && g.SH == 1 && g.SW == 1 && g.Top == 0 && g.Left == 0 && g.OH == g.H && g.OW == g.W && g.Groups == 1
}
